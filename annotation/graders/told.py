"""Votes against the truth as the others' votes tell it: confusion, agreement, and beyond chance."""

from __future__ import annotations

import numpy as np

from annotation.graders.coded import Bools, Floats, Panel
from annotation.graders.consensus import Consensus
from annotation.graders.severity import Fit

_LEAST_USUAL = 0.2  # a panel that hardly agrees beyond chance is no measure of anybody


def told_votes(panel: Panel, agreed: Consensus) -> Bools:
    """(R,) whether others say anything of the vote's pair, or its grade is known."""
    return np.asarray(panel.shared | (agreed.known[panel.pair] >= 0))


def confusion_of(panel: Panel, agreed: Consensus) -> Floats:
    """(A, K, K) expected votes by true grade, as the others' votes tell it, and grade given."""
    k, n = len(panel.levels), panel.n_people
    told = told_votes(panel, agreed)
    cell = panel.annotator[told] * k + panel.level[told]
    columns = [np.bincount(cell, agreed.others[told, level], minlength=n * k) for level in range(k)]
    votes = np.stack(columns, axis=1).reshape(n, k, k)
    return np.asarray(votes.transpose(0, 2, 1), dtype=np.float64)


def agreement_of(panel: Panel, agreed: Consensus) -> Fit:
    """Expected share of each annotator's votes that are the true grade, as the others tell it."""
    told = np.flatnonzero(told_votes(panel, agreed))
    p = agreed.others[told, panel.level[told]]
    who, size = panel.annotator[told], panel.n_people
    n = np.bincount(who, minlength=size)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(who, p, minlength=size) / n
        spread = np.bincount(who, (p - mean[who]) ** 2, minlength=size)
        error = np.sqrt(spread / n / (n - 1.0))
    freedom = np.where(n >= 2, n - 1.0, np.nan)
    return Fit(np.asarray(mean), np.where(n >= 2, error, np.nan), freedom, np.zeros(size))


def beyond_chance(agreement: Fit, confusion: Floats) -> Fit:
    """Agreement beyond chance (as Cohen's κ) of each annotator, as a share of the median one's.

    Chance is what the annotator's own shares of the grades would agree if given at random.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        total = confusion.sum(axis=(1, 2))
        chance = (confusion.sum(axis=1) * confusion.sum(axis=2)).sum(axis=1) / total**2
        beyond = (agreement.value - chance) / (1 - chance)
        error = agreement.error / (1 - chance)
    known = np.isfinite(beyond) & np.isfinite(error)
    usual = float(np.median(beyond[known])) if known.any() else np.nan
    if not usual >= _LEAST_USUAL:
        known, usual = np.zeros(len(beyond), dtype=np.bool_), 1.0
    return Fit(
        np.where(known, beyond / usual, np.nan),
        np.where(known, error / usual, np.nan),
        np.where(known, agreement.freedom, np.nan),
        np.zeros(len(beyond)),
    )
