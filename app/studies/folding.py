"""One fold of a study: teachers, students and baselines, tested on queries none has seen."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from app.studies.folds import Fold, first_queries, unlabelled_pairs
from app.studies.study import Study, Teaching
from relevance.baselines import chance, from_score, majority
from relevance.blend import ranked
from relevance.errors import GradewiseError
from relevance.features import StudentInputs
from relevance.matching import bm25
from relevance.progress import Progress
from relevance.provenance import hash_query, seen_queries
from relevance.student.encoders import with_embeddings
from relevance.workspace import Workspace

IMPORTED = ("queries", "pins", "pairs", "qrels")


@dataclass(frozen=True, slots=True)
class FoldRun:
    """A fold at work in a study's workspace.

    Attributes:
        study: What is studied.
        workspace: Holds queries, pins, pairs, qrels and embeddings.
        fold: The split.
        threads: Processor threads; None for every core.
        seed: Of everything random.
    """

    study: Study
    workspace: Workspace
    fold: Fold
    threads: int | None
    seed: int

    @property
    def recipe(self) -> dict[str, Any]:
        """What decides the split and the baselines, beside the tables."""
        return {"seed": self.seed, "fold": dataclasses.astuple(self.fold)}

    def teaching_recipe(self, teaching: Teaching) -> dict[str, Any]:
        """What decides a teacher and its labels, beside the tables."""
        more = self.study.n_unlabelled if self._is_first(teaching) else 0
        facts = {"max_tokens": self.study.max_tokens, "unlabelled": more}
        return {**dataclasses.asdict(teaching), **facts, **self.recipe}

    def teacher(self, teaching: Teaching) -> Path:
        """Folder of a teacher, whose name changes with its recipe and tables.

        So none is continued with another recipe.
        """
        facts = {**self.teaching_recipe(teaching), **self.workspace.hashes(*IMPORTED)}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
        return self.workspace.root / "models" / f"{teaching.key}-{self.fold.number}-{digest}"

    def table(self, kind: str, model: str) -> str:
        """Name of this fold's table of a model: `predictions-teacher-1`."""
        return f"{kind}-{model}-{self.fold.number}"

    def teach(self, teaching: Teaching, progress: Progress) -> str:
        """Trains a teacher on the training queries' grades, or as many as it may have."""
        from relevance.teacher.train import TeacherConfig, train_teacher

        config = TeacherConfig(
            base=teaching.base,
            tuning=teaching.tuning,
            epochs=teaching.epochs,
            max_tokens=self.study.max_tokens,
            threads=self.threads,
            seed=self.seed,
        )
        grades = first_queries(self._grades(self.fold.train), teaching.pairs, seed=self.seed)
        queries, pins = self.workspace.read("queries"), self.workspace.read("pins")
        folder = self.teacher(teaching)
        train_teacher(grades, queries, pins, folder, config, resume=True, progress=progress)
        return f"{grades.height:,} pairs of {grades['query_id'].n_unique()} queries"

    def label(self, teaching: Teaching, progress: Progress) -> str:
        """Labels the test pairs, and, with the first teacher, what students will learn from."""
        from relevance.teacher.labelling import LabelConfig, label_pairs

        model = self.teacher(teaching)
        self._refuse_seen(model)
        queries, pins = self.workspace.read("queries"), self.workspace.read("pins")
        pairs = self._pairs(self.fold.test)
        tested = pairs.height
        if self._is_first(teaching):
            judged = self._pairs((*self.fold.train, *self.fold.test))
            more = unlabelled_pairs(self.fold.train, queries, pins, judged, self.study.n_unlabelled)
            pairs = pl.concat([judged, more])
        labels = label_pairs(
            pairs,
            queries,
            pins,
            model,
            self.workspace.root / "labels" / model.name,
            config=LabelConfig(threads=self.threads, name=teaching.key),
            progress=progress,
        )
        is_tested = pl.col("query_id").is_in(self.fold.test)
        self._write(teaching.key, labels.filter(is_tested), model)
        if self._is_first(teaching):
            self._write("targets", labels.filter(~is_tested), model)
        return f"{labels.height:,} pairs, {tested:,} of them to test"

    def distil(self, progress: Progress) -> str:
        """Trains a student on the teacher's labels and one on people's grades, and scores."""
        from relevance.student.distill import StudentConfig, distill_student
        from relevance.student.score import score_pairs

        config = StudentConfig(seed=self.seed, threads=self.threads)
        inputs = student_inputs(self.workspace)
        taught = self.workspace.read(self.table("predictions", "targets"))
        seen = seen_queries(self.teacher(self.study.teachers[0]))
        for model, targets in (
            ("student", taught),
            ("student_human", self._grades(self.fold.train)),
        ):
            out = self.workspace.root / "models" / f"{model}-{self.fold.number}"
            known = seen if model == "student" else frozenset()
            distill_student(targets, inputs, out, config, seen_queries=known, progress=progress)
            self._refuse_seen(out)
            scored = score_pairs(self._pairs(self.fold.test), inputs, out, name=model)
            self._write(model, scored, out)
        return f"{taught.height:,} soft labels, {self._grades(self.fold.train).height:,} grades"

    def baselines(self, progress: Progress) -> str:
        """BM25 on a curve, the majority grade, and chance."""
        queries, pins = self.workspace.read("queries"), self.workspace.read("pins")
        train, test = self._grades(self.fold.train), self._pairs(self.fold.test)
        scores = bm25(self.workspace.read("pairs"), queries, pins)
        tested = scores.filter(pl.col("query_id").is_in(self.fold.test))
        curve = from_score(scores, train).filter(pl.col("query_id").is_in(self.fold.test))
        self.workspace.write(self.table("runs", "bm25"), tested, command=self._command)
        self._write("bm25", curve)
        self._write("majority", majority(test, train))
        guesses = chance(test, seed=self.seed + self.fold.number)
        self._write("chance", guesses)
        drawn = ranked(guesses.select("query_id", "pin_id", score=pl.col("p5")), "chance")
        self.workspace.write(self.table("runs", "chance"), drawn, command=self._command)
        progress(1, 1)
        return f"{test.height:,} test pairs of {len(self.fold.test)} queries"

    def _is_first(self, teaching: Teaching) -> bool:
        """Whether the students learn from this teacher."""
        return self.study.students and teaching == self.study.teachers[0]

    @property
    def _command(self) -> str:
        return f"study {self.study.name}, fold {self.fold.number}"

    def _grades(self, query_ids: tuple[str, ...]) -> pl.DataFrame:
        return self.workspace.read("qrels").filter(pl.col("query_id").is_in(query_ids))

    def _pairs(self, query_ids: tuple[str, ...]) -> pl.DataFrame:
        pairs = self.workspace.read("pairs").filter(pl.col("query_id").is_in(query_ids))
        return pairs.select("query_id", "pin_id")

    def _write(self, model: str, predictions: pl.DataFrame, folder: Path | None = None) -> None:
        self.workspace.write(
            self.table("predictions", model),
            predictions,
            command=self._command,
            seen_queries=seen_queries(folder) if folder else (),
        )

    def _refuse_seen(self, model: Path) -> None:
        """Raises unless no test query is among those that the model has seen."""
        leaked = seen_queries(model).intersection(map(hash_query, self.fold.test))
        if leaked:
            raise GradewiseError(f"{model} has seen {len(leaked)} of its test queries. Delete it")


def student_inputs(workspace: Workspace) -> StudentInputs:
    """What the student's features are computed from; the embeddings are made by `embed`."""
    from relevance.student.encoders import ENCODER

    return StudentInputs(
        queries=workspace.read("queries"),
        pins=workspace.read("pins"),
        pairs=workspace.read("pairs"),
        query_embeddings=workspace.read("query_embeddings"),
        pin_embeddings=workspace.read("pin_embeddings"),
        encoder=ENCODER,
    )


def embed(workspace: Workspace, threads: int | None, progress: Progress) -> str:
    """Makes the embeddings that a production system would have."""
    inputs = with_embeddings(
        StudentInputs(
            queries=workspace.read("queries"),
            pins=workspace.read("pins"),
            pairs=workspace.read("pairs"),
        ),
        threads=threads or 2,
        progress=progress,
    )
    assert inputs.query_embeddings is not None
    assert inputs.pin_embeddings is not None
    workspace.write("query_embeddings", inputs.query_embeddings, command="study embeddings")
    workspace.write("pin_embeddings", inputs.pin_embeddings, command="study embeddings")
    return f"{inputs.queries.height + inputs.pins.height:,} texts by {inputs.encoder}"
