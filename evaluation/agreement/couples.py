"""Cohen's weighted κ of annotators, pooled over the couples of them who graded the same pairs.

κ = 1 - Σ observed / Σ expected disagreement, both summed over couples and the pairs they share;
what is expected of a couple follows from each one's own grades. With two annotators that is Cohen's
κ, where everybody graded everything Conger's. A mean of the couples' own κ would be too low where
couples share few pairs: by about κ (1 - κ) / pairs, which is more than the interval is wide as soon
as there are dozens of annotators.

References:
    Cohen, Psychological Bulletin 1968; Conger, Psychological Bulletin 1980.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.agreement.coefficients import disagreement
from evaluation.agreement.graded import Graded, dense
from evaluation.intervals import Smooth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MAX_COLUMNS = 256
"""Couples and annotators' grades up to which κ is resampled whole; of more, to first order."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Couples:
    """N times that a couple of annotators graded the same pair.

    Attributes:
        pair: (N,) the pair.
        couple: (N,) index of the couple.
        first: (N,) level index of the one annotator.
        second: (N,) of the other.
        members: (C, 2) codes of the couples' annotators, ascending.
    """

    pair: Ints
    couple: Ints
    first: Ints
    second: Ints
    members: Ints

    def where(self, chosen: Bools) -> Couples:
        """Only the times that are chosen; the couples keep their index."""
        return Couples(
            self.pair[chosen],
            self.couple[chosen],
            self.first[chosen],
            self.second[chosen],
            self.members,
        )


def couples_of(graded: Graded) -> Couples:
    """Every couple of annotators on every pair."""
    ends = np.append(np.flatnonzero(np.diff(graded.pair)), len(graded.pair) - 1)
    most = int(np.diff(ends, prepend=-1).max())
    lefts, rights = [], []
    for lag in range(1, most):
        left = np.flatnonzero(graded.pair[lag:] == graded.pair[:-lag])
        lefts.append(left)
        rights.append(left + lag)
    left = np.concatenate(lefts) if lefts else np.zeros(0, dtype=np.int64)
    right = np.concatenate(rights) if rights else np.zeros(0, dtype=np.int64)
    swap = graded.annotator[left] > graded.annotator[right]
    left, right = np.where(swap, right, left), np.where(swap, left, right)
    n = len(graded.annotators)
    couple, at = dense(graded.annotator[left] * n + graded.annotator[right], n * n)
    members = np.stack([graded.annotator[left[at]], graded.annotator[right[at]]], axis=1)
    return Couples(graded.pair[left], couple, graded.level[left], graded.level[right], members)


