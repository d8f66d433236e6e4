"""What a trainer is told of its validation predictions, and how an epoch is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from app.output import notes

if TYPE_CHECKING:
    import polars as pl

    from relevance.results import Evaluate, Row

GRADE_METRICS = ("accuracy", "AUROC@3", "AUROC@4", "AUROC@5", "ECE")
RANKING_METRICS = ("nDCG@20",)
_WIDTH = 9


def make_evaluator(qrels: pl.DataFrame, queries: pl.DataFrame) -> Evaluate:
    """What the trainer reports of an epoch: grades and ranking, by country where it is known."""
    from evaluation.pointwise import evaluate_grades
    from evaluation.ranking import evaluate_ranking
    from relevance.blend import runs_from

    known = "country" in queries.columns and queries["country"].null_count() < queries.height
    by = "country" if known else None

    def evaluate(predictions: pl.DataFrame) -> list[Row]:
        graded = qrels.join(predictions, on=["query_id", "pin_id"], how="semi")
        runs = runs_from(predictions, "teacher")
        rows = [
            *evaluate_grades(predictions, graded, queries, metrics=GRADE_METRICS, by=by, reps=0),
            *evaluate_ranking(runs, graded, queries, metrics=RANKING_METRICS, by=by, reps=0),
        ]
        kept = {*GRADE_METRICS, *RANKING_METRICS}
        return [row for row in rows if row.metric in kept]

    return evaluate


def epoch_printer() -> Callable[[Mapping[str, Any]], None]:
    """Prints each epoch on stderr: a line of figures, and one for each country."""
    printed = False

    def tell(entry: Mapping[str, Any]) -> None:
        nonlocal printed
        rows = entry.get("metrics", ())
        names = list(dict.fromkeys(row["metric"] for row in rows))
        if not printed:
            printed = True
            notes.print(_line("epoch", "", ["loss", "val. loss", *names], "pairs"), style="bold")
        losses = [_figure(entry["loss"]), _figure(entry.get("validation_loss"))]
        for group in dict.fromkeys(["all", *(row["group"] for row in rows)]):
            cells = {row["metric"]: row for row in rows if row["group"] == group}
            n = cells["accuracy"]["n"] if "accuracy" in cells else ""
            first, before = (entry["epoch"], losses) if group == "all" else ("", ["", ""])
            figures = [_figure(cells[name]["value"]) if name in cells else "" for name in names]
            notes.print(_line(first, group, [*before, *figures], n), highlight=False)

    return tell


def _line(epoch: object, group: str, cells: list[str], n: object) -> str:
    figures = "".join(f"{cell:>{_WIDTH + 1}}" for cell in cells)
    return f"{epoch!s:>5} {group:<9}{figures} {n!s:>7}".rstrip()


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
