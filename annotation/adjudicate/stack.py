"""The default adjudicator: models stacked by how well they foretell held-out votes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.adjudicate.held_out import CORRELATIONS, Scores, compare
from annotation.adjudicate.model import Fitted, Settings, fit, posterior
from annotation.adjudicate.votes import UNKNOWN, Floats, Votes
from relevance.progress import Progress, silent

STRENGTHS = (1.0, 4.0, 16.0, 64.0)

TOLERANCE = 0.003
"""A family that loses this share of the best one's information about held-out votes weighs 1/e."""

CAUTION_ORDERED, CAUTION_CLASSES, CAUTION_INDEPENDENT = 0.07, 0.4, 0.03
"""Correlation of errors that held-out votes cannot show, added to what they do show.

Votes foretell votes, not truth: where everybody errs alike, no vote tells. Between grades such
errors are few; classes without order are mixed up because of what the item is, which all see. Where
votes refute high correlation, little is left of either. Set by looking at truth on public crowds
and in simulated worlds (docs/adjudication.md); gold, where there is enough of it, replaces it.
"""

_CAUTION_TWO = 0.15
_AS_WELL = 0.001
_AFFORDABLE = 0.015
"""Share of information about held-out votes that caution may cost."""
_INDEPENDENT, _INDEPENDENT_WIDTH = 0.04, 0.006
"""Share of information that the highest correlation must cost for votes to count as independent."""
_ORDER, _ORDER_WIDTH = 0.005, 0.0015
"""Share of information that the ordinal model must add before the grades count as ordered."""

ENOUGH_GOLD = 50
_CAUTIONS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
_LARGE = 200_000
_FAMILIES, _FAMILIES_LARGE = 6, 1
"""Most models that are stacked, and where there are many votes, and so little doubt."""


@dataclass(frozen=True, slots=True)
class Stacked:
    """Models, stacked.

    Attributes:
        posterior: P(level) of each pair, (n_items, K).
        confusions: P(vote | true level) of each annotator, (n_annotators, K, K).
        kind: The kind of the heavier models, `ordinal` or `nominal`.
        scores: Kind or simple method → mean log likelihood of held-out votes.
        caution: Correlation that was added to what held-out votes show.
    """

    posterior: Floats
    confusions: Floats
    kind: str
    scores: dict[str, float]
    caution: float


def kinds(votes: Votes) -> tuple[str, ...]:
    """The kinds of model that these votes allow: with two levels order means nothing."""
    return ("ordinal", "nominal") if votes.ordered and votes.n_levels > 2 else ("nominal",)


def grid(of: Sequence[str]) -> list[Settings]:
    """All hyper-parameters that are tried."""
    return [Settings(kind, strength) for kind in of for strength in STRENGTHS]


def stacked(votes: Votes, of: Sequence[str], progress: Progress = silent) -> Stacked:
    """The stack of models of these kinds; see `from_scores`."""
    return from_scores(votes, compare(votes, grid(of), progress), progress)


def from_scores(votes: Votes, scores: Scores, progress: Progress = silent) -> Stacked:
    """Fits the best families, each with its own correlation of errors, and averages them.

    A family weighs exp(-loss / `TOLERANCE`), where loss is how much less it knows of held-out votes
    than the best, as a share of what the best knows beyond the shares of the levels.

    Args:
        votes: The votes; gold pairs keep their level.
        scores: What `compare` found.
        progress: Told after each fit.
    """
    weights = _weights(scores, _FAMILIES if votes.n <= _LARGE else _FAMILIES_LARGE)
    fits: list[tuple[float, Settings, Fitted]] = []
    for settings, weight in weights.items():
        fits.append((weight, settings, fit(votes, settings)))
        progress(len(fits), len(weights), f"{settings.kind}, all votes")
    caution = _caution_of_gold(votes, fits, scores)
    if caution is None:
        caution = _caution(votes, scores)
    shape = (votes.n_items, votes.n_levels)
    mixed, confusions = np.zeros(shape), np.zeros_like(fits[0][2].confusion)
    by_kind: dict[str, float] = {}
    for weight, settings, fitted in fits:
        correlation = _correlation(scores, settings, caution)
        mixed += weight * posterior(fitted, votes, correlation)
        confusions += weight * fitted.confusion
        by_kind[settings.kind] = by_kind.get(settings.kind, 0.0) + weight
    kind = max(by_kind, key=lambda name: by_kind[name])
    return Stacked(mixed, confusions, kind, {**scores.simple, **scores.by_kind()}, caution)


