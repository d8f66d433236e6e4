"""What is studied: one entry in `STUDIES` a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from app.studies.folds import Fold, folds_by_query, train_on_language
from relevance.grades import ESCI, FIVE, GradeScale


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
        grades: Metrics of predicted grades.
        ranking: Metrics of ranked lists; none where lists are too short to rank.
        scale: Scale of the ranking's gains.
        by: Column of `queries` to split the figures by; None for none.
        base: Base model of the teacher.
        epochs: Passes of the teacher over its pairs.
        max_tokens: Longest text that the teacher reads.
        n_unlabelled: Unlabelled pairs a training query that the student learns from, too.
        n_pushed: Pairs that travel through Label Studio and back.
        slice_language: Language that a slice is drawn from; None for all.
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
    ranking: tuple[str, ...] = ()
    scale: GradeScale = FIVE
    by: str | None = None
    base: str = "multilingual-e5-small"
    epochs: int = 2
    max_tokens: int = 64
    n_unlabelled: int = 0
    n_pushed: int = 0
    slice_language: str | None = None
    references: tuple[tuple[str, str, str, float], ...] = ()
    reading: str = ""


SLICE_PAIRS = 1500

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            name="esci",
            title="Amazon Shopping Queries, US (ESCI)",
            about=(
                "150 queries with 6,678 graded products; models are trained on two thirds of the "
                "queries and tested on the rest, three times over. Ranking gains are 0, 1, 2, 3 "
                "(scale `esci`); the list of a query is its judged pool."
            ),
            importer="esci",
            source="esci-us",
            split=partial(folds_by_query, n_folds=3),
            grades=("accuracy", "AUROC@2", "AUROC@3", "AUROC@4", "AUROC@5"),
            ranking=("nDCG@20", "P@8"),
            scale=ESCI,
            n_unlabelled=20,
            n_pushed=200,
            references=(
                ("random order", "nDCG@20", "all", 0.744),
                ("BM25", "nDCG@20", "all", 0.784),
                ("boosted trees on 12 lexical features", "nDCG@20", "all", 0.790),
                ("majority grade", "accuracy", "all", 0.507),
                ("BM25", "AUROC@2", "all", 0.645),
                ("BM25", "AUROC@3", "all", 0.618),
                ("BM25", "AUROC@4", "all", 0.618),
                ("BM25", "AUROC@5", "all", 0.541),
            ),
            reading=(
                "No product has grade 3, so AUROC@3 repeats AUROC@4. Many queries are negations "
                "(“without …”), which words alone cannot serve: judge a model by AUROC and nDCG "
                "against BM25, not by accuracy."
            ),
        ),
        Study(
            name="mediasearch",
            title="Wikimedia Commons image search (MediaSearch)",
            about=(
                "14,074 rated search results in 20 languages, known by their file names alone. "
                "Models are trained on four fifths of the English queries and tested on the "
                "remaining English ones and on every other language."
            ),
            importer="mediasearch",
            source="mediasearch/ratedSearchResult.latest.sql",
            split=partial(train_on_language, language="en"),
            grades=("accuracy", "AUROC@3", "AUROC@5"),
            by="language",
            n_unlabelled=3,
            slice_language="en",
            references=tuple(
                ("character n-gram cosine", "AUROC@5", language, figure)
                for language, figure in (
                    ("en", 0.653),
                    ("vi", 0.816),
                    ("es", 0.778),
                    ("ceb", 0.684),
                    ("de", 0.664),
                    ("fr", 0.663),
                    ("cs", 0.650),
                    ("bn", 0.494),
                    ("ar", 0.463),
                )
            ),
            reading=(
                "AUROC@5 is good against the rest. English labels are all that the models saw; "
                "where a language's interval lies above .5, and above BM25's, they carry over to "
                "it. Languages with fewer than 30 pairs are left out of the table."
            ),
        ),
    )
}
"""Every study by name."""
