"""Smallest and largest difference of two lists that grades of unjudged Pins could give, by query.

An unjudged Pin may have any grade of the scale, the same one in both lists. What a metric makes of
that decides how its extremes are found:

- Sums of gain × weight (DCG, sDCG, P, RBP): each Pin for itself gets the best or the worst grade.
- Such sums over an ideal that the Pin may enter (nDCG, R): a ratio, by Dinkelbach's method. For a
  fixed ratio λ the best grades never fall where the weight difference rises, so that with
  n_l = Pins of at least level l both the sum and the ideal are sums over levels of functions of n_l
  alone, and each level is solved by itself.
- RR: one relevant Pin more, or none, is always enough to reach an extreme.
- AP, ERR: the extremes of each list for itself, which both lists together may not reach.

References:
    Dinkelbach (1967), On nonlinear fractional programming; Moffat and Zobel, TOIS 2008 (residuals).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.metrics.lists import Floats, Ints, total

_CELLS = 1_000_000  # held at once
_ROUNDS = 60
_NEVER = -1e200  # weight of a place without a Pin


@dataclass(frozen=True, slots=True)
class Layers:
    """What Pins may be worth: level by level, and how many judged Pins have at least that.

    Attributes:
        base: Gain of the worst grade, which every unjudged Pin has at least.
        heights: (L,) gain of each further level over the one below it.
        base_judged: (Q,) judged Pins of a gain of at least `base`; 0 where base is 0.
        judged: (Q, L) judged Pins of each query of at least that level.
        ideal: (K + 1,) worth of the first 0 … K places of the ideal list.
    """

    base: float
    heights: Floats
    base_judged: Ints
    judged: Ints
    ideal: Floats


def of_sums(query: Ints, weights: Floats, low: float, high: float, n_queries: int) -> Floats:
    """(Q,) the most that Pins can add to a sum of weight × gain.

    Args:
        query: (U,) query code of each unjudged Pin.
        weights: (U,) what its gain is multiplied by, such as new minus old discount.
        low: Gain of the worst grade.
        high: Gain of the best grade.
        n_queries: Q.
    """
    return total(query, np.where(weights > 0, weights * high, weights * low), n_queries)


def of_ratios(known: Floats, query: Ints, weights: Floats, layers: Layers) -> Floats:
    """(Q,) the largest (known + Σ weight × gain) / ideal; NaN without unjudged Pins or ideal.

    Args:
        known: (Q,) the judged Pins' part of the sum.
        query: (U,) query code of each unjudged Pin.
        weights: (U,) what its gain is multiplied by.
        layers: Gains, and the judged Pins of the ideal.
    """
    order = np.lexsort((-weights, query))
    weights = weights[order]
    counts = np.bincount(query, minlength=len(known))
    ends = np.cumsum(counts)
    best = np.full(len(known), np.nan)
    left = np.argsort(counts, kind="stable")
    left = left[counts[left] > 0]
    while len(left):  # queries with many Pins first, so that little is padding
        size = int(counts[left[-1]])
        step = max(1, _CELLS // ((size + 1) * (len(layers.heights) + 1)))
        chosen, left = left[-step:], left[:-step]
        within = np.arange(size)
        inside = within < counts[chosen][:, None]
        at = np.minimum((ends - counts)[chosen][:, None] + within, len(weights) - 1)
        padded = np.where(inside, weights[at], _NEVER)
        gained = np.concatenate([np.zeros((len(chosen), 1)), np.cumsum(padded, axis=1)], axis=1)
        best[chosen] = _largest_ratio(known[chosen], gained, counts[chosen], layers, chosen)
    return best


def _largest_ratio(
    known: Floats, gained: Floats, counts: Ints, layers: Layers, chosen: Ints
) -> Floats:
    """Dinkelbach's iteration from the best assignment of only worst and best grades.

    `gained` is (q, m + 1): the sum of the largest 0 … m weights; hopeless beyond a query's Pins.
    """
    last = len(layers.ideal) - 1
    rows = np.arange(len(known))
    places = layers.judged[chosen][:, :, None] + np.arange(gained.shape[1])
    ideal = layers.ideal[np.minimum(places, last)]  # (q, L, m + 1)
    top = known + layers.base * gained[rows, counts]
    bottom = layers.base * layers.ideal[np.minimum(layers.base_judged[chosen] + counts, last)]
    numerator = top[:, None] + layers.heights.sum() * gained
    denominator = bottom[:, None] + np.einsum("l,qlm->qm", layers.heights, ideal)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(denominator > 0, numerator / denominator, -np.inf)
    ratio = ratios.max(axis=1)
    # a negative largest ratio is reached by worst and best grades alone: the problem is convex
    active = ratio >= 0
    for _ in range(_ROUNDS):
        if not active.any():
            break
        worth = gained[active][:, None, :] - ratio[active][:, None, None] * ideal[active]
        m = worth.argmax(axis=2)  # (q, L) Pins of at least each level
        up = top[active] + np.take_along_axis(gained[active], m, axis=1) @ layers.heights
        picked = np.take_along_axis(ideal[active], m[:, :, None], axis=2)[:, :, 0]
        down = bottom[active] + picked @ layers.heights
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.where(down > 0, up / down, -np.inf)
        better = found > ratio[active] + 1e-14
        ratio[np.flatnonzero(active)[better]] = found[better]
        active[np.flatnonzero(active)[~better]] = False
    return np.where(np.isinf(ratio), np.nan, ratio)


def of_first(
    query: Ints, *, old_rank: Floats, new_rank: Floats, old: Floats, new: Floats
) -> tuple[Floats, Floats]:
    """(Q,) smallest and largest difference of 1 / rank of the first relevant Pin.

    Args:
        query: (U,) query code of each unjudged Pin.
        old_rank: (U,) its rank from 1 in the old list; infinite where it is not within the depth.
        new_rank: (U,) likewise in the new list.
        old: (Q,) the old list's value; NaN without any relevant Pin.
        new: (Q,) the new list's value.

    Returns:
        Ends; NaN where no Pin is relevant or could be.
    """
    before, after = np.nan_to_num(old), np.nan_to_num(new)
    moved = np.maximum(after[query], 1 / new_rank) - np.maximum(before[query], 1 / old_rank)
    low, high = new - old, new - old
    with np.errstate(invalid="ignore"):
        np.fmin.at(low, query, moved)
        np.fmax.at(high, query, moved)
    return low, high


def of_precisions(
    starts: Ints, relevant: Floats, open_: Floats, n_relevant: Floats, elsewhere: Floats
) -> tuple[Floats, Floats]:
    """(Q,) smallest and largest average precision of lists.

    With m relevant Pins among the unjudged ones, the value is largest if they are the first m of
    the list and smallest if they are the last m.

    Args:
        starts: (Q + 1,) where each list starts; lists end at the cutoff.
        relevant: (N,) 1 where the Pin at a rank is judged relevant.
        open_: (N,) 1 where it is unjudged.
        n_relevant: (Q,) relevant Pins, returned or not.
        elsewhere: (Q,) unjudged Pins that are not in this list.

    Returns:
        Ends; NaN where no Pin is relevant or could be.
    """
    n_queries = len(starts) - 1
    lengths = np.diff(starts)
    query = np.repeat(np.arange(n_queries), lengths)
    rank = np.arange(len(query)) - starts[:-1][query] + 1.0
    before = _within(relevant, starts, query) - relevant  # judged relevant Pins above
    inverse, spare = relevant / rank, open_ / rank
    below = total(query, inverse, n_queries)[query] - _within(inverse, starts, query)
    spare_below = total(query, spare, n_queries)[query] - _within(spare, starts, query)
    number = _within(open_, starts, query)  # of the unjudged Pin in its list, from 1
    base = total(query, relevant * (before + 1) / rank, n_queries)
    first = np.where(open_ > 0, (before + number) / rank + below, 0.0)
    last = np.where(open_ > 0, (before + 1) / rank + below + spare_below, 0.0)
    from_top = base[query] + _within(first, starts, query)
    from_bottom = (
        base[query] + total(query, last, n_queries)[query] - _within(last, starts, query) + last
    )
    n_open = total(query, open_, n_queries)
    place = open_ > 0
    of = query[place]
    with np.errstate(invalid="ignore", divide="ignore"):
        high = np.where(n_relevant > 0, base / n_relevant, np.nan)
        low = np.where(n_relevant + elsewhere > 0, base / (n_relevant + elsewhere), np.nan)
        high = np.where(np.isnan(high) & (elsewhere > 0), 0.0, high)
        best = from_top[place] / (n_relevant[of] + number[place])
        many = n_relevant[of] + n_open[of] - number[place] + 1 + elsewhere[of]
        worst = from_bottom[place] / many
    np.fmax.at(high, of, best)
    np.fmin.at(low, of, worst)
    return low, high


def of_mean(sure: Floats, optional: Floats) -> float:
    """The largest mean of values of which some may be left out.

    Args:
        sure: (n,) largest values of queries that are defined anyway, at least one.
        optional: (m,) largest values of queries that some grades leave undefined.
    """
    rest = np.sort(optional)[::-1]
    sums = float(sure.sum()) + np.concatenate(([0.0], np.cumsum(rest)))
    return float(np.max(sums / (len(sure) + np.arange(len(sums)))))


def _within(values: Floats, starts: Ints, query: Ints) -> Floats:
    """(N,) running sum of values within each list, its own included."""
    run = np.concatenate(([0.0], np.cumsum(values)))
    return np.asarray(run[1:] - run[starts[:-1]][query])
