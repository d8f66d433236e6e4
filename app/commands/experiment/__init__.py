"""`gradewise experiment`: what an A/B test says, how to plan one, and what past ones taught."""

from __future__ import annotations

import typer

from app.commands.experiment.analyze import analyze
from app.commands.experiment.bridge import bridge
from app.commands.experiment.calibrate import calibrate
from app.commands.experiment.plan import plan
from app.commands.experiment.sql import sql

app = typer.Typer(help="Plans and analyses A/B tests from session logs.", no_args_is_help=True)
for verb in (analyze, plan, calibrate, sql, bridge):
    app.command()(verb)


@app.callback()
def main() -> None:
    """Plans and analyses A/B tests from session logs."""
