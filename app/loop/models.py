"""The teacher learns from people, the student from the teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.loop.bench import GRADE_METRICS, TRAINING_COUNTRY, Bench, training_qrels
from relevance.progress import Progress
from relevance.provenance import seen_queries
from relevance.results import Row

if TYPE_CHECKING:
    import polars as pl

    from relevance.features import StudentInputs


def train(bench: Bench, config: Any, progress: Progress) -> str:
    """Trains the teacher on one country's judgments."""
    from relevance.teacher.model import read_settings
    from relevance.teacher.train import train_teacher

    queries = bench.read("queries")
    qrels = training_qrels(bench)
    out = bench.root / "models" / "teacher"
    train_teacher(
        qrels,
        queries,
        bench.read("pins"),
        out,
        config,
        evaluate=_evaluator(qrels, queries),
        resume=True,
        replace_stale=True,
        progress=progress,
    )
    settings = read_settings(out)
    note = f" · {settings.note}" if settings.note else ""
    n = qrels["query_id"].n_unique()
    return f"{settings.base} on {len(qrels):,} {TRAINING_COUNTRY} pairs of {n} queries{note}"


def label(bench: Bench, progress: Progress) -> str:
    """Lets the teacher label every pair of the log."""
    from relevance.teacher.labelling import label_pairs

    model = bench.root / "models" / "teacher"
    pairs = bench.read("pairs")
    predictions = label_pairs(
        pairs,
        bench.read("queries"),
        bench.read("pins"),
        model,
        bench.root / "labels",
        replace_stale=True,
        progress=progress,
    )
    bench.write("predictions-teacher", predictions, inputs=("pairs",), model=model)
    return f"{len(predictions):,} pairs, five probabilities each"


def distill(bench: Bench, config: Any, progress: Progress) -> str:
    """Trains two students: with the teacher's soft labels, and on people's grades alone.

    The first learns people's trusted grades where there are any, and the teacher's soft labels of
    all other pairs. Neither sees a query that is measured on.
    """
    import polars as pl

    from relevance.blend import PROBABILITIES, runs_from
    from relevance.student.distill import distill_student
    from relevance.student.score import score_pairs

    inputs, pairs = _student_inputs(bench), bench.read("pairs")
    measured = bench.read("samples").filter(pl.col("draw") == "measure")
    graded = training_qrels(bench).select("query_id", "pin_id", *PROBABILITIES)
    soft = (
        bench.read("predictions-teacher")
        .join(measured, on="query_id", how="anti")
        .join(graded, on=["query_id", "pin_id"], how="anti")
        .select("query_id", "pin_id", *PROBABILITIES)
    )
    teacher = bench.root / "models" / "teacher"
    for name, targets, seen in (
        ("student", pl.concat([graded, soft]), seen_queries(teacher)),
        ("student_human", graded, ()),
    ):
        model = bench.root / "models" / name
        distill_student(targets, inputs, model, config, seen_queries=seen, progress=progress)
        predictions = score_pairs(pairs, inputs, model, name=name)
        bench.write(f"predictions-{name}", predictions, inputs=("pairs",), model=model)
    runs = runs_from(bench.read("predictions-student"), "student")
    bench.write(
        "runs-student",
        runs,
        inputs=("predictions-student",),
        model=bench.root / "models" / "student",
    )
    return (
        f"on {len(soft):,} soft labels of the teacher and {len(graded):,} grades of people; "
        f"scores {len(pairs):,} pairs"
    )


def _student_inputs(bench: Bench) -> StudentInputs:
    from relevance.features import StudentInputs

    return StudentInputs(
        queries=bench.read("queries"),
        pins=bench.read("pins"),
        pairs=bench.read("pairs"),
        query_embeddings=bench.read("query_embeddings"),
        pin_embeddings=bench.read("pin_embeddings"),
    )


def _evaluator(qrels: pl.DataFrame, queries: pl.DataFrame) -> Any:
    from evaluation.pointwise import evaluate_grades

    def evaluate(predictions: pl.DataFrame) -> list[Row]:
        return list(evaluate_grades(predictions, qrels, queries, metrics=GRADE_METRICS))

    return evaluate
