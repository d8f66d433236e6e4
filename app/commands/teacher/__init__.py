"""`gradewise teacher`: a cross-encoder that learns people's grades and labels pairs with them."""

from __future__ import annotations

import typer

from app.commands.teacher.ablate import ablate
from app.commands.teacher.bases import bases
from app.commands.teacher.compare import compare
from app.commands.teacher.label import label
from app.commands.teacher.train import train

app = typer.Typer(
    help="Trains a language model on human grades and labels pairs with it.",
    no_args_is_help=True,
)
for _verb in (bases, train, label, compare, ablate):
    app.command()(_verb)
