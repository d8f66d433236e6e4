"""What the commands of `gradewise evaluation` share: options, readers and gates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.output import notes
from relevance.errors import InputError, MissingInputError, SettingsError
from relevance.results import Results

if TYPE_CHECKING:
    import polars as pl

    from relevance.grades import GradeScale

GATE = 3
"""Exit code when a gate says no."""

QrelsOption = Annotated[Path, typer.Option("--qrels", help="Human grades, one a pair.")]
QueriesOption = Annotated[
    Path | None, typer.Option("--queries", help="Queries with country, language, traffic, …")
]
ByOption = Annotated[
    list[str] | None, typer.Option("--by", help="Column of the queries to split by, as country.")
]
TiesOption = Annotated[
    str, typer.Option("--ties", help="Equal scores: docid (as trec_eval) or average over orders.")
]
EmptyOption = Annotated[
    str | None,
    typer.Option("--empty", help="Queries without anything to find: undefined or zero."),
]
AllowSeenOption = Annotated[
    bool, typer.Option("--allow-seen", help="Keep queries that a model has seen, and say so.")
]
FailUnderOption = Annotated[
    list[str] | None,
    typer.Option("--fail-under", help="METRIC=VALUE: exit with 3 if an overall figure is lower."),
]


def named_file(text: str) -> tuple[str | None, Path]:
    """`NAME=FILE` or `FILE`; a file whose own path holds a `=` is taken as it is."""
    name, equals, path = text.partition("=")
    if not equals or Path(text).exists():
        return None, Path(text)
    if not name or not path:
        raise SettingsError(f"[NAME=]FILE expected, got {text!r}. Write it like production=a.csv")
    return name, Path(path)


def read(path: Path, table: str, scale: GradeScale) -> pl.DataFrame:
    """The checked table of a file; a missing one names the command that makes it."""
    from relevance.tables import read_table

    made_by = {
        "qrels": "gradewise annotation adjudicate",
        "judgments": "gradewise annotation pull",
        "predictions": "gradewise teacher label",
        "runs": "gradewise student score",
        "queries": "gradewise data import",
    }
    if not path.exists():
        raise MissingInputError(path, made_by[table])
    return read_table(path, table, scale=scale)


def read_queries(path: Path | None) -> pl.DataFrame | None:
    """The queries table, if a file is given."""
    from relevance.grades import FIVE

    return None if path is None else read(path, "queries", FIVE)


def systems(
    name: str | None, path: Path, table: str, column: str, scale: GradeScale
) -> pl.DataFrame:
    """The file's rows, each with its system's name: NAME, else the column, else the stem."""
    import polars as pl

    frame = read(path, table, scale)
    if column not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    if name is None:
        return frame.with_columns(pl.col(column).fill_null(path.stem))
    if frame[column].drop_nulls().n_unique() > 1:
        return frame.with_columns((pl.lit(f"{name}/") + pl.col(column)).alias(column))
    return frame.with_columns(pl.lit(name).alias(column))


def seen(paths: Iterable[Path]) -> frozenset[str]:
    """Queries that any of the models behind the files has seen: all systems get the same ones."""
    from relevance.provenance import seen_queries

    return frozenset().union(*(seen_queries(path) for path in paths))


def checked_level(level: float) -> float:
    """The confidence level; an error if it is not a share."""
    if not 0 < level < 1:
        raise SettingsError(f"--level must be between 0 and 1, got {level}. The usual one is 0.95")
    return level


def gates_of(texts: list[str] | None) -> list[tuple[str, float]]:
    """`METRIC=VALUE` each; the metric as in the table, so options in parentheses may hold a `=`."""
    from evaluation.metrics import parse

    gates = []
    for text in texts or ():
        metric, _, value = text.rpartition("=")
        try:
            gates.append((repr(parse(metric)), float(value)))
        except ValueError:
            raise SettingsError(
                f"--fail-under must be METRIC=VALUE, got {text!r}. Write it like nDCG@20=0.6"
            ) from None
    return gates


def check_gates(results: Results, gates: list[tuple[str, float]]) -> None:
    """Exits with 3 if an overall figure is undefined or below its gate (above, for MAE)."""
    from evaluation.metrics import parse

    failed = False
    for metric, bound in gates:
        rows = [r for r in results if r.slice == "all" and repr(parse(r.metric)) == metric]
        if not rows:
            raise InputError(
                f"--fail-under {metric}: the table has no such metric. Add it to --metrics"
            )
        for row in rows:
            better = 1 if parse(metric).metric.higher_is_better else -1
            if row.value is None or better * (row.value - bound) < 0:
                shown = "undefined" if row.value is None else f"{row.value:.4f}"
                notes.print(f"gate: {metric} of {row.system} is {shown}, wanted {bound:g}")
                failed = True
    if failed:
        raise typer.Exit(GATE)
