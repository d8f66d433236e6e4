"""`gradewise evaluation`: figures about graders, models and rankings, with intervals."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.output import Format, FormatOption, LevelOption, SeedOption, emit, notes, print_table
from app.scales import ScaleOption, scale_named
from relevance.errors import InputError, MissingInputError, SettingsError
from relevance.results import Results

if TYPE_CHECKING:
    import polars as pl

    from relevance.grades import GradeScale

app = typer.Typer(
    help="Measures graders, models and rankings against human grades, with intervals by query.",
    no_args_is_help=True,
)

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


@app.command()
def grades(
    *,
    predictions: Annotated[
        list[str], typer.Option("--predictions", help="[NAME=]FILE of p1…p5; may be repeated.")
    ],
    qrels: QrelsOption,
    queries: QueriesOption = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
    ] = "accuracy,within1,MAE,AUROC@3,AUROC@4,AUROC@5",
    by: ByOption = None,
    scale: ScaleOption = "five",
    allow_seen: AllowSeenOption = False,
    fail_under: FailUnderOption = None,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """Predicted grades against human grades.

    gradewise evaluation grades --predictions teacher.parquet --qrels qrels.parquet
    --queries queries.parquet --by country
    """
    import polars as pl

    from evaluation.pointwise import evaluate_grades

    gates = _gates(fail_under)
    of = scale_named(scale)
    files = [_named_file(text) for text in predictions]
    frames = [_systems(name, path, "predictions", "model", of) for name, path in files]
    results = evaluate_grades(
        pl.concat(frames, how="diagonal_relaxed"),
        _read(qrels, "qrels", of),
        _read_queries(queries),
        metrics=metrics,
        by=by,
        scale=of,
        level=_level(level),
        seed=seed,
        seen=_seen(path for _, path in files),
        allow_seen=allow_seen,
    )
    emit(results, form)
    _check_gates(results, gates)


@app.command()
def ranking(
    *,
    run: Annotated[
        list[str], typer.Option("--run", help="[NAME=]FILE of ranked Pins; may be repeated.")
    ],
    qrels: QrelsOption,
    queries: QueriesOption = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
    ] = "nDCG@20,P@8",
    by: ByOption = None,
    scale: ScaleOption = "five",
    ties: TiesOption = "docid",
    empty: EmptyOption = None,
    allow_seen: AllowSeenOption = False,
    fail_under: FailUnderOption = None,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """Ranked lists against human grades; Judged@k stands beside.

    gradewise evaluation ranking --run production=a.parquet --run candidate=b.parquet
    --qrels qrels.parquet --metrics "nDCG@20,P(rel=3)@8"
    """
    import polars as pl

    from evaluation.ranking import evaluate_ranking

    gates = _gates(fail_under)
    of = scale_named(scale)
    files = [_named_file(text) for text in run]
    frames = [_systems(name, path, "runs", "system", of) for name, path in files]
    results = evaluate_ranking(
        pl.concat(frames, how="diagonal_relaxed"),
        _read(qrels, "qrels", of),
        _read_queries(queries),
        metrics=metrics,
        by=by,
        scale=of,
        ties=ties,
        empty=empty,
        level=_level(level),
        seed=seed,
        seen=_seen(path for _, path in files),
        allow_seen=allow_seen,
    )
    emit(results, form)
    _check_gates(results, gates)


@app.command()
def compare(
    *,
    baseline: Annotated[str, typer.Option("--baseline", help="[NAME=]FILE of the system in use.")],
    candidate: Annotated[str, typer.Option("--candidate", help="[NAME=]FILE of the new system.")],
    qrels: QrelsOption,
    queries: QueriesOption = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
    ] = "nDCG@20,P@8",
    by: ByOption = None,
    scale: ScaleOption = "five",
    ties: TiesOption = "docid",
    empty: EmptyOption = None,
    allow_seen: AllowSeenOption = False,
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """A candidate against a baseline, paired by query.

    gradewise evaluation compare --baseline production=a.parquet --candidate b.parquet
    --qrels qrels.parquet --queries queries.parquet --by country
    """
    from evaluation.compare import compare_runs

    of = scale_named(scale)
    old, new = _named_file(baseline), _named_file(candidate)
    results = compare_runs(
        _systems(*old, "runs", "system", of),
        _systems(*new, "runs", "system", of),
        _read(qrels, "qrels", of),
        _read_queries(queries),
        metrics=metrics,
        by=by,
        scale=of,
        ties=ties,
        empty=empty,
        level=_level(level),
        seed=seed,
        seen=_seen([old[1], new[1]]),
        allow_seen=allow_seen,
    )
    emit(results, form)


@app.command()
def agreement(
    judgments: Annotated[Path, typer.Argument(help="Every annotator's grades.")],
    *,
    queries: QueriesOption = None,
    by: ByOption = None,
    scale: ScaleOption = "five",
    level: LevelOption = 0.95,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """How far annotators agree: Krippendorff's α, quadratic κ, Gwet's AC1 and AC2, within one.

    gradewise evaluation agreement judgments.parquet --queries queries.parquet --by country
    """
    from evaluation.agreement import agreement as agree

    of = scale_named(scale)
    emit(
        agree(
            _read(judgments, "judgments", of),
            _read_queries(queries),
            by=by,
            scale=of,
            level=_level(level),
            seed=seed,
        ),
        form,
    )


@app.command()
def metrics(form: FormatOption = Format.TEXT) -> None:
    """Every metric: how it is written, what it says, where it comes from.

    Example: gradewise evaluation metrics --format markdown
    """
    import csv
    import json
    import sys

    from evaluation.metrics import METRICS, Metric
    from relevance.results import markdown_table

    header = ["metric", "needs", "range", "undefined", "meaning", "source"]
    needs = {"ranking": "runs", "pairs": "predictions", "threshold": "predictions"}

    def spelled(metric: Metric) -> str:
        options = f"({','.join(f'{name}=…' for name in metric.options)})" if metric.options else ""
        letter = "t" if metric.family == "threshold" else "k"
        cutoff = {"required": f"@{letter}", "optional": f"[@{letter}]", "none": ""}[metric.cutoff]
        return f"{metric.name}{f'[{options}]' if options else ''}{cutoff}"

    rows = [
        [
            spelled(m),
            needs[m.family],
            f"{m.low:g} … {'∞' if m.high is None else format(m.high, 'g')}",
            m.undefined,
            m.doc,
            m.source,
        ]
        for m in METRICS.values()
    ]
    if form is Format.JSON:
        dicts = [dict(zip(header, row, strict=True)) for row in rows]
        sys.stdout.write(json.dumps(dicts, ensure_ascii=False, indent=1) + "\n")
    elif form is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([header, *rows])
    elif form is Format.MARKDOWN:
        sys.stdout.write(markdown_table(header, rows) + "\n")
    else:
        print_table(header, rows)


def _named_file(text: str) -> tuple[str | None, Path]:
    """`NAME=FILE` or `FILE`; a file whose own path holds a `=` is taken as it is."""
    name, equals, path = text.partition("=")
    if not equals or Path(text).exists():
        return None, Path(text)
    if not name or not path:
        raise SettingsError(f"[NAME=]FILE expected, got {text!r}. Write it like production=a.csv")
    return name, Path(path)


def _read(path: Path, table: str, scale: GradeScale) -> pl.DataFrame:
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


def _read_queries(path: Path | None) -> pl.DataFrame | None:
    from relevance.grades import FIVE

    return None if path is None else _read(path, "queries", FIVE)


def _systems(
    name: str | None, path: Path, table: str, column: str, scale: GradeScale
) -> pl.DataFrame:
    """The file's rows, each with its system's name: NAME, else the column, else the stem."""
    import polars as pl

    frame = _read(path, table, scale)
    if column not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(column))
    if name is None:
        return frame.with_columns(pl.col(column).fill_null(path.stem))
    if frame[column].drop_nulls().n_unique() > 1:
        return frame.with_columns((pl.lit(f"{name}/") + pl.col(column)).alias(column))
    return frame.with_columns(pl.lit(name).alias(column))


def _seen(paths: Iterable[Path]) -> frozenset[str]:
    """Queries that any of the models behind the files has seen: all systems get the same ones."""
    from relevance.provenance import seen_queries

    return frozenset().union(*(seen_queries(path) for path in paths))


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise SettingsError(f"--level must be between 0 and 1, got {level}. The usual one is 0.95")
    return level


def _gates(texts: list[str] | None) -> list[tuple[str, float]]:
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


def _check_gates(results: Results, gates: list[tuple[str, float]]) -> None:
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
