"""Sums over queries drawn with replacement: multinomial weights times columns."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]

REPLICATES = 2_000
"""Resamplings, unless the user asks for another number."""

_CELLS = 4_000_000  # weights held at once: 32 MB
_SHORT = 4_096  # below, the rows of a chunk are counted together


def resampled_sums(
    columns: Floats | csr_array, *, seed: int = 0, key: str = "", reps: int = REPLICATES
) -> Floats:
    """(reps, m) sums of (n, m) columns over n rows drawn with replacement, reps times."""
    n, m = columns.shape
    if n == 0 or reps == 0:
        return np.zeros((reps, m))
    chunks = weights(n, seed=seed, key=key, reps=reps, width=max(n, m))
    return np.concatenate([np.asarray(chunk @ columns) for chunk in chunks])


def weights(
    n: int, *, seed: int = 0, key: str = "", reps: int = REPLICATES, width: int = 0
) -> Iterator[Floats]:
    """How often each of n rows is drawn, a chunk of replicates after the other.

    Args:
        n: Rows.
        seed: Seed of the resampling.
        key: Name of the group.
        reps: Number of resamplings in all.
        width: Cells a replicate needs in memory, if more than n.

    Yields:
        (chunk, n) weights, each row summing to n; the same whatever the chunks.
    """
    rng = generator(seed, key)
    chunk = max(1, min(reps, _CELLS // max(n, width)))
    for start in range(0, reps, chunk):
        size = min(chunk, reps - start)
        if n < _SHORT:
            drawn = rng.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
            counts = np.bincount(drawn.ravel(), minlength=size * n)
            yield counts.reshape(size, n).astype(np.float64)
            continue
        drawn_weights = np.empty((size, n))
        for row in drawn_weights:
            row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
        yield drawn_weights


def generator(seed: int, key: str = "") -> np.random.Generator:
    """A random generator of its own for each seed and key."""
    return np.random.default_rng([seed, zlib.crc32(key.encode())])
