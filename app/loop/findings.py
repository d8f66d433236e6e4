"""What was found: figures by country, the A/B test, the report."""

from __future__ import annotations

from typing import Any

from app.loop.bench import (
    GRADE_METRICS,
    RANKING_METRICS,
    RESULT_TABLES,
    Bench,
    figure,
    training_qrels,
)
from relevance.files import atomic
from relevance.progress import Progress
from relevance.provenance import seen_queries
from relevance.results import ComparisonRow, Row
from relevance.writing import defused


def evaluate(bench: Bench, progress: Progress) -> str:
    """Measures models and rankings, country by country, beside their baselines."""
    import polars as pl

    from evaluation.compare import compare_runs
    from evaluation.pointwise import evaluate_grades
    from evaluation.ranking import evaluate_ranking
    from relevance.baselines import chance, from_score, majority
    from relevance.matching import bm25

    qrels, queries, pairs = bench.read("qrels"), bench.read("queries"), bench.read("pairs")
    lexical = bm25(pairs, queries, bench.read("pins"))
    bench.write("runs-bm25", lexical, inputs=("pairs", "queries", "pins"))
    progress(1, 4, "grades")
    models = [
        *(bench.read(f"predictions-{name}") for name in ("teacher", "student", "student_human")),
        from_score(lexical, training_qrels(bench)),
        majority(pairs, training_qrels(bench)),
        chance(pairs, seed=bench.seed),
    ]
    shared: dict[str, Any] = {
        "by": "country",
        "seed": bench.seed,
        "seen": seen_queries(bench.workspace.path("predictions-student")),
    }
    grades = evaluate_grades(
        pl.concat(models, how="diagonal_relaxed"),
        qrels,
        queries,
        metrics=GRADE_METRICS,
        **shared,
    )
    bench.write_results("grades", grades, inputs=("qrels", "predictions-teacher"))
    progress(2, 4, "rankings")
    runs = {
        name: bench.read(f"runs-{name}") for name in ("production", "candidate", "student", "bm25")
    }
    ranking = evaluate_ranking(
        pl.concat(runs.values(), how="diagonal_relaxed"),
        qrels,
        queries,
        metrics=RANKING_METRICS,
        **shared,
    )
    bench.write_results("ranking", ranking, inputs=("qrels", "runs-candidate", "runs-student"))
    progress(3, 4, "comparisons")
    compared = compare_runs(
        runs["production"],
        [runs["candidate"], runs["student"]],
        qrels,
        queries,
        metrics=RANKING_METRICS,
        **shared,
    )
    bench.write_results("compare", compared, inputs=("qrels", "runs-candidate", "runs-student"))
    better = compared.find("nDCG@20", system="candidate")
    return f"{len(grades) + len(ranking) + len(compared)} figures · candidate {_change(better)}"


def experiment(bench: Bench, config: Any, progress: Progress) -> str:
    """Analyses the A/B test."""
    from evaluation.experiment import analyze

    progress(0, 1, "users, days, countries")
    results = analyze(bench.workspace.path("sessions"), config)
    bench.write_results("experiment", results, inputs=("sessions",))
    primary = results.rows[0]
    return f"{primary.n:,} users · {_change(primary)}"


def report(bench: Bench, progress: Progress) -> str:
    """Writes the one long table and the HTML report."""
    import polars as pl

    from app.commands.report import build_report

    progress(0, 1, "charts and tables")
    names = [name for name in RESULT_TABLES if bench.workspace.has(name)]
    tables = [
        bench.read(name).select(pl.lit(name.removeprefix("results-")).alias("part"), pl.all())
        for name in names
    ]
    with atomic(bench.root / "results.csv") as temporary:
        defused(pl.concat(tables, how="diagonal_relaxed")).write_csv(temporary)
    build_report(bench.root, bench.root / "report.html")
    return f"{sum(map(len, tables)):,} rows in results.csv · report.html"


def _change(row: Row | None) -> str:
    if not isinstance(row, ComparisonRow):
        return "no difference known"
    ends = row.rel_difference_ci_low, row.rel_difference_ci_high
    return f"{row.metric} {figure(row.rel_difference, *ends, form='+.2%')}"
