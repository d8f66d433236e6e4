"""`gradewise evaluation`: figures about graders, models and rankings, with intervals."""

from __future__ import annotations

from typing import Any

import typer

from app.commands.evaluation.agreement import agreement
from app.commands.evaluation.compare import compare
from app.commands.evaluation.grades import grades
from app.commands.evaluation.judge import judge
from app.commands.evaluation.metrics import metrics
from app.commands.evaluation.plan import plan
from app.commands.evaluation.ranking import ranking
from app.commands.evaluation.verify import verify
from app.settings import configure
from evaluation.config import EvaluationConfig

app = typer.Typer(
    help="Measures graders, models and rankings against human grades, with intervals by query.",
    no_args_is_help=True,
)
for verb in (grades, ranking, compare, agreement, judge, plan, metrics, verify):
    app.command()(verb)


@app.callback()
def main(context: typer.Context) -> None:
    """Measures graders, models and rankings against human grades, with intervals by query."""
    context.default_map = _defaults(configure(EvaluationConfig, "evaluation"))


def _defaults(config: EvaluationConfig) -> dict[str, dict[str, Any]]:
    """What the settings say for the flags of each verb; a flag that is given wins."""

    def spelled(metrics: str | tuple[str, ...]) -> str:
        return metrics if isinstance(metrics, str) else ",".join(metrics)

    by = [config.by] if isinstance(config.by, str) else list(config.by)
    every: dict[str, Any] = {
        "scale": config.scale, "level": config.level, "seed": config.seed, "by": by or None,
    }  # fmt: skip
    ordered = {"ties": config.ties, "empty": config.empty}
    noise = {"label_noise": config.label_noise}
    ranked = {**every, **ordered, **noise, "metrics": spelled(config.metrics)}
    return {
        "grades": {**every, **noise, "metrics": spelled(config.grade_metrics)},
        "ranking": ranked,
        "compare": ranked,
        "agreement": every,
        "judge": {key: value for key, value in every.items() if key != "by" or value},
        "plan": {**every, **ordered},
        "verify": {"scale": config.scale},
    }