def _weights(scores: Scores, most: int) -> dict[Settings, float]:
    """Weights of the `most` heaviest families, summing to 1; those below 1 % are left out."""
    knows = max(scores.best - scores.base, 1e-3)
    raw = {
        settings: float(np.exp((each.max() - scores.best) / knows / TOLERANCE))
        for settings, each in scores.families.items()
    }
    heaviest = sorted(raw, key=lambda settings: -raw[settings])[:most]
    kept = [settings for settings in heaviest if raw[settings] >= 0.01]
    total = sum(raw[settings] for settings in kept)
    return {settings: raw[settings] / total for settings in kept}


def _correlation(scores: Scores, settings: Settings, caution: float) -> float:
    """The correlation of errors to reckon with: what held-out votes show, and caution.

    Held-out votes show the least correlation with which they are foretold as well as with any.
    Caution may not make them much harder to foretell.
    """
    each = scores.families[settings]
    knows = max(float(each.max()) - scores.base, 1e-3)
    loss = (each.max() - each) / knows
    shown = CORRELATIONS[int(np.argmax(loss <= _AS_WELL))]
    return min(shown + caution, max(_affordable(loss), shown))


def _affordable(loss: Floats) -> float:
    """The correlation at which `loss`, past its least, reaches `_AFFORDABLE`."""
    least = int(np.argmin(loss))
    rising = np.maximum.accumulate(loss[least:]) + 1e-12 * np.arange(len(loss) - least)
    return float(np.interp(_AFFORDABLE, rising, CORRELATIONS[least:]))


def _caution(votes: Votes, scores: Scores) -> float:
    """The caution of grades or of classes, or between them if order hardly shows in the votes.

    Less of either where high correlation makes votes much harder to foretell: they are independent.
    """
    if votes.n_levels <= 2:
        return _CAUTION_TWO
    by_kind = scores.by_kind()
    knows = max(scores.best - scores.base, 1e-3)
    classes = 1.0
    if "ordinal" in by_kind:
        gain = (by_kind["ordinal"] - by_kind.get("nominal", -np.inf)) / knows
        classes = _falling(gain, _ORDER, _ORDER_WIDTH)
    best = max(scores.families.values(), key=lambda each: float(each.max()))
    lost = float(best.max() - best[-1]) / knows
    alike = CAUTION_ORDERED + classes * (CAUTION_CLASSES - CAUTION_ORDERED)
    share = _falling(lost, _INDEPENDENT, _INDEPENDENT_WIDTH)
    return CAUTION_INDEPENDENT + share * (alike - CAUTION_INDEPENDENT)


def _falling(value: float, middle: float, width: float) -> float:
    """From 1 to 0 as `value` grows past `middle`."""
    return 1 / (1 + math.exp(min((value - middle) / width, 500.0)))


def _caution_of_gold(
    votes: Votes, fits: Sequence[tuple[float, Settings, Fitted]], scores: Scores
) -> float | None:
    """The caution under which gold is likeliest, if there is enough of it."""
    known = votes.known != UNKNOWN
    if int(known.sum()) < ENOUGH_GOLD:
        return None
    of_gold = votes.of_items(known)
    rows = np.arange(of_gold.n_items)
    likelihood = []
    for caution in _CAUTIONS:
        mixed = np.zeros((of_gold.n_items, votes.n_levels))
        for weight, settings, fitted in fits:
            correlation = _correlation(scores, settings, caution)
            mixed += weight * posterior(fitted, of_gold, correlation, clamp=False)
        right = np.maximum(mixed[rows, of_gold.gold], 1e-9)
        likelihood.append(float(np.log(right).mean()))
    return _CAUTIONS[int(np.argmax(likelihood))]
