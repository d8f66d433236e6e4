"""A metric's estimate for every query, from the pairs or the queries that were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metrics import Measure
from evaluation.ranking import Coded, Ordered, Scored, score_ordered
from evaluation.sampled.contributions import COVERED, NORMED, contributions, places
from evaluation.sampled.design import QUERIES, Design
from evaluation.sampled.ideal import Graded, candidates_of, reciprocals
from evaluation.sampled.variance import Bools, Floats, Ints, sums
from relevance.grades import GradeScale


@dataclass(frozen=True, slots=True)
class QueryEstimates:
    """A measure's estimate for each of Q queries; their sum over that of the sizes is its mean.

    Attributes:
        values: (Q,) estimates times sizes: unbiased for P, DCG, sDCG and RBP, 0 where nothing of a
            query was drawn.
        sizes: (Q,) what a query counts: 1; its weight where queries were drawn; the chance that
            the metric is defined for it.
        moved: (M,) what each drawn pair adds to its query's value; empty where queries were drawn.
        used: (M,) whether a drawn pair is among the ranks that the metric looks at; likewise.
        undefined: (Q,) whether all of a query was graded, and the metric is undefined there.
    """

    values: Floats
    sizes: Floats
    moved: Floats
    used: Bools
    undefined: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """What makes a system's estimates.

    Attributes:
        coded: The queries; the qrels are those that were drawn.
        design: How they were drawn.
        candidates: (Q,) candidates of each query; NaN = unknown, 0 = it cannot be drawn from.
        scale: Scale of the grades.
        zero: Whether a query without anything to find counts 0.
        seed: Seed of the draws of missing grades.
    """

    coded: Coded
    design: Design
    candidates: Floats
    scale: GradeScale
    zero: bool = False
    seed: int = 0

    def estimates(
        self, ordered: Ordered, measures: Sequence[Measure]
    ) -> dict[Measure, QueryEstimates]:
        """Every measure's estimate for every query.

        Args:
            ordered: The system's lists; of all ranks where pairs were drawn and a measure is nDCG
                or R.
            measures: Ranking measures.
        """
        plain = score_ordered(ordered, self.coded, measures, scale=self.scale)
        if self.design.drawn == QUERIES:
            return {measure: self._whole(plain, measure) for measure in measures}
        return {measure: self._single(plain, ordered, measure) for measure in measures}

    def _whole(self, plain: Scored, measure: Measure) -> QueryEstimates:
        """Queries drawn whole: the usual values, each as heavy as the queries it stands for."""
        values = plain.figures(measure, zero=self.zero)
        weights = np.zeros(len(values))
        chance = self.design.probability
        weights[self.design.query] = float(chance.max(initial=0.0)) / chance  # equal ones weigh 1
        defined = ~np.isnan(values)
        return QueryEstimates(
            values=np.where(defined, values, 0.0) * weights,
            sizes=np.where(defined, weights, 0.0),
            moved=np.zeros(0),
            used=np.zeros(0, dtype=bool),
            undefined=~defined & (weights > 0),
        )

    def _single(self, plain: Scored, ordered: Ordered, measure: Measure) -> QueryEstimates:
        """Single pairs drawn: each as heavy as the pairs it stands for."""
        n, weight = len(self.coded.ids), self.design.weight
        query = self.coded.query.astype(np.int64)
        grades = self.coded.grades.astype(np.float64)
        levels = np.array(self.scale.levels or np.unique(grades), dtype=np.float64)
        pairs, added, counted = contributions(ordered, grades, levels, measure, self.scale)
        moved, used = np.zeros(len(query)), np.zeros(len(query), dtype=bool)
        used[pairs[counted]] = True
        moved[pairs] = added * weight[pairs]
        sizes: Floats = np.ones(n)
        sure = self.coded.judged & (np.bincount(query, weight > 1, n) == 0)
        if measure.metric.name == COVERED:
            sizes = plain.returned.astype(np.float64)
        elif measure.metric.name in NORMED:
            rank, unjudged = _ranks(ordered, len(query))
            graded = Graded(query, np.searchsorted(levels, grades), rank, weight)
            known = candidates_of(graded, unjudged, self.candidates, len(levels), seed=self.seed)
            inverse, defined = reciprocals(known, levels, measure, self.scale, seed=self.seed)
            moved *= inverse[query]
            sure &= ~known.missing.any(axis=1)
            sizes = sizes if self.zero else defined
        values = sums(query, moved, n)
        # a query of which everything is known has the value that it has without weights, to the bit
        own = plain.figures(measure, zero=self.zero)
        values[sure] = np.nan_to_num(own[sure])
        return QueryEstimates(values, sizes, moved, used, sure & np.isnan(own))


def _ranks(ordered: Ordered, n_pairs: int) -> tuple[Ints, tuple[Ints, Ints]]:
    """(M,) rank of every drawn pair, -1 if not returned; query and rank of what was not drawn."""
    query, at = places(ordered)
    found = ordered.judgment >= 0
    rank = np.full(n_pairs, -1, dtype=np.int64)
    rank[ordered.judgment[found]] = at[found]
    return rank, (query[~found], at[~found])
