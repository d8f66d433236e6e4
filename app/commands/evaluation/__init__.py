"""`gradewise evaluation`: figures about graders, models and rankings, with intervals."""

from __future__ import annotations

import typer

from app.commands.evaluation.agreement import agreement
from app.commands.evaluation.compare import compare
from app.commands.evaluation.grades import grades
from app.commands.evaluation.metrics import metrics
from app.commands.evaluation.ranking import ranking

app = typer.Typer(
    help="Measures graders, models and rankings against human grades, with intervals by query.",
    no_args_is_help=True,
)
for verb in (grades, ranking, compare, agreement, metrics):
    app.command()(verb)
