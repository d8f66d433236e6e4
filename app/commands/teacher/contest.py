"""What the verbs that train several teachers share: how they are measured and how that is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.output import Format, emit, notes, print_table
from app.wording import baseline_name
from relevance.results import PairedRow, Results, Row, markdown_table

if TYPE_CHECKING:
    import polars as pl

    from relevance.results import Evaluate

FoldsOption = Annotated[
    int, typer.Option("--folds", min=2, help="Parts that the queries are dealt into.")
]
MetricsOption = Annotated[
    str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
]
ByOption = Annotated[
    list[str] | None, typer.Option("--by", help="Column of the queries to split by, as country.")
]
METRICS = "accuracy,AUROC@3,AUROC@4,AUROC@5"
SECONDS, RATE = "seconds", "pairs_per_second"
NONE = "—"


@dataclass(frozen=True, slots=True)
class Measuring:
    """How predictions are measured.

    Attributes:
        qrels: Graded pairs.
        queries: Their queries.
        metrics: Metrics of grades, as the user wrote them.
        by: Columns of the queries to split by.
        level: Confidence level.
        seed: Of resampling and swaps.
    """

    qrels: pl.DataFrame
    queries: pl.DataFrame
    metrics: str
    by: Sequence[str]
    level: float
    seed: int

    def check(self) -> None:
        """Raises InputError for a metric that is none of grades, before any training."""
        from evaluation.pointwise import grade_measures
        from relevance.grades import FIVE

        grade_measures(self.metrics, FIVE)

    @property
    def names(self) -> list[str]:
        """The metrics, as tables spell them."""
        from evaluation.pointwise import grade_measures
        from relevance.grades import FIVE

        return [m.text or repr(m) for m in grade_measures(self.metrics, FIVE)]

    def alone(self, predictions: pl.DataFrame) -> Results:
        """Figures of one model."""
        from evaluation.pointwise import evaluate_grades

        return evaluate_grades(predictions, self.qrels, self.queries, **self._options())

    def against(self, baseline: pl.DataFrame, candidates: Sequence[pl.DataFrame]) -> Results:
        """Figures of models beside those of a baseline, with paired differences."""
        from evaluation.compare.grades import compare_grades

        options = self._options()
        return compare_grades(baseline, candidates, self.qrels, self.queries, **options)

    def in_turn(self, frames: Sequence[pl.DataFrame]) -> Results:
        """Figures of models, each beside the one before it; the steps are one family."""
        from evaluation.compare.families import adjust_families

        found = [row for old, new in pairwise(frames) for row in self.against(old, [new])]
        rows = [row for row in found if isinstance(row, PairedRow)]
        return Results(tuple(adjust_families(rows, "holm")))

    def _options(self) -> dict[str, Any]:
        options = {"metrics": self.metrics, "by": list(self.by) or None, "level": self.level}
        return {**options, "seed": self.seed}


def read_tables(**paths: Path) -> list[pl.DataFrame]:
    """The tables of these files, in their order; a missing one names the command that makes it."""
    from app.commands.evaluation.shared import read
    from relevance.grades import FIVE

    return [read(path, name, FIVE) for name, path in paths.items()]


def evaluator(qrels: pl.DataFrame, queries: pl.DataFrame) -> Evaluate:
    """What each training reports of its epochs."""
    from app.commands.teacher.epochs import make_evaluator

    return make_evaluator(qrels, queries)


def save(results: Results, out: Path, name: str, command: str, config: Mapping[str, Any]) -> None:
    """Writes the long table `results-NAME` into a folder."""
    from relevance.workspace import Workspace

    path = Workspace(out).write(
        f"results-{name}", results.to_frame(), command=command, config=config
    )
    notes.print(f"{path} written", highlight=False)


def show_figures(
    results: Results,
    *,
    heading: str,
    metrics: Sequence[str],
    form: Format,
    title: str,
    order: Sequence[str] = (),
    more: Mapping[str, Callable[[str], str]] | None = None,
) -> None:
    """Prints one row a system and group: each metric with its interval, then further columns.

    Args:
        results: The long table.
        heading: Name of the column of systems.
        metrics: Columns, as the table spells them.
        form: Text or Markdown.
        title: What the table shows.
        order: Systems that come first, in their order.
        more: Name of a column → system → cell, shown in the overall rows; empty ones are left out.
    """
    kept = [row for row in results if row.metric in metrics]
    places = list(dict.fromkeys((row.system, row.group) for row in kept))
    places.sort(key=lambda at: order.index(at[0]) if at[0] in order else len(order))
    grouped = len({group for _, group in places}) > 1
    cells = {(row.system, row.group, row.metric): figure_cell(row) for row in kept}
    further = {
        name: {system: cell(system) for system, _ in places} for name, cell in (more or {}).items()
    }
    further = {name: told for name, told in further.items() if set(told.values()) - {"", NONE}}
    header = [heading, *(["group"] if grouped else []), *metrics, *further]
    lines = [
        [
            system,
            *([group] if grouped else []),
            *(cells.get((system, group, metric), NONE) for metric in metrics),
            *(told[system] if group == "all" else "" for told in further.values()),
        ]
        for system, group in places
    ]
    _print(header, lines, form, title)


def show_differences(
    results: Results, *, heading: str, metrics: Sequence[str], form: Format, title: str
) -> None:
    """Prints one row a system and group: each metric's difference, interval, p and adjusted p."""
    rows = [row for row in results if isinstance(row, PairedRow) and row.metric in metrics]
    if not rows:
        return
    places = list(dict.fromkeys((row.system, row.group) for row in rows))
    grouped = len({group for _, group in places}) > 1
    cells = {(row.system, row.group, row.metric): difference_cell(row) for row in rows}
    against = {row.system: baseline_name(row.note) for row in rows}
    several = len(set(against.values())) > 1
    header = [heading, *(["against"] if several else []), *(["group"] if grouped else []), *metrics]
    lines = [
        [
            system,
            *([against[system]] if several else []),
            *([group] if grouped else []),
            *(cells.get((system, group, metric), NONE) for metric in metrics),
        ]
        for system, group in places
    ]
    _print(header, lines, form, title)


