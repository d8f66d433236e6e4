"""`gradewise annotation`: sample pairs, have them graded in Label Studio, adjudicate the grades."""

from __future__ import annotations

import typer

from app.commands.annotation.adjudicate import adjudicate
from app.commands.annotation.doctor import doctor
from app.commands.annotation.forget import forget
from app.commands.annotation.graders import graders
from app.commands.annotation.pull import pull
from app.commands.annotation.push import push
from app.commands.annotation.queue import queue
from app.commands.annotation.sample import sample
from app.commands.annotation.serve import serve
from app.commands.annotation.status import status
from app.commands.annotation.verify import verify
from app.commands.annotation.watch import watch

app = typer.Typer(
    help="Sample pairs, have them graded in Label Studio, adjudicate the grades.",
    no_args_is_help=True,
)
for verb in (
    serve,
    sample,
    push,
    verify,
    status,
    pull,
    watch,
    adjudicate,
    graders,
    queue,
    forget,
    doctor,
):
    app.command()(verb)
