"""Users split at random again and again: sums per stratum of every split, as matrix products.

A split is a column of ones and zeros; the sums of its treated users are features × that column. So
a block of splits is one matrix product a stratum, and nothing larger than a block is in memory:
two thousand splits of a million users are 2·10^9 random numbers, but only 8 MB of them at a time.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.experiment.effects import Effect
from evaluation.experiment.many import SUMS
from evaluation.moments import PRODUCTS, VARIABLES, Floats

Ints = NDArray[np.int64]

SPLITS_AT_ONCE = 128
USERS_AT_ONCE = 8192
"""Size of a block; fixed, because the random numbers of a seed depend on it."""

_PIECE = 64
"""Users of a product that no linear algebra library would spread over threads."""

_RANGE = 2**32
_PAIRS = [(VARIABLES.index(a), VARIABLES.index(b)) for a, b in PRODUCTS]
_LIFTED = [SUMS.index(name) for name in ("x", "x_x", "x_y", "x_x0", "x_y0")]
"""Sums that change when x does."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One outcome of every user.

    Attributes:
        values: Shape (users, 4), columns as `VARIABLES`.
        effect: The effect to inject.
        naive: Shape (users, 2), sums over a user's sessions that a session z-test takes.
    """

    values: Floats
    effect: Effect
    naive: Floats


@dataclass(frozen=True, slots=True)
class Users:
    """The users to split.

    Attributes:
        strata: Names of the strata.
        bounds: Shape (strata + 1,); the users of stratum s stand from bounds[s] to bounds[s + 1].
        measures: Their outcomes, users in that order.
        places: Family (`country`, `day`) → place of each user, 0, 1, …: where splits are counted.
    """

    strata: tuple[str, ...]
    bounds: Ints
    measures: tuple[Measure, ...]
    places: Mapping[str, Ints]

    @property
    def n(self) -> int:
        """Number of users."""
        return int(self.bounds[-1])


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of one outcome in a block of splits.

    Attributes:
        treated: Shape (treatments, splits, strata, `SUMS`), nothing done to anybody.
        lifted: The same with the effect on the treated.
        control: Shape (splits, strata, `SUMS`).
        naive: What the session z-test takes, shape (variants, splits, 2), control first.
    """

    treated: Floats
    lifted: Floats
    control: Floats
    naive: Floats


@dataclass(frozen=True, slots=True)
class Block:
    """A block of splits.

    Attributes:
        sums: Of each outcome.
        counts: Family → users, shape (variants, splits, places), control first.
    """

    sums: tuple[Sums, ...]
    counts: Mapping[str, Floats]


def split_blocks(users: Users, shares: Sequence[float], *, runs: int, seed: int) -> Iterator[Block]:
    """Random splits, block by block; the same for a seed, whatever the machine's cores.

    Args:
        users: Who is split, each independently of the others.
        shares: Share of each variant, control first; they add up to 1.
        runs: Number of splits.
        seed: Of everything random.
    """
    cuts = np.rint(np.cumsum([0.0, *shares[1:]]) * _RANGE).clip(0, _RANGE - 1).astype(np.uint32)
    splitter = _Splitter(
        users,
        [_totals(users, measure) for measure in users.measures],
        {name: _indicator(places) for name, places in users.places.items()},
        cuts,
    )

    def block(first: int) -> Block:
        rng = np.random.Generator(np.random.SFC64([seed, first]))
        return splitter.block(min(SPLITS_AT_ONCE, runs - first), rng)

    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Block]] = deque()
    try:
        for first in range(0, runs, SPLITS_AT_ONCE):
            waiting.append(pool.submit(block, first))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also when the work is interrupted
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Splitter:
    """What every block of splits needs; `cuts` are the bounds of the treatments' numbers."""

    users: Users
    totals: Sequence[tuple[Floats, Floats]]
    indicators: Mapping[str, Any]
    cuts: NDArray[np.uint32]

    def block(self, size: int, rng: np.random.Generator) -> Block:
        users, treatments = self.users, len(self.cuts) - 1
        width = len(SUMS) + len(_LIFTED) + 2
        sums = np.zeros((len(users.measures), len(users.strata), treatments, width, size))
        counts = {n: np.zeros((treatments, i.shape[0], size)) for n, i in self.indicators.items()}
        for stratum, part in _chunks(users.bounds):
            drawn = rng.integers(0, _RANGE, size=(part.stop - part.start, size), dtype=np.uint32)
            features = [_features(measure, part, rng) for measure in users.measures]
            for t in range(treatments):
                inside = (drawn >= self.cuts[t]) & (drawn < self.cuts[t + 1])
                mask = inside.astype(np.float64)
                for i, columns in enumerate(features):
                    sums[i, stratum, t] += _product(columns, mask)
                for name, indicator in self.indicators.items():
                    counts[name][t] += indicator[:, part] @ mask
        return Block(
            tuple(_sums(part, total) for part, total in zip(sums, self.totals, strict=True)),
            {name: _with_control(found, self.indicators[name]) for name, found in counts.items()},
        )


