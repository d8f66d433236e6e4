"""Metrics of ranked lists: (Q,) one value a query; means and intervals come later.

Every function takes `Lists` and a `GradeScale`, options by keyword. NaN means undefined: no judged
Pin of positive gain (nDCG), no relevant Pin (AP, RR, R), nothing returned (Judged). A query for
which nothing was returned otherwise counts 0. Where `Lists.ties` is given, every value is the exact
expectation over the orders of Pins with equal scores (McSherry and Najork, ECIR 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from evaluation.metrics.lists import (
    Floats,
    Ints,
    Lists,
    expected,
    head,
    sum_head,
    total,
)
from relevance.errors import InputError
from relevance.grades import GradeScale

PERSISTENCE = 0.8
"""Chance of going on to the next rank in RBP unless it says otherwise."""


def dcg(
    lists: Lists, scale: GradeScale, *, k: int | None = None, gain: str | None = None
) -> Floats:
    """Σ gain / log2(rank + 1), ranks from 1; unjudged Pins gain nothing. In [0, ∞)."""
    discounts = _discounts(lists.returned)
    return _summed(lists, k, lambda grades: _gains(grades, scale, gain), discounts)


def ndcg(
    lists: Lists, scale: GradeScale, *, k: int | None = None, gain: str | None = None
) -> Floats:
    """DCG / DCG of the best order of all judged Pins of the query, returned or not. In [0, 1].

    Undefined: no judged Pin has a positive gain.
    """
    ideal = sum_head(
        lists.judged_starts,
        lists.judged,
        k,
        of=lambda grades: scale.gains(grades, gain),
        weights=_discounts(np.diff(lists.judged_starts)),
    )
    return _ratio(dcg(lists, scale, k=k, gain=gain), ideal)


def sdcg(lists: Lists, scale: GradeScale, *, k: int, gain: str | None = None) -> Floats:
    """DCG / DCG of k Pins of the best grade of the scale. In [0, 1].

    Raises:
        InputError: The scale has no best grade.
    """
    top = float(scale.gains(np.array([float(scale.top)]), gain)[0])
    ideal = top * float(np.sum(1.0 / np.log2(np.arange(2, k + 2))))
    return dcg(lists, scale, k=k, gain=gain) / ideal


def precision(lists: Lists, scale: GradeScale, *, k: int, rel: int | None = None) -> Floats:
    """Relevant Pins among the first k / k, whatever was returned. In [0, 1]."""
    return _n_found(lists, scale, k, rel) / k


def recall(
    lists: Lists, scale: GradeScale, *, k: int | None = None, rel: int | None = None
) -> Floats:
    """Relevant Pins among the first k / all relevant Pins. In [0, 1].

    Undefined: no Pin is relevant.
    """
    return _ratio(_n_found(lists, scale, k, rel), _n_relevant(lists, scale, rel))


def reciprocal_rank(
    lists: Lists, scale: GradeScale, *, k: int | None = None, rel: int | None = None
) -> Floats:
    """1 / rank of the first relevant Pin; 0 if there is none among the first k. In [0, 1].

    Undefined: no Pin is relevant.
    """
    if lists.ties is None:
        first = _first(lists, k, lambda grades: _relevant(grades, scale, rel))
        is_first = np.where(_running(first) == 1, first.values, 0.0)
        found = total(first.query, is_first / (first.rank + 1), lists.n_queries)
    else:
        chance = _first_relevant(lists, _relevant(lists.grades, scale, rel))
        rows, query, rank = head(lists.starts, k)
        found = total(query, chance[rows] / (rank + 1), lists.n_queries)
    return np.where(_n_relevant(lists, scale, rel) > 0, found, np.nan)


def average_precision(
    lists: Lists, scale: GradeScale, *, k: int | None = None, rel: int | None = None
) -> Floats:
    """Mean over all relevant Pins of the precision at their rank, 0 beyond rank k. In [0, 1].

    Undefined: no Pin is relevant.
    """
    if lists.ties is None:
        first = _first(lists, k, lambda grades: _relevant(grades, scale, rel))
        precise = first.values * _running(first) / (first.rank + 1)
        found = total(first.query, precise, lists.n_queries)
    else:
        place = _place(lists, _relevant(lists.grades, scale, rel))
        inside = (place.j - 1) * (place.m - 1) / np.maximum(place.n - 1, 1)
        counted = place.m / place.n * (place.before + 1 + inside)
        rows, query, rank = head(lists.starts, k)
        found = total(query, counted[rows] / (rank + 1), lists.n_queries)
    return _ratio(found, _n_relevant(lists, scale, rel))


def err(lists: Lists, scale: GradeScale, *, k: int) -> Floats:
    """Expected reciprocal rank (Chapelle et al., CIKM 2009). In [0, 1].

    A reader stops at a Pin with probability (2^g - 1) / 2^g_max, g counted from 0.

    Raises:
        InputError: The scale has no best grade.
    """
    top = float(scale.gains(np.array([float(scale.top)]), "exp")[0])
    stop = _gains(lists.grades, scale, "exp") / (top + 1.0)
    goes_on = _goes_on(lists, 1.0 - stop, k)
    reading, value = np.ones(lists.n_queries), np.zeros(lists.n_queries)
    for rank in range(min(k, int(lists.returned.max(initial=0)))):
        deep = lists.returned > rank
        now = reading[deep] * goes_on[lists.starts[:-1][deep] + rank]
        value[deep] += (reading[deep] - now) / (rank + 1)
        reading[deep] = now
    return value


def rbp(
    lists: Lists,
    scale: GradeScale,
    *,
    k: int | None = None,
    p: float = PERSISTENCE,
    rel: int | None = None,
) -> Floats:
    """(1 - p) Σ relevant p^(rank - 1) (Moffat and Zobel, TOIS 2008). In [0, 1).

    Unjudged Pins and all behind the last rank count as not relevant, so it is a lower bound.
    """
    weights = p ** np.arange(int(lists.returned.max(initial=0)), dtype=np.float64)
    return (1 - p) * _summed(lists, k, lambda grades: _relevant(grades, scale, rel), weights)


def judged(lists: Lists, scale: GradeScale, *, k: int | None = None) -> Floats:  # noqa: ARG001
    """Judged Pins among the returned first k / min(k, returned). In [0, 1].

    Undefined: nothing was returned.
    """
    known = _summed(lists, k, lambda grades: (~np.isnan(grades)).astype(np.float64))
    shown = lists.returned if k is None else np.minimum(lists.returned, k)
    return _ratio(known, shown.astype(np.float64))


class _First(NamedTuple):
    """The first Pins of each list; all arrays of one shape.

    Attributes:
        values: Of each Pin, or expected at its rank over the orders of a tie.
        query: Its query code.
        rank: Its rank, from 0.
    """

    values: Floats
    query: Ints
    rank: Ints


def _first(lists: Lists, k: int | None, of: Callable[[Floats], Floats]) -> _First:
    """`of` the grades of the first k Pins of each list; the others are not looked at."""
    rows, query, rank = head(lists.starts, k)
    values = (
        of(lists.grades[rows]) if lists.ties is None else expected(lists, of(lists.grades))[rows]
    )
    return _First(values, query, rank)


def _running(first: _First) -> Floats:
    """Sum of the values up to each rank of its list."""
    summed = np.cumsum(first.values)
    starts = np.flatnonzero(first.rank == 0)
    before = summed[starts] - first.values[starts]
    return summed - np.repeat(before, np.diff(np.append(starts, len(summed))))


def _summed(
    lists: Lists, k: int | None, of: Callable[[Floats], Floats], weights: Floats | None = None
) -> Floats:
    """(Q,) sum of `of` the grades of the first k Pins of each list, by the weight of the rank."""
    if lists.ties is None:
        return sum_head(lists.starts, lists.grades, k, of=of, weights=weights)
    return sum_head(lists.starts, expected(lists, of(lists.grades)), k, weights=weights)


def _discounts(lengths: Ints) -> Floats:
    """1 / log2(rank + 1) of every rank of the longest list, ranks from 1."""
    return np.asarray(1.0 / np.log2(np.arange(2.0, int(lengths.max(initial=0)) + 2)))


def _gains(grades: Floats, scale: GradeScale, gain: str | None) -> Floats:
    """Gains of the grades; unjudged Pins gain nothing."""
    gains = scale.gains(grades, gain)
    gains[np.isnan(gains)] = 0.0
    return gains


def _n_found(lists: Lists, scale: GradeScale, k: int | None, rel: int | None) -> Floats:
    """(Q,) relevant Pins among the first k."""
    return _summed(lists, k, lambda grades: _relevant(grades, scale, rel))


class _Place:
    """Where each row stands in its group of equal scores; all arrays (N,).

    Attributes:
        n: Pins in the group.
        m: Relevant Pins in the group.
        j: Place in the group, from 1.
        before: Relevant Pins of the query in earlier groups.
    """

    __slots__ = ("before", "j", "m", "n")

    def __init__(self, n: Floats, m: Floats, j: Floats, before: Floats) -> None:
        self.n, self.m, self.j, self.before = n, m, j, before


def _place(lists: Lists, relevant: Floats) -> _Place:
    n_rows = len(relevant)
    seen = np.concatenate(([0.0], np.cumsum(relevant)))
    at_query = np.repeat(seen[lists.starts[:-1]], lists.returned)
    assert lists.ties is not None
    sizes = lists.tie_sizes
    starts = np.repeat(lists.ties, sizes)
    ends = starts + np.repeat(sizes, sizes)
    return _Place(
        n=(ends - starts).astype(np.float64),
        m=seen[ends] - seen[starts],
        j=(np.arange(n_rows) - starts + 1).astype(np.float64),
        before=seen[starts] - at_query,
    )


def _first_relevant(lists: Lists, relevant: Floats) -> Floats:
    """(N,) probability that the Pin at each rank is the first relevant one."""
    from scipy.special import gammaln

    place = _place(lists, relevant)
    possible = (place.before == 0) & (place.m > 0) & (place.n - place.j >= place.m - 1)
    n, m, j = place.n[possible], place.m[possible], place.j[possible]
    chance = gammaln(n - j + 1) - gammaln(m) - gammaln(n - j - m + 2)
    chance -= gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    first = np.zeros(len(relevant))
    first[possible] = np.exp(chance)
    return first


def _goes_on(lists: Lists, goes_on: Floats, k: int) -> Floats:
    """(N,) probability of going on at each rank, given that the reader got there.

    Over the orders of a tie, the chance to pass its first j Pins is the mean over all j-subsets of
    the product of their chances: an elementary symmetric polynomial, built up Pin by Pin.
    """
    if lists.ties is None or len(goes_on) == 0:
        return goes_on
    sizes = lists.tie_sizes
    tied = np.flatnonzero(sizes > 1)
    starts, sizes = lists.ties[tied], sizes[tied]
    largest = int(sizes.max(initial=0))
    depth = min(largest, k)
    passed = np.zeros((len(tied), depth + 1))
    passed[:, 0] = 1.0
    j = np.arange(1, depth + 1)
    for i in range(1, largest + 1):
        has = sizes >= i
        old, chance = passed[has], goes_on[starts[has] + i - 1][:, None]
        passed[has, 1:] = old[:, 1:] * (i - j) / i + old[:, :-1] * j / i * chance
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.nan_to_num(passed[:, 1:] / passed[:, :-1])
    group, place = np.nonzero(j <= sizes[:, None])
    out = goes_on.copy()
    out[starts[group] + place] = step[group, place]
    return out


def _relevant(grades: Floats, scale: GradeScale, rel: int | None) -> Floats:
    threshold = scale.relevant_from if rel is None else rel
    if scale.levels and not scale.levels[0] <= threshold <= scale.levels[-1]:
        raise InputError(
            f"rel={threshold} is off the scale {scale.name!r}, whose grades are "
            f"{scale.describe()}. Name one of them"
        )
    with np.errstate(invalid="ignore"):
        return (grades >= threshold).astype(np.float64)


def _n_relevant(lists: Lists, scale: GradeScale, rel: int | None) -> Floats:
    counted = np.concatenate(([0.0], np.cumsum(_relevant(lists.judged, scale, rel))))
    return np.diff(counted[lists.judged_starts])


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Numerator / denominator, NaN where the denominator is 0."""
    positive = denominator > 0
    return np.where(positive, numerator / np.where(positive, denominator, 1.0), np.nan)
