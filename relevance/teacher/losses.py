"""What a teacher is trained to make small: proper losses of the five logits against soft labels.

Every loss is linear in the label, so one rule serves them all: a label is a row of masses on the
five grades, a pair's loss is the mass-weighted mean of the losses that each grade alone would have,
and class weights only change the masses. With masses of sum 1 each loss is smallest, over all
predictions, where the prediction is the label itself (it is *proper*).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from relevance.errors import InputError

Floats = NDArray[np.float64]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(logits (B, 5), masses (B, 5)) → loss of each pair in nats, (B,)."""


def cross_entropy(logits: torch.Tensor, masses: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each pair in nats, of shape (B,): −Σ_g m_g log p_g."""
    return -(masses * torch.log_softmax(logits, dim=1)).sum(dim=1)


def ranked_cross_entropy(logits: torch.Tensor, masses: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the four thresholds "grade ≤ k" in nats, of shape (B,).

    The ranked ignorance score. A grade that is missed by two costs more than one missed by one, as
    it lies on the wrong side of two thresholds. Each threshold's term is the logarithmic score of
    P(grade ≤ k), which is strictly proper, and the four fix p1…p5; so the sum is strictly proper.

    References:
        Tödter & Ahrens (2012), Generalization of the ignorance score, Monthly Weather Review 140;
        Gneiting & Raftery (2007), Strictly proper scoring rules, section 4.2 (sums of scores over
        thresholds).
    """
    whole = torch.logsumexp(logits, dim=1, keepdim=True)
    below = torch.logcumsumexp(logits, dim=1)[:, :-1] - whole  # log P(grade <= k), (B, 4)
    above = torch.logcumsumexp(logits.flip(1), dim=1).flip(1)[:, 1:] - whole
    under = masses.cumsum(dim=1)[:, :-1]
    over = masses.sum(dim=1, keepdim=True) - under
    return -(under * below + over * above).mean(dim=1)


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {"soft": cross_entropy, "hard": cross_entropy, "ordinal": ranked_cross_entropy}
)
"""Losses by name; `soft` and `hard` differ in the labels that they are given."""


def choose_loss(loss: str, *, soft_labels: bool) -> str:
    """The loss that `auto` stands for; any other name as it is.

    Args:
        loss: `"auto"` or one of `LOSSES`.
        soft_labels: Whether any row of the qrels has p1…p5.

    Raises:
        InputError: `"soft"` is asked for and there are no soft labels.
    """
    if loss == "auto":
        return "soft" if soft_labels else "hard"
    if loss == "soft" and not soft_labels:
        raise InputError(
            "the loss soft needs p1…p5 in the qrels, and they have none. "
            "Make them with gradewise annotation adjudicate, or use --loss hard"
        )
    return loss


def class_weights(targets: Floats, *, balanced: bool) -> Floats:
    """Weight of each grade, shape (5,), mean 1 over the labels: n / (grades present · n_g).

    Soft labels count by their masses. A grade without any mass weighs 1. All ones unless
    `balanced`.

    References:
        King & Zeng (2001), Logistic regression in rare events data; the formula is
        scikit-learn's `class_weight="balanced"`.
    """
    mass = targets.sum(axis=0)
    if not balanced or not mass.any():
        return np.ones(targets.shape[1])
    present = mass > 0
    return np.where(present, mass.sum() / (present.sum() * np.where(present, mass, 1.0)), 1.0)


def prior_shift(weights: Floats) -> Floats:
    """What to add to the logits of a model trained under class weights, shape (5,): −log w_g.

    Such a model learns probabilities in proportion to w_g P(g | pair); the shift gives P back, so
    that class weights change what the model attends to and not how often it says a grade.

    References:
        Elkan (2001), The foundations of cost-sensitive learning; Menon et al. (2021),
        Long-tail learning via logit adjustment.
    """
    return -np.log(weights)