def _product(features: Floats, mask: Floats) -> Floats:
    """(features, splits) sums over users: `features.T @ mask`, in small pieces.

    A large product is spread over threads by the linear algebra library, whose waiting for each
    other takes ten times the work on a busy machine; small ones are not, and blocks of splits run
    side by side anyway.
    """
    whole = len(mask) // _PIECE * _PIECE
    pieces = features[:whole].reshape(-1, _PIECE, features.shape[1]).transpose(0, 2, 1)
    found = (pieces @ mask[:whole].reshape(-1, _PIECE, mask.shape[1])).sum(axis=0)
    return np.asarray(found + features[whole:].T @ mask[whole:])


def _chunks(bounds: Ints) -> Iterator[tuple[int, slice]]:
    """Stratum and users of every product."""
    for stratum, (start, stop) in enumerate(itertools.pairwise(bounds.tolist())):
        for first in range(start, stop, USERS_AT_ONCE):
            yield stratum, slice(first, min(first + USERS_AT_ONCE, stop))


def _plain(values: Floats) -> Floats:
    """(users, `SUMS`) a user's share of the sums."""
    products = [values[:, i] * values[:, j] for i, j in _PAIRS]
    return np.column_stack([np.ones(len(values)), values, *products])


def _features(measure: Measure, part: slice, rng: np.random.Generator) -> Floats:
    """(users, features): `SUMS`, those that the effect changes, those of the session z-test."""
    values = measure.values[part]
    plain = _plain(values)
    x = measure.effect.draw(values[:, 0], values[:, 1], rng)
    lifted = [x, x * x, x * values[:, 1], x * values[:, 2], x * values[:, 3]]
    return np.column_stack([plain, *lifted, measure.naive[part]])


def _totals(users: Users, measure: Measure) -> tuple[Floats, Floats]:
    """(strata, `SUMS`) and (2,) of all users together."""
    total = np.zeros((len(users.strata), len(SUMS)))
    for stratum, part in _chunks(users.bounds):
        total[stratum] += _plain(measure.values[part]).sum(axis=0)
    return total, measure.naive.sum(axis=0)


def _sums(found: Floats, totals: tuple[Floats, Floats]) -> Sums:
    """Sums by variant from those of a block, shape (strata, treatments, features, splits)."""
    all_, naive_all = totals
    by_run = found.transpose(1, 3, 0, 2)
    treated = by_run[..., : len(SUMS)]
    lifted = treated.copy()
    lifted[..., _LIFTED] = by_run[..., len(SUMS) : -2]
    naive = by_run[..., -2:].sum(axis=2)
    control = naive_all - naive.sum(axis=0)
    return Sums(treated, lifted, all_ - treated.sum(axis=0), np.concatenate([control[None], naive]))


def _indicator(places: Ints) -> Any:
    """Sparse (places, users) matrix with a one where a user is."""
    from scipy import sparse

    n = len(places)
    count = int(places.max()) + 1 if n else 0
    return sparse.csc_array((np.ones(n), places, np.arange(n + 1)), shape=(count, n))


def _with_control(counts: Floats, indicator: Any) -> Floats:
    """(variants, splits, places) counts, control first."""
    treated = counts.transpose(0, 2, 1)
    everyone = np.asarray(indicator.sum(axis=1)).ravel()
    return np.concatenate([(everyone - treated.sum(axis=0))[None], treated])
