"""Metrics of P(grade ≥ t) against the human grade binarised at t, with their influence values.

A value's influence says how the metric moves when a pair gets a little more weight:
metric(weights) ≈ metric + Σ (weight - 1) × influence, and Σ influence = 0. Summed by query, it
gives standard errors and bootstrap replicates that respect the clustering by query, at the cost of
one sort (Obuchowski, Biometrics 1997, for AUROC; the same derivative for average precision).

Values sort an order of magnitude faster than positions (numpy sorts them with vector
instructions), and the bits of floats that are not negative ascend as the floats do. So a score is
sorted as an integer, its label or its row in the lowest bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Scores = NDArray[np.floating]
Keys = NDArray[np.unsignedinteger]
Ints = NDArray[np.int64]
Made = TypeVar("Made")

_CHUNK = 1 << 16  # rows looked at together: they stay in the cache
_STRETCH = 1 << 18  # rows of a step beside another thread, which short steps keep from its turn
_MANY = 1 << 20  # keys that are worth a thread
_SIGN = np.uint64(1 << 63)
_STEPS = 6  # along a run of equal keys, before its end is looked up


def at_least(probabilities: Floats, threshold: int) -> Floats:
    """(N,) P(grade ≥ threshold) of (N, K) probabilities of the grades 1 … K."""
    return np.asarray(probabilities[:, threshold - 1 :].sum(axis=1), dtype=np.float64)


def auroc(
    labels: Bools, scores: Scores, *, influence: bool = True, overwrite: bool = False
) -> tuple[float, Floats]:
    """Probability that a positive pair outscores a negative one, ties counting ½.

    Args:
        labels: (N,) whether the human grade is at least t.
        scores: (N,) P(grade ≥ t), finite; of 32 bits are sorted in half the time.
        influence: Whether the influence values are wanted.
        overwrite: Whether `scores` may be destroyed, which saves N × 8 bytes.

    Returns:
        The area, in [0, 1], right to the last bit; and the (N,) influence of each pair, empty if
        it is not wanted.

    Undefined:
        NaN (and zero influence) if all labels are equal.
    """
    n_positive = int(np.count_nonzero(labels))
    n_negative = len(labels) - n_positive
    moved = np.zeros(len(labels) if influence else 0)
    if n_positive == 0 or n_negative == 0:
        return float("nan"), moved
    if not influence and _none_negative(scores):
        keys = _packed(labels, scores, overwrite=overwrite)
        return _twice_the_wins(keys) / (2 * n_positive * n_negative), moved
    wins = below = under = 0  # twice the wins; positives and negatives at lower scores
    for part in _ascending(labels, scores):
        beaten = 2 * (under + np.cumsum(part.negative)) - part.negative  # twice, ties ½
        beating = 2 * (n_positive - below - np.cumsum(part.positive)) + part.positive
        wins += int(part.positive @ beaten)
        below, under = below + int(part.positive.sum()), under + int(part.negative.sum())
        if influence:
            part.spread(moved, beaten, beating)
    area = wins / (2 * n_positive * n_negative)
    if influence:
        once = 1 / (2 * n_positive * n_negative)
        _scale(moved, labels, (once, area / n_positive), (once, area / n_negative))
    return area, moved


def auprc(
    labels: Bools,
    scores: Scores,
    *,
    influence: bool = True,
    overwrite: bool = False,  # noqa: ARG001
) -> tuple[float, Floats]:
    """Average precision: Σ (recall step) × precision over the distinct scores, highest first.

    Args:
        labels: (N,) whether the human grade is at least t.
        scores: (N,) P(grade ≥ t), finite.
        influence: Whether the influence values are wanted.
        overwrite: Whether `scores` may be destroyed; they never are.

    Returns:
        The area, in (0, 1], and the (N,) influence of each pair, empty if it is not wanted.

    Undefined:
        NaN (and zero influence) if all labels are equal.
    """
    n_positive = int(np.count_nonzero(labels))
    moved = np.zeros(len(labels) if influence else 0)
    if n_positive in (0, len(labels)):
        return float("nan"), moved
    area = once = twice = 0.0
    n, hits = len(labels), n_positive  # at the present score or above
    for part in _ascending(labels, scores):
        above = n - np.cumsum(part.sizes) + part.sizes
        precision = (hits - np.cumsum(part.positive) + part.positive) / above
        area += float(part.positive @ precision)
        # a pair at score s changes the precision at every score ≤ s: sums from the lowest score up
        first = once + np.cumsum(part.positive / above)
        second = twice + np.cumsum(part.positive * precision / above)
        if influence:
            part.spread(moved, precision + first - second, -second)
        once, twice = float(first[-1]), float(second[-1])
        n, hits = n - len(part.rows), hits - int(part.positive.sum())
    area /= n_positive
    if influence:
        _scale(moved, labels, (1 / n_positive, area / n_positive), (1 / n_positive, 0.0))
    return area, moved


class _Part(NamedTuple):
    """Pairs whose scores follow each other, all pairs of a score in one part.

    Attributes:
        rows: (m,) rows by ascending score.
        labels: (m,) their labels.
        sizes: (s,) pairs of each of the s distinct scores, ascending.
        positive: (s,) positive ones among them.
    """

    rows: Ints
    labels: Bools
    sizes: Ints
    positive: Ints

    @property
    def negative(self) -> Ints:
        """(s,) negative pairs of each distinct score."""
        return self.sizes - self.positive

    def spread(self, values: Floats, positive: NDArray[Any], negative: NDArray[Any]) -> None:
        """Sets `values` at the part's rows to their score's value for their label."""
        if len(self.sizes) < len(self.rows):
            positive, negative = np.repeat(positive, self.sizes), np.repeat(negative, self.sizes)
        values[self.rows] = np.where(self.labels, positive, negative)


def _ascending(labels: Bools, scores: Scores) -> Iterator[_Part]:
    """The pairs by ascending score: one sort of the scores' upper bits over the row.

    Where the bits that the row leaves room for do not tell scores apart, their part is sorted
    again.
    """
    n = len(scores)
    width = max(1, (n - 1).bit_length())
    low = np.uint64((1 << width) - 1)
    keys = np.add(scores, 0.0, dtype=np.float64).view(np.uint64)  # -0.0 becomes 0.0
    negative = keys >= _SIGN
    np.bitwise_xor(keys, _SIGN, out=keys, where=~negative)
    np.bitwise_not(keys, out=keys, where=negative)
    np.bitwise_and(keys, ~low, out=keys)
    np.bitwise_or(keys, np.arange(n, dtype=np.uint64), out=keys)
    keys.sort()
    start = 0
    while start < n:
        end = min(start + _CHUNK, n)
        if end < n:
            end = int(np.searchsorted(keys, keys[end - 1] | low, side="right"))
        rows = (keys[start:end] & low).astype(np.int64)
        ordered = scores[rows]
        if (ordered[1:] < ordered[:-1]).any():
            again = np.argsort(ordered, kind="stable")
            rows, ordered = rows[again], ordered[again]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        sizes = np.diff(starts, append=end - start)
        hits = labels[rows]
        yield _Part(rows, hits, sizes, np.add.reduceat(hits, starts, dtype=np.int64))
        start = end


def _scale(
    values: Floats, labels: Bools, positive: tuple[float, float], negative: tuple[float, float]
) -> None:
    """Sets each value to factor × value - term, by its label's (factor, term)."""
    for start in range(0, len(values), _CHUNK):
        part, hits = values[start : start + _CHUNK], labels[start : start + _CHUNK]
        part *= np.where(hits, positive[0], negative[0])
        part -= np.where(hits, positive[1], negative[1])


