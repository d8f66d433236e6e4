"""`gradewise annotation`: sample pairs, have them graded in Label Studio, adjudicate the grades."""

from __future__ import annotations

import typer

from app.commands.annotation.adjudicate import adjudicate
from app.commands.annotation.pull import pull
from app.commands.annotation.push import push
from app.commands.annotation.sample import sample
from app.commands.annotation.serve import serve
from app.commands.annotation.status import status

app = typer.Typer(
    help="Sample pairs, have them graded in Label Studio, adjudicate the grades.",
    no_args_is_help=True,
)
for verb in (serve, sample, push, status, pull, adjudicate):
    app.command()(verb)