@dataclass(frozen=True, slots=True)
class Grades:
    """Grades from which chance is estimated: those on pairs that were graded twice.

    Attributes:
        pair: (R,) the pair.
        annotator: (R,) code of who gave it.
        level: (R,) index of its level.
        n_annotators: Codes are below it.
    """

    pair: Ints
    annotator: Ints
    level: Ints
    n_annotators: int

    def where(self, chosen: Bools) -> Grades:
        """Only the grades that are chosen."""
        return Grades(
            self.pair[chosen], self.annotator[chosen], self.level[chosen], self.n_annotators
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """Parts of κ = 1 - Σ observed / Σ (expected + moved).

    Attributes:
        expected: (N,) disagreement expected of each time a couple graded a pair.
        observed: (N,) that observed.
        moved: (R,) how the expected sum moves with each grade, through its annotator's share of
            levels; an annotator's add up to 0.
    """

    expected: Floats
    observed: Floats
    moved: Floats


def grades_of(graded: Graded) -> Grades:
    """The grades on pairs that were graded twice."""
    twice = graded.several[graded.pair]
    return Grades(
        graded.pair[twice],
        graded.annotator[twice],
        graded.level[twice],
        len(graded.annotators),
    )


def kappa(
    couples: Couples,
    grades: Grades,
    of_pair: Ints,
    n_units: int,
    *,
    levels: Floats,
    weighting: str,
) -> Smooth:
    """κ as a statistic over units.

    Args:
        couples: Couples of a group of pairs.
        grades: Grades of the same pairs.
        of_pair: (U,) each pair's unit.
        n_units: Number of units.
        levels: (K,) values of the levels.
        weighting: `quadratic`, `linear` or `none`.
    """
    unit, unit_of_grade = of_pair[couples.pair], of_pair[grades.pair]
    k, present = len(levels), np.unique(grades.annotator)
    kept = np.unique(couples.couple)
    if len(kept) + k * len(present) < MAX_COLUMNS:
        place = np.zeros(grades.n_annotators, dtype=np.int64)
        place[present] = np.arange(len(present))
        index = np.zeros(len(couples.members), dtype=np.int64)
        index[kept] = np.arange(len(kept))
        off = disagreement(levels, weighting)[couples.first, couples.second]
        shares = place[grades.annotator] * k + grades.level
        columns = np.column_stack([
            _table(unit, np.zeros_like(unit), n_units, 1, off),
            _table(unit, index[couples.couple], n_units, len(kept)),
            _table(unit_of_grade, shares, n_units, k * len(present)),
        ])  # fmt: skip
        members = place[couples.members[kept]]
        return Smooth(columns, lambda sums: kappa_of_sums(sums, members, levels, weighting))
    terms = kappa_terms(couples, grades, levels, weighting)
    return from_terms(terms, unit, unit_of_grade, n_units)


def from_terms(terms: Terms, unit: Ints, unit_of_grade: Ints, n_units: int) -> Smooth:
    """κ as a statistic over units, to first order.

    Args:
        terms: Parts of κ.
        unit: (N,) unit of each time a couple graded a pair.
        unit_of_grade: (R,) unit of each grade.
        n_units: Number of units.
    """
    expected = _total(unit, terms.expected, n_units)
    expected += _total(unit_of_grade, terms.moved, n_units)
    observed = _total(unit, terms.observed, n_units)
    return Smooth(np.column_stack([observed, expected]), kappa_of)


def kappa_of(sums: Floats) -> Floats:
    """(…) κ of (…, 2) sums of observed and expected disagreement; NaN if none is expected."""
    observed, expected = sums[..., 0], sums[..., 1]
    varies = expected > _TINY
    return np.where(varies, 1.0 - observed / np.where(varies, expected, 1.0), np.nan)


def kappa_of_sums(sums: Floats, members: Ints, levels: Floats, weighting: str) -> Floats:
    """κ from sums.

    Args:
        sums: (…, 1 + C + A K) observed disagreement; pairs that each couple shares; how often each
            annotator gave each level.
        members: (C, 2) the couples' annotators.
        levels: (K,) values of the levels.
        weighting: `quadratic`, `linear` or `none`.

    Returns:
        (…) κ, 1 at most; NaN where no disagreement is expected (grades do not vary).
    """
    n_couples, k = len(members), len(levels)
    counts = sums[..., 1 + n_couples :]
    counts = counts.reshape(*sums.shape[:-1], counts.shape[-1] // k, k)
    shares = counts / np.maximum(counts.sum(axis=-1, keepdims=True), _TINY)
    first, second = shares[..., members[:, 0], :], shares[..., members[:, 1], :]
    expected = np.sum((first @ disagreement(levels, weighting)) * second, axis=-1)
    total = np.sum(expected * sums[..., 1 : 1 + n_couples], axis=-1)
    return kappa_of(np.stack([sums[..., 0], total], axis=-1))


def subset(terms: Terms, times: Ints, grades: Ints) -> Terms:
    """The parts of some times and grades."""
    return Terms(terms.expected[times], terms.observed[times], terms.moved[grades])


def kappa_terms(couples: Couples, grades: Grades, levels: Floats, weighting: str) -> Terms:
    """The parts of κ, each of the size of the judgments, however many couples there are."""
    k, n, n_couples = len(levels), grades.n_annotators, len(couples.members)
    off = disagreement(levels, weighting)
    counts = np.bincount(grades.annotator * k + grades.level, minlength=n * k).reshape(n, k)
    size = np.maximum(counts.sum(axis=1), 1)
    shares = counts / size[:, None]
    towards = shares @ off  # of each annotator: expected disagreement with each level
    first, second = couples.members.T
    expected = np.sum(towards[first] * shares[second], axis=1)
    shared = np.bincount(couples.couple, minlength=n_couples)[:, None]
    slope = np.zeros((n, k))
    np.add.at(slope, first, shared * towards[second])
    np.add.at(slope, second, shared * towards[first])
    slope -= np.sum(slope * shares, axis=1, keepdims=True)
    slope /= size[:, None]
    return Terms(
        expected=expected[couples.couple],
        observed=off[couples.first, couples.second],
        moved=slope[grades.annotator, grades.level],
    )


def _table(row: Ints, column: Ints, n: int, m: int, values: Floats | None = None) -> Floats:
    found = np.bincount(row * m + column, weights=values, minlength=n * m)
    return np.asarray(found.reshape(n, m), dtype=np.float64)


def _total(unit: Ints, values: Floats, n_units: int) -> Floats:
    return np.asarray(np.bincount(unit, weights=values, minlength=n_units), dtype=np.float64)