def figure_cell(row: Row) -> str:
    """`.612 [.590, .633]`, a dash where there is no figure."""
    if row.value is None:
        return NONE
    if row.ci_low is None or row.ci_high is None:
        return short(row.value)
    return f"{short(row.value)} [{short(row.ci_low)}, {short(row.ci_high)}]"


def difference_cell(row: PairedRow) -> str:
    """`+.021 [+.004, +.038] p .016 (.048)`, the adjusted p in parentheses."""
    if row.difference is None:
        return NONE
    told = short(row.difference, sign=True)
    if row.difference_ci_low is not None and row.difference_ci_high is not None:
        low, high = (short(v, sign=True) for v in (row.difference_ci_low, row.difference_ci_high))
        told += f" [{low}, {high}]"
    if row.p_value is not None:
        told += f" p {probability(row.p_value)} ({probability(row.p_adjusted)})"
    return told


def short(value: float, *, sign: bool = False) -> str:
    """Three decimals without the leading zero: `.612`, `-.021`, `+.021`."""
    text = f"{abs(value):.3f}".removeprefix("0")
    minus = value < 0 and float(text) != 0
    return f"{'-' if minus else '+' if sign else ''}{text}"


def probability(p: float | None) -> str:
    """`.016`, `<.001`, `1`."""
    if p is None:
        return NONE
    return "<.001" if p < 0.001 else "1" if p > 0.9995 else short(p)


def finish(results: Results, form: Format) -> bool:
    """Prints the long table where a program reads; whether that was all."""
    if form in {Format.JSON, Format.CSV}:
        emit(results, form)
        return True
    return False


def meaning(level: float) -> str:
    """What intervals and p-values of these tables are."""
    return (
        f"[…]: {level:.0%} intervals over queries; p: both models' predictions swapped query by "
        "query, adjusted in (…)"
    )


def say(lines: Sequence[str]) -> None:
    """Prints lines under a table on stdout."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _print(header: Sequence[str], lines: list[list[str]], form: Format, title: str) -> None:
    if form is Format.MARKDOWN:
        sys.stdout.write(f"{title}\n\n{markdown_table(header, lines)}\n\n")
        return
    print_table(header, lines, title=title)
    sys.stdout.write("\n")
