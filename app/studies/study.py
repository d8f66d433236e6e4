"""What a study is: data, split, teachers and metrics. The studies themselves: `catalogue.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from app.studies.folds import Fold
from relevance.grades import FIVE, GradeScale

SLICE_PAIRS = 600
SLICE_UNLABELLED = 3
BASELINES = ("bm25", "majority", "chance")
STUDENTS = ("student", "student_human")


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """One teacher of a study; a fold trains each of them.

    Attributes:
        base: Base model.
        tuning: `full` or `lora`.
        pairs: Graded pairs that it learns from, at most, in whole queries; None for all. Fewer
            pairs are always a part of more, and the same for every base.
        epochs: Passes over them.
        name: What tables call it; empty for base, tuning and pairs.
    """

    base: str = "multilingual-e5-small"
    tuning: str = "full"
    pairs: int | None = None
    epochs: int = 2
    name: str = ""

    @property
    def title(self) -> str:
        """What tables call it: `SmolLM2-135M + LoRA, 1,200 pairs`."""
        parts = [self.base + (" + LoRA" if self.tuning == "lora" else "")]
        if self.pairs is not None:
            parts.append(f"{self.pairs:,} pairs")
        return self.name or ", ".join(parts)

    @property
    def key(self) -> str:
        """The title as part of a file's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower().replace(",", "")).strip("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A data set, how its queries are split, and what is measured.

    Attributes:
        name: Key, and name of its folder.
        title: Heading of its section.
        about: What the section begins with.
        importer: Key of `relevance.importers.IMPORTERS`.
        source: Folder or file below the data folder.
        split: Queries → folds.
        teachers: What is trained in each fold. The first one labels for the students.
        students: Whether students are trained, too.
        grades: Metrics of predicted grades.
        ranking: Metrics of ranked lists; none where lists are too short to rank.
        scale: Scale of the ranking's gains.
        by: Column of `queries` to split the figures by; None for none.
        max_tokens: Longest text that the teachers read.
        compared: Keys of (candidate, baseline) among `Study.models`: differences pair by pair.
        n_queries: Queries that are used, drawn at random; None for all.
        n_unlabelled: Unlabelled pairs a training query that the student learns from, too.
        n_pushed: Pairs that travel through Label Studio and back.
        slice_language: Language that a slice is drawn from; None for all.
        sliced: Whether the study is part of a slice run.
        references: Rows of (what, metric, group, figure) measured elsewhere on the same data.
        reading: How to read the tables; ends the section.
    """

    name: str
    title: str
    about: str
    importer: str
    source: str
    split: Callable[[pl.DataFrame], list[Fold]]
    grades: tuple[str, ...]
    teachers: tuple[Teaching, ...] = (Teaching(name="teacher"),)
    students: bool = True
    ranking: tuple[str, ...] = ()
    scale: GradeScale = FIVE
    by: str | None = None
    max_tokens: int = 64
    compared: tuple[tuple[str, str], ...] = ()
    n_queries: int | None = None
    n_unlabelled: int = 0
    n_pushed: int = 0
    slice_language: str | None = None
    sliced: bool = True
    references: tuple[tuple[str, str, str, float], ...] = ()
    reading: str = ""

    @property
    def models(self) -> dict[str, str]:
        """Key → title of all that is measured, in the order of the tables."""
        teachers = {teaching.key: teaching.title for teaching in self.teachers}
        return teachers | {
            model: TITLES[model] for model in (*(STUDENTS if self.students else ()), *BASELINES)
        }

    def for_slice(self) -> Study:
        """The same with one teacher that takes one look, for a run of a minute."""
        first = replace(self.teachers[0], pairs=None, epochs=1, name="teacher")
        more = min(self.n_unlabelled, SLICE_UNLABELLED)
        return replace(self, teachers=(first,), compared=(), n_unlabelled=more)


def against(candidate: str, baseline: str) -> str:
    """What the rows of a comparison are called: `student − bm25`."""
    return f"{candidate} − {baseline}"


TITLES = {
    "student": "student, distilled",
    "student_human": "student, human labels only",
    "bm25": "BM25",
    "majority": "majority grade",
    "chance": "chance",
}
"""What tables call the models that are no teachers."""
