"""`gradewise evaluation compare`: candidates against a baseline."""

from __future__ import annotations

import enum
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.evaluation.compare_output import (
    check_files,
    check_regress,
    print_changes,
    print_comparison,
    write_changes,
    write_unjudged,
)
from app.commands.evaluation.shared import (
    AllowSeenOption,
    AssistedOption,
    ByOption,
    EmptyOption,
    LabelNoiseOption,
    QrelsOption,
    QueriesOption,
    RepsOption,
    Sources,
    TiesOption,
    checked_level,
    named_file,
    read,
    read_queries,
    seen,
    systems,
)
from app.output import (
    Format,
    FormatOption,
    LevelOption,
    OverwriteOption,
    SeedOption,
    progress_bar,
)
from app.scales import ScaleOption, scale_named
from relevance.errors import MissingInputError, SettingsError

if TYPE_CHECKING:
    import polars as pl

    from relevance.grades import GradeScale


class Adjust(enum.StrEnum):
    """How p-values are adjusted for the size of their family."""

    HOLM = "holm"
    BH = "bh"


class FailOn(enum.StrEnum):
    """What makes a comparison fail."""

    REGRESS = "regress"


def compare(
    *,
    baseline: Annotated[str, typer.Option("--baseline", help="[NAME=]FILE of the system in use.")],
    candidate: Annotated[
        list[str],
        typer.Option("--candidate", help="[NAME=]FILE of a new system; may be repeated."),
    ],
    qrels: QrelsOption,
    queries: QueriesOption = None,
    pins: Annotated[
        Path | None, typer.Option("--pins", help="Pins, whose titles stand in the lists shown.")
    ] = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
    ] = "nDCG@20,P@8",
    by: ByOption = None,
    scale: ScaleOption = "five",
    ties: TiesOption = "docid",
    empty: EmptyOption = None,
    allow_seen: AllowSeenOption = False,
    adjust: Annotated[
        Adjust,
        typer.Option("--adjust", help="holm to claim, bh (false discovery rate) to explore."),
    ] = Adjust.HOLM,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(
            "--fail-on", help="regress: exit with 3 if a metric is significantly worse anywhere."
        ),
    ] = None,
    show: Annotated[
        int, typer.Option("--show", min=0, help="Queries that gained and lost most to print.")
    ] = 3,
    changes: Annotated[
        Path | None, typer.Option("--changes", help="File for every query's values.")
    ] = None,
    unjudged: Annotated[
        Path | None, typer.Option("--unjudged", help="File for the unjudged pairs, to be graded.")
    ] = None,
    label_noise: LabelNoiseOption = 0,
    assisted: AssistedOption = None,
    reps: RepsOption = None,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
    form: FormatOption = Format.TEXT,
) -> None:
    """Candidates against a baseline, paired by query: differences, tests, what changed and where.

    Text and Markdown show the figures that decide, then the queries that gained and lost most with
    both lists; JSON and CSV hold all figures. The file of --unjudged can be sampled and pushed to
    annotators as it is:

        gradewise evaluation compare --baseline production=a.parquet --candidate b.parquet
        --qrels qrels.parquet --queries queries.parquet --by country --fail-on regress
    """
    from evaluation.assisted import assist_comparison
    from evaluation.compare import ComparisonOptions, compare_sides
    from evaluation.compare.sides import sides_of

    if assisted is not None and (label_noise or reps is not None or adjust is not Adjust.HOLM):
        raise SettingsError(
            "--assisted has intervals of its own: leave out --label-noise, --reps and --adjust"
        )
    check_files((changes, unjudged), overwrite=overwrite)
    checked_level(level)
    inputs = _Inputs(
        baseline=baseline, candidates=candidate, qrels=qrels, queries=queries, pins=pins,
        assisted=assisted, scale=scale_named(scale),
    )  # fmt: skip
    shared: dict[str, Any] = {
        "metrics": metrics, "by": by, "scale": inputs.scale, "ties": ties, "empty": empty,
        "seen": inputs.seen, "allow_seen": allow_seen,
    }  # fmt: skip
    sides = sides_of(
        inputs.baseline, inputs.candidates, inputs.qrels, inputs.queries, unique=True, **shared
    )
    if inputs.predictions is None:
        options = ComparisonOptions(
            level=level, seed=seed, reps=reps, adjust=adjust.value, label_noise=label_noise
        )
        with progress_bar("compare") as progress:
            results = compare_sides(sides, options, progress)
    else:
        results = assist_comparison(
            inputs.baseline, inputs.candidates, inputs.qrels, inputs.predictions, inputs.queries,
            level=level, seed=seed, **shared,
        )  # fmt: skip
    results = results.sourced(inputs.source)
    print_comparison(results, form)
    print_changes(sides, form, n=show, queries=inputs.queries, pins=inputs.pins)
    write_changes(sides, inputs.queries, changes)
    write_unjudged(sides, unjudged)
    if fail_on:
        check_regress(results, level)


class _Inputs:
    """The tables of a comparison, read and checked.

    Attributes:
        source: Version and hashes of the files.
        seen: Hashed ids of queries that a model behind any of them has seen.
    """

    def __init__(
        self, *, baseline: str, candidates: list[str], qrels: Path, queries: Path | None,
        pins: Path | None, assisted: Path | None, scale: GradeScale,
    ) -> None:  # fmt: skip
        old, new = named_file(baseline), [named_file(text) for text in candidates]
        files = {"baseline": old[1], "qrels": qrels, "queries": queries, "assisted": assisted}
        files |= {f"candidate{i or ''}": path for i, (_, path) in enumerate(new)}
        sources = Sources(files)
        self.scale = scale
        with ThreadPoolExecutor(max_workers=1) as pool:
            grades = pool.submit(read, qrels, "qrels", scale)
            self.baseline = systems(*old, "runs", "system", scale)
            self.candidates = [systems(*each, "runs", "system", scale) for each in new]
        self.qrels = grades.result()
        self.queries = read_queries(queries)
        self.pins = _read_pins(pins)
        self.predictions = None if assisted is None else read(assisted, "predictions", scale)
        models = [old[1], *(path for _, path in new), *([assisted] if assisted else [])]
        self.seen = seen(models)
        self.source = sources.text


def _read_pins(path: Path | None) -> pl.DataFrame | None:
    from relevance.tables import read_table

    if path is None:
        return None
    if not path.exists():
        raise MissingInputError(path, "gradewise data import")
    return read_table(path, "pins")
