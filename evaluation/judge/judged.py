"""Human judgments beside a judge's grades: what `judge` measures, as arrays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.agreement.couples import Couples, couples_of
from evaluation.agreement.graded import Graded, code_judgments, dense
from relevance.errors import InputError
from relevance.grades import GradeScale
from relevance.provenance import hash_query

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PROBABILITIES = ("p1", "p2", "p3", "p4", "p5")
_KEY = ["query_id", "pin_id"]


@dataclass(frozen=True, slots=True)
class Kinds:
    """What a judgment beside the judge's and the others' can look like: few, also of 10⁶.

    Attributes:
        own: (V,) index of the level that the annotator gave.
        judge: (V,) index of the judge's.
        others: (V, K) how many others gave each level; at least one did.
    """

    own: Ints
    judge: Ints
    others: Floats

    @property
    def size(self) -> Floats:
        """(V,) number of the others."""
        return np.asarray(self.others.sum(axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Judged:
    """Pairs with human judgments that the judge has graded too.

    Attributes:
        graded: The human judgments of these pairs.
        judge: (U,) index of the judge's most probable level; of equally probable ones the lower.
        probabilities: (U, 5) the judge's probabilities of the grades 1 … 5.
        rows: (M,) judgments on pairs that others graded too, by annotator, query and pair.
        kind: (M,) what each looks like, an index of `kinds`.
        kinds: The different kinds.
        couples: Couples of annotators on each pair.
    """

    graded: Graded
    judge: Ints
    probabilities: Floats
    rows: Ints
    kind: Ints
    kinds: Kinds
    couples: Couples

    @property
    def row_pair(self) -> Ints:
        """(M,) pair of each of the judgments."""
        return self.graded.pair[self.rows]


@dataclass(frozen=True, slots=True)
class Matched:
    """Queries with judgments, and what of them a judge can be measured on.

    Attributes:
        ids: (Q,) ids of all queries with judgments, ascending.
        judged: Their pairs that the judge graded and may be measured on; None without any.
        place: (Q',) position in `ids` of each query of `judged`.
        not_predicted: (Q,) pairs with judgments that the judge has not graded.
        seen: (Q,) whether the judge has seen the query.
        allow_seen: Whether seen queries are kept (and marked) instead of left out.
    """

    ids: pl.Series
    judged: Judged | None
    place: Ints
    not_predicted: Ints
    seen: Bools
    allow_seen: bool


def match(
    latest: pl.DataFrame,
    predictions: pl.DataFrame,
    scale: GradeScale,
    *,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
) -> Matched:
    """The pairs that both people and one model have graded.

    Args:
        latest: Judgments that count (`evaluation.agreement.graded.latest_judgments`).
        predictions: Rows of one model.
        scale: Scale of the grades; within 1-5.
        seen: Hashed ids of queries that the judge has seen.
        allow_seen: Keep these.

    Raises:
        InputError: A grade is not on the scale or not within 1-5, or a pair is predicted twice.
    """
    _check(latest, predictions, scale)
    ids = latest["query_id"].unique().sort()
    was_seen = np.array([hash_query(i) in seen for i in ids] if seen else [False] * len(ids))
    missing = latest.select(_KEY).unique().join(predictions, on=_KEY, how="anti")["query_id"]
    lost = np.bincount(ids.search_sorted(missing).to_numpy(), minlength=len(ids))
    kept = latest.join(predictions.select(_KEY), on=_KEY, how="semi")
    if not allow_seen:
        kept = kept.filter(~pl.col("query_id").is_in(ids.filter(pl.Series(was_seen)).implode()))
    judged = None if kept.is_empty() else _judged(code_judgments(kept, scale), predictions)
    place = np.zeros(0, dtype=np.int64)
    if judged is not None:
        place = ids.search_sorted(judged.graded.ids).to_numpy().astype(np.int64)
    return Matched(ids, judged, place, lost, was_seen, allow_seen)


def _check(latest: pl.DataFrame, predictions: pl.DataFrame, scale: GradeScale) -> None:
    """Raises InputError where grades are not 1-5, or one model predicts a pair twice."""
    wrong = latest.filter(~pl.col("grade").is_between(1, 5))
    if not wrong.is_empty():
        first = wrong.row(0, named=True)
        raise InputError(
            f"predictions have the grades 1-5, but a judgment (scale {scale.name}) grades query "
            f"{first['query_id']!r}, pin {first['pin_id']!r} as {first['grade']}. "
            "Map the grades to 1-5 first (gradewise data convert)"
        )
    twice = predictions.select(_KEY).is_duplicated()
    if twice.any():
        first = predictions.filter(twice).row(0, named=True)
        raise InputError(
            f"the predictions have query {first['query_id']!r}, pin {first['pin_id']!r} twice for "
            "one model. Keep one of the rows, or name the models in the column model"
        )


def _judged(graded: Graded, predictions: pl.DataFrame) -> Judged:
    pairs = pl.DataFrame({"query_id": graded.ids.gather(graded.query), "pin_id": graded.pins})
    wanted = predictions.select(*_KEY, *PROBABILITIES)
    found = pairs.join(wanted, on=_KEY, how="left", maintain_order="left")
    probabilities = found.select(pl.col(PROBABILITIES).cast(pl.Float64)).to_numpy()
    at_levels = probabilities[:, graded.levels.astype(np.int64) - 1]
    judge = np.argmax(at_levels, axis=1)
    several = np.flatnonzero(graded.several[graded.pair])
    pair = graded.pair[several]
    order = np.lexsort((pair, graded.query[pair], graded.annotator[several]))
    rows, pair = several[order], pair[order]
    k = len(graded.levels)
    code = (graded.pattern[pair] * k + graded.level[rows]) * k + judge[pair]
    kind, at = dense(code, len(graded.patterns) * k * k)
    own = graded.level[rows[at]]
    others = graded.patterns[graded.pattern[pair[at]]] - np.eye(k)[own]
    kinds = Kinds(own, judge[pair[at]], others)
    return Judged(graded, judge, probabilities, rows, kind, kinds, couples_of(graded))
