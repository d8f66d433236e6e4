"""The whole loop on the built-in world, as stages: from pairs to a verdict.

Every stage reads named tables of the workspace and writes named tables; the numbers a person reads
all come from the `results-*` tables.
"""

from __future__ import annotations

import dataclasses
from functools import partial

from app.loop import findings, grading, models
from app.loop.bench import RESULT_TABLES, Bench
from app.settings import configure
from app.stages import Stage

GUARDRAILS = ("mean(sessions) >= -5%",)
"""What the demo's A/B test must not break: people should not search less."""


def stages_of(bench: Bench) -> list[Stage]:
    """What the demo does, in order."""
    from evaluation.experiment import ExperimentConfig
    from relevance.student.distill import StudentConfig
    from relevance.teacher.train import TeacherConfig
    from relevance.world import WorldConfig
    from relevance.world.sessions import START

    world = configure(WorldConfig, "world", seed=bench.seed)
    teacher = configure(TeacherConfig, "teacher", seed=bench.seed)
    student = configure(StudentConfig, "student", seed=bench.seed)
    experiment = configure(
        ExperimentConfig, "experiment", start=START, sequential=True, guardrails=GUARDRAILS
    )
    own = dataclasses.asdict(bench.config) | {"seed": bench.seed}
    texts = _files("queries", "pins")
    log = (*texts, *_files("pairs", "query_embeddings", "pin_embeddings"))
    return [
        Stage(
            "world",
            "Build the world",
            partial(grading.build_world, bench),
            outputs=_files(
                "queries",
                "pins",
                "pairs",
                "query_embeddings",
                "pin_embeddings",
                "sessions",
                "qrels-truth",
                "runs-production",
                "runs-candidate",
            ),
            config=dataclasses.asdict(world),
        ),
        Stage(
            "sample",
            "Sample pairs to grade",
            partial(grading.sample, bench),
            inputs=_files("queries", "pairs", "qrels-truth"),
            outputs=_files("samples", "gold"),
            config=own,
        ),
        Stage(
            "annotate",
            "Grade in Label Studio",
            partial(grading.annotate, bench),
            inputs=(*texts, *_files("samples")),
            outputs=_files("judgments", "repeats"),
            config=own,
        ),
        Stage(
            "adjudicate",
            "Agree and adjudicate",
            partial(grading.adjudicate, bench),
            inputs=_files("judgments", "repeats", "gold", "samples", "queries"),
            outputs=_files("qrels", "results-agreement", "results-graders", "queue-senior"),
        ),
        Stage(
            "teacher",
            "Train the teacher",
            partial(models.train, bench, teacher),
            inputs=(*texts, *_files("qrels", "samples")),
            outputs=("models/teacher/provenance.json",),
            config=dataclasses.asdict(teacher),
        ),
        Stage(
            "label",
            "Teacher labels the log",
            partial(models.label, bench),
            inputs=(*texts, *_files("pairs"), "models/teacher/provenance.json"),
            outputs=_files("predictions-teacher"),
        ),
        Stage(
            "student",
            "Distil the student",
            partial(models.distill, bench, student),
            inputs=(*log, *_files("predictions-teacher", "qrels", "samples")),
            outputs=_files("predictions-student", "predictions-student_human", "runs-student"),
            config=dataclasses.asdict(student),
        ),
        Stage(
            "evaluate",
            "Evaluate by country",
            partial(findings.evaluate, bench),
            inputs=_files(
                "qrels",
                "queries",
                "predictions-teacher",
                "predictions-student",
                "predictions-student_human",
                "runs-student",
                "runs-production",
                "runs-candidate",
            ),
            outputs=_files("results-grades", "results-ranking", "results-compare"),
            config={"seed": bench.seed},
        ),
        Stage(
            "experiment",
            "Analyse the A/B test",
            partial(findings.experiment, bench, experiment),
            inputs=_files("sessions"),
            outputs=_files("results-experiment"),
            config=dataclasses.asdict(experiment),
        ),
        Stage(
            "report",
            "Write the report",
            partial(findings.report, bench),
            inputs=_files(*RESULT_TABLES),
            outputs=("report.html", "results.csv"),
        ),
    ]


def _files(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.parquet" for name in names)
