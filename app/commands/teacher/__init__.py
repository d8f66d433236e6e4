"""`gradewise teacher`: a cross-encoder that learns people's grades and labels pairs with them."""

from __future__ import annotations

import typer

from app.commands.teacher.bases import bases
from app.commands.teacher.label import label
from app.commands.teacher.train import train

app = typer.Typer(
    help="Trains a language model on human grades and labels pairs with it.",
    no_args_is_help=True,
)
for _verb in (bases, train, label):
    app.command()(_verb)
