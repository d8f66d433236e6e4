"""What one more opinion is worth: the expected loss now less the expected loss after it.

Whoever decides on a grade under a posterior p picks the one with the smallest expected loss. A vote
y, given as C[t, y] by an annotator when t is true, turns p into p·C[:, y] (normalised); averaged
over the votes that may come, the loss after it is never larger than before.

References:
    Raiffa and Schlaifer, Applied Statistical Decision Theory, 1961 (value of sample information).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from relevance.errors import InputError, did_you_mean

Floats = NDArray[np.float64]

LOSSES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "absolute": lambda one, other: np.abs(one - other),
    "quadratic": lambda one, other: (one - other) ** 2,
    "zero-one": lambda one, other: (one != other).astype(np.float64),
}
"""Loss of deciding on one grade where another is true, by name."""


def loss_matrix(levels: Floats, loss: str = "absolute") -> Floats:
    """(K, K) loss of the decision (columns) where a level (rows) is true.

    Raises:
        InputError: No loss is called so.
    """
    if loss not in LOSSES:
        near = did_you_mean(loss, LOSSES)
        raise InputError(f"loss {loss!r} is unknown.{near} Use {', '.join(LOSSES)}")
    return LOSSES[loss](levels[:, None], levels[None, :])


def best_loss(posterior: Floats, losses: Floats) -> Floats:
    """(n,) expected loss of the best decision under (n, K) posteriors."""
    return np.asarray((posterior @ losses).min(axis=1), dtype=np.float64)


def expected_gain(posterior: Floats, confusion: Floats, losses: Floats) -> Floats:
    """(n,) expected reduction of the expected loss by one more vote; at least 0.

    Args:
        posterior: (n, K), rows summing to 1.
        confusion: (K, K) P(vote | truth), truth in rows; or (n, K, K), one a pair.
        losses: (K, K) from `loss_matrix`.
    """
    after = np.zeros(len(posterior))
    for vote in range(posterior.shape[1]):
        joint = posterior * confusion[..., vote]
        after += (joint @ losses).min(axis=1)
    return np.maximum(best_loss(posterior, losses) - after, 0.0)
