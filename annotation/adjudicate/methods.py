"""The registry of adjudicators, and which of them `auto` stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from annotation.adjudicate.classic import confusions, dawid_skene, one_coin
from annotation.adjudicate.counting import kernel, majority, median, smoothed
from annotation.adjudicate.held_out import compare
from annotation.adjudicate.model import Settings, fit, posterior
from annotation.adjudicate.stack import from_scores, grid, kinds, stacked
from annotation.adjudicate.votes import Floats, Votes, normal
from relevance.progress import Progress, silent

Adjudicator = Callable[[Votes], Floats]
"""Votes → posterior of shape (n_items, n_levels), rows summing to 1."""

_FEW_SHARED, _FEW_VOTES, _MANY_VOTES = 20, 100, 500
_SHRINKAGE = 16.0


@dataclass(frozen=True, slots=True)
class Settled:
    """What a method made of votes.

    Attributes:
        posterior: P(level) of each pair, (n_items, K).
        confusions: P(vote | true level) of each annotator, (n_annotators, K, K).
        name: The method.
        scores: Candidate → mean log likelihood of held-out votes, where they were compared.
        caution: Correlation of errors that was added to what held-out votes show, where it was.
    """

    posterior: Floats
    confusions: Floats
    name: str
    scores: Mapping[str, float] = field(default_factory=dict)
    caution: float | None = None


def dawid_skene_shrunk(votes: Votes) -> Floats:
    """Dawid & Skene's model with annotators shrunk to patterns; quick, and surer than it may be."""
    fitted = fit(votes, Settings("nominal", _SHRINKAGE, np.inf))
    return posterior(fitted, votes, 0.0)


def ordinal(votes: Votes) -> Floats:
    """The default's models of ordered grades only, stacked."""
    return stacked(votes, ["ordinal"]).posterior


def nominal(votes: Votes) -> Floats:
    """The default's models of classes only, stacked."""
    return stacked(votes, ["nominal"]).posterior


ADJUDICATORS: Mapping[str, Adjudicator] = {
    "majority": majority,
    "median": median,
    "smoothed": smoothed,
    "one-coin": one_coin,
    "dawid-skene": dawid_skene,
    "dawid-skene-shrunk": dawid_skene_shrunk,
    "ordinal": ordinal,
    "nominal": nominal,
}
"""Every method by name; `auto` chooses among them (`choose`)."""


def settle(votes: Votes, method: str, progress: Progress = silent) -> Settled:
    """What the method, a key of `ADJUDICATORS` or `auto`, makes of votes."""
    name = "smoothed" if method == "auto" and too_few(votes) else method
    if name == "auto":
        return _chosen(votes, progress)
    if name in ("ordinal", "nominal") and votes.n and votes.n_levels > 1:
        found = stacked(votes, [name], progress)
        return Settled(found.posterior, found.confusions, name, found.scores, found.caution)
    return _plain(votes, name)


def choose(votes: Votes) -> str:
    """The method that `auto` stands for."""
    return settle(votes, "auto").name


def too_few(votes: Votes) -> bool:
    """Whether annotators cannot be told apart: hardly a pair has two votes, or one level is all."""
    shared = int((votes.per_item >= 2).sum()) if votes.n else 0
    return votes.n < _FEW_VOTES or shared < _FEW_SHARED or len(np.unique(votes.level)) < 2


def _chosen(votes: Votes, progress: Progress) -> Settled:
    """The stack of models; of few votes, the simple method that foretells held-out ones better."""
    scores = compare(votes, grid(kinds(votes)), progress)
    simple = max(scores.simple, key=lambda name: scores.simple[name])
    if votes.n < _MANY_VOTES and scores.simple[simple] > scores.best:
        found = _plain(votes, simple)
        tried = {**scores.simple, **scores.by_kind()}
        return Settled(found.posterior, found.confusions, simple, tried)
    made = from_scores(votes, scores, progress)
    return Settled(made.posterior, made.confusions, made.kind, made.scores, made.caution)


def _plain(votes: Votes, name: str) -> Settled:
    k = votes.n_levels
    if not votes.n:
        return Settled(np.zeros((0, k)), np.zeros((0, k, k)), name)
    found = np.ones((votes.n_items, 1)) if k == 1 else ADJUDICATORS[name](votes)
    blur = kernel(k, ordered=votes.ordered)
    pooled = normal(k * blur + confusions(votes, found, blur, 1e-9).sum(axis=0))
    return Settled(found, confusions(votes, found, pooled, _SHRINKAGE), name)