def _none_negative(scores: Scores) -> bool:
    """Whether all scores are numbers from 0 on."""
    return all(_by_halves(lambda half: scores[half.start : half.stop].min() >= 0, len(scores)))


def _packed(labels: Bools, scores: Scores, *, overwrite: bool) -> Keys:
    """(N,) ascending keys: bits of the score above the label. Scores must not be negative."""
    floats = scores if overwrite else scores.copy()
    keys: Keys = floats.view(np.uint32 if floats.itemsize == 4 else np.uint64)

    def pack(half: range) -> None:
        for start in half[::_STRETCH]:
            rows = slice(start, min(start + _STRETCH, half.stop))
            floats[rows] += 0.0  # -0.0 becomes 0.0
            keys[rows] <<= 1
            keys[rows] |= labels[rows]

    _by_halves(pack, len(keys))
    _sort(keys)
    return keys


def _sort(keys: Keys) -> None:
    """Sorts in place, the lower half beside the upper one where there are many."""
    if len(keys) >= _MANY:
        keys.partition(len(keys) // 2)
    _by_halves(lambda half: keys[half.start : half.stop].sort(), len(keys))


def _by_halves(function: Callable[[range], Made], n: int) -> list[Made]:
    """What the function makes of the lower half of n rows and of the upper one beside it.

    Few rows are not worth a thread and stay together.
    """
    if n < _MANY:
        return [function(range(n))]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, (range(n // 2), range(n // 2, n))))


def _twice_the_wins(keys: Keys) -> int:
    """Twice the (negative, positive) pairs in which the positive scores higher, ties once.

    Of equal scores the negatives come first: a tie looks like a win, and one of its two is taken
    off again.
    """
    numbers = np.arange(_STRETCH, dtype=np.uint32)

    def look(half: range) -> Ints:
        places = n_positive = ties = 0
        for start in half[::_STRETCH]:
            stop = min(start + _STRETCH, half.stop)
            ties += _ties(keys, start, stop)
            hits = (keys[start:stop] & 1).astype(np.uint32, copy=False)
            n_hits = int(np.count_nonzero(hits))
            hits *= numbers[: len(hits)]
            places += start * n_hits + int(hits.sum(dtype=np.uint64))
            n_positive += n_hits
        return np.array([places, n_positive, ties], dtype=np.int64)

    places, n_positive, ties = sum(_by_halves(look, len(keys)), np.zeros(3, np.int64)).tolist()
    return int(2 * places - n_positive * (n_positive - 1) - ties)


def _ties(keys: Keys, start: int, stop: int) -> int:
    """(negative, positive) pairs of equal score whose last negative key is at `start` … `stop`."""
    part = keys[start : stop + 1]
    last = np.flatnonzero((part[1:] ^ part[:-1]) == 1) + start
    return int(_run_lengths(keys, last, -1) @ _run_lengths(keys, last + 1, 1))


def _run_lengths(keys: Keys, ends: Ints, step: int) -> Ints:
    """(m,) number of keys that are equal to the one at each end of a run, which goes by `step`.

    Most runs are short: a few steps from all ends at once, then a look-up of those that go on.
    Keys must be ascending and not all equal, so that no run goes on at the other end of them.
    """
    lengths: Ints = np.ones(len(ends), dtype=np.int64)
    going: Ints = np.arange(len(ends))
    rows, own = ends, keys[ends]
    for _ in range(_STEPS):
        rows = rows + step
        on = np.flatnonzero(keys.take(rows, mode="wrap") == own)
        going, rows, own = going[on], rows[on], own[on]
        if not len(going):
            return lengths
        lengths[going] += 1
    if step < 0:
        lengths[going] += rows - np.searchsorted(keys, own, side="left")
    else:
        lengths[going] += np.searchsorted(keys, own, side="right") - rows - 1
    return lengths
