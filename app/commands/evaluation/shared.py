"""What the commands of `gradewise evaluation` share: options, readers and gates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.output import notes
from relevance.errors import InputError, MissingInputError, SettingsError
from relevance.files import fingerprint
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
_FEWEST_REPS = 40
"""Resamplings that the ends of a 95 % interval lie among: 2 / 0.05."""


def _checked_reps(reps: int | None) -> int | None:
    """As given; an error if no interval could come from so few, for it would look too narrow."""
    if reps is not None and 0 < reps < _FEWEST_REPS:
        raise SettingsError(
            f"--reps must be at least {_FEWEST_REPS}, got {reps}. The usual number is 2000; "
            "0 = no intervals"
        )
    return reps


RepsOption = Annotated[
    int | None,
    typer.Option(
        "--reps",
        min=0,
        callback=_checked_reps,
        help="Resamplings of the queries for each interval (default 2,000, or the closed form "
        "where queries are many); 0 = no intervals.",
    ),
]
LabelNoiseOption = Annotated[
    int,
    typer.Option(
        "--label-noise",
        min=0,
        metavar="DRAWS",
        help="Draws of the grades from their posterior that widen the intervals, such as 200.",
    ),
]
AssistedOption = Annotated[
    Path | None,
    typer.Option(
        "--assisted",
        help="A teacher's predictions for all queries: narrower intervals from few human grades.",
    ),
]
SampledOption = Annotated[
    bool,
    typer.Option(
        "--sampled",
        help="Figures of everything that could be drawn: weighted by 1 / inclusion_probability.",
    ),
]
SamplesOption = Annotated[
    Path | None,
    typer.Option(
        "--samples", help="The samples that were graded: --sampled with their strata and draw."
    ),
]
DrawnOption = Annotated[
    str | None,
    typer.Option(
        "--drawn",
        help="For --sampled: queries (each with all its Pins) or pairs were drawn; else told from "
        "the data.",
    ),
]
DrawOption = Annotated[
    str | None,
    typer.Option(
        "--draw",
        help="Which draw of the --samples: measure (or pool, where there is none) unless named.",
    ),
]
PairsOption = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        help="For --sampled: every pair that could be drawn, as annotation sample --frame writes: "
        "what figures are of, and the ideal of nDCG.",
    ),
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


def read(path: Path, table: str, scale: GradeScale, *, distinct: bool = True) -> pl.DataFrame:
    """The checked table of a file; a missing one names the command that makes it."""
    from relevance.tables import read_table

    made_by = {
        "qrels": "gradewise annotation adjudicate",
        "judgments": "gradewise annotation pull",
        "predictions": "gradewise teacher label",
        "runs": "gradewise student score",
        "queries": "gradewise data import",
        "pins": "gradewise data import",
        "samples": "gradewise annotation sample",
        "pairs": "gradewise data import",
    }
    if not path.exists():
        raise MissingInputError(path, made_by[table])
    return read_table(path, table, scale=scale, distinct=distinct)


def read_queries(path: Path | None) -> pl.DataFrame | None:
    """The queries table, if a file is given."""
    from relevance.grades import FIVE

    return None if path is None else read(path, "queries", FIVE)


def systems(
    name: str | None,
    path: Path,
    table: str,
    column: str,
    scale: GradeScale,
    *,
    distinct: bool = True,
) -> pl.DataFrame:
    """The file's rows, each with its system's name: NAME, else the column, else the stem.

    No system has a pair twice, as none of the file's has, if that is looked at (`distinct`).

    Raises:
        InputError: Rows without a system become those of one that has the same pair.
    """
    import polars as pl

    frame = read(path, table, scale, distinct=distinct)
    if column not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    given = pl.col(column)
    if name is None:
        told = given.fill_null(path.stem)
    elif frame.select(given.drop_nulls().n_unique()).item() > 1:
        told = pl.lit(f"{name}/") + given
    else:
        told = pl.lit(name)
    named = frame.with_columns(told.alias(column))
    if distinct and 0 < frame.select(given.null_count()).item() < frame.height:
        _refuse_merged(named, column, path)
    return named


def _refuse_merged(frame: pl.DataFrame, column: str, path: Path) -> None:
    """Raises InputError if naming rows made two of a pair those of one system."""
    again = frame.select(column, "query_id", "pin_id").is_duplicated()
    if again.any():
        name, query_id, pin_id = frame.filter(again).select(column, "query_id", "pin_id").row(0)
        raise InputError(
            f"{path}: with its rows without a {column} taken as {name!r}, that has query "
            f"{query_id!r}, pin {pin_id!r} twice. Name the {column} in every row"
        )


def seen(paths: Iterable[Path]) -> frozenset[str]:
    """Queries that any of the models behind the files has seen: all systems get the same ones."""
    from relevance.provenance import seen_queries

    return frozenset().union(*(seen_queries(path) for path in paths))


def told_of_draws(results: Results, qrels: pl.DataFrame) -> Results:
    """The rows, noting that the grades were drawn with chances that differ, if so.

    Where they were drawn with equal ones below 1 the figures may well be right (of whole queries
    they are), so that only a word is said.
    """
    import dataclasses

    from evaluation.sampled import partial, unequal

    if not unequal(qrels):
        if partial(qrels):
            notes.print(
                "note: the qrels are a sample, and these figures are of what was drawn; --sampled "
                "gives those of everything that could be drawn"
            )
        return results
    notes.print(
        "note: the qrels were drawn with unequal probabilities, and these figures are of what was "
        "drawn; --sampled weights them"
    )
    told = (
        dataclasses.replace(row, note="; ".join(filter(None, [row.note, "unequal_inclusion"])))
        for row in results
    )
    return Results(tuple(told))


@dataclass(frozen=True, slots=True)
class Draws:
    """What is known of how the grades were drawn.

    Attributes:
        wanted: Whether figures are to be of everything that could be drawn.
        samples: File of the samples.
        drawn: `queries`, `pairs` or None.
        pairs: File of everything that could be drawn.
        draw: Which draw of the samples; None = the usual one.
    """

    wanted: bool
    samples: Path | None
    drawn: str | None
    pairs: Path | None = None
    draw: str | None = None

    @property
    def sampled(self) -> bool:
        """Whether to weight: asked for, or samples are given."""
        return self.wanted or self.samples is not None

    def check(self, **others: object) -> None:
        """Raises SettingsError if its options are given without it, or others beside it."""
        if self.draw is not None and self.samples is None:
            raise SettingsError("--draw names a draw of the samples: give --samples FILE, too")
        if not self.sampled and (self.drawn is not None or self.pairs is not None):
            given = "--drawn" if self.drawn is not None else "--pairs"
            raise SettingsError(f"{given} says how grades were drawn: give --sampled, too")
        taken = [f"--{name.replace('_', '-')}" for name, value in others.items() if value]
        if self.sampled and taken:
            raise SettingsError(f"--sampled cannot go with {', '.join(taken)}: leave it out")

    def arguments(self) -> dict[str, Any]:
        """Arguments of `evaluate_sampled_…`."""
        from relevance.grades import FIVE

        found: dict[str, Any] = {"drawn": self.drawn, "draw": self.draw}
        if self.samples is not None:
            found["samples"] = read(self.samples, "samples", FIVE)
        if self.pairs is not None:
            found["candidates"] = read(self.pairs, "pairs", FIVE)
        return found


def explained(results: Results) -> Results:
    """The rows; what their notes mean for whoever has to decide is printed."""
    told = "; ".join(row.note for row in results)
    wide = [row.note for row in results if row.slice == "all"]
    left = [part for note in wide for part in note.split("; ") if part.startswith("outside_frame:")]
    if left:
        notes.print(
            f"note: figures are of what could be drawn; {left[0].split()[-1]} queries of which "
            "nothing could be are left out (outside_frame)"
        )
    if "uneven_pairs" in told:
        notes.print(
            "note: nDCG and R rest on a model of the grades that are missing, as single pairs were "
            "drawn with chances that differ within a query (uneven_pairs); for nDCG draw whole "
            "queries"
        )
    if "covered: " in told:
        notes.print(
            "note: part of the first ranks could not be drawn (covered) and counts as not "
            "relevant; --pairs FILE says of which queries nothing could be"
        )
    return results


class Sources:
    """What figures are made from: hashed in the background while the files are read.

    Attributes:
        text: The version and the first 12 digits of each file's XXH3 (128 bits).
    """

    def __init__(self, files: Mapping[str, Path | None]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._hashes = {
            name: self._pool.submit(fingerprint, path)
            for name, path in files.items()
            if path is not None and path.is_file()
        }

    @property
    def text(self) -> str:
        """`gradewise 0.1.0; run=xxh3:3f2a…; qrels=xxh3:77ab…`; waits until all is hashed."""
        from importlib import metadata

        told = [f"{name}=xxh3:{made.result()[:12]}" for name, made in self._hashes.items()]
        return "; ".join([f"gradewise {metadata.version('gradewise')}", *told])


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
        bound = _number(value)
        if not metric or bound is None:
            raise SettingsError(
                f"--fail-under must be METRIC=VALUE, got {text!r}. Write it like nDCG@20=0.6"
            )
        gates.append((repr(parse(metric)), bound))
    return gates


def _number(text: str) -> float | None:
    """A finite number, or None: nothing is below NaN, so it would open every gate."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


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
