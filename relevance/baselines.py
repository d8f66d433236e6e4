"""Baselines that any model must beat: chance, the majority grade, and one score (BM25) on a curve.

All return a `predictions` frame, so that the same evaluation measures them.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError
from relevance.grades import FIVE

Floats = NDArray[np.float64]
LEVELS = np.array(FIVE.levels)


def chance(pairs: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    """Predictions that know nothing: grade probabilities drawn uniformly from the simplex.

    Args:
        pairs: `query_id`, `pin_id`.
        seed: Seed of the draws; one draw a pair, in key order.
    """
    ordered = pairs.select("query_id", "pin_id").sort("query_id", "pin_id")
    generator = np.random.default_rng([seed, 0xC4A])
    return _predictions(ordered, generator.dirichlet(np.ones(LEVELS.size), len(ordered)), "chance")


def majority(pairs: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Every pair gets the grade shares of the training labels: accuracy is the majority grade's.

    Args:
        pairs: `query_id`, `pin_id` to predict.
        labels: Training qrels (`grade`).
    """
    shares = (labels["grade"].to_numpy()[:, None] == LEVELS).mean(axis=0)
    return _predictions(pairs, np.tile(shares, (len(pairs), 1)), "majority")


def from_score(
    scores: pl.DataFrame, labels: pl.DataFrame, *, column: str = "score", model: str = "bm25"
) -> pl.DataFrame:
    """One score as a grade model: the proportional-odds curve P(grade >= t) = σ(a·score + b_t).

    The curve is monotone in the score, so its AUROC@t is the score's own wherever a > 0.

    Args:
        scores: `query_id`, `pin_id` and the score column.
        labels: Training qrels; those of its pairs that have a score are fitted on.
        column: Name of the score column.
        model: Name of the model.

    Raises:
        InputError: No training pair has a score.

    References:
        McCullagh (1980), Regression models for ordinal data, eq. 2.2.
    """
    train = labels.select("query_id", "pin_id", "grade").join(scores, on=["query_id", "pin_id"])
    if train.is_empty():
        raise InputError("none of the training labels has a score; score the judged pairs first")
    center = float(train[column].mean() or 0.0)  # type: ignore[arg-type]
    spread = float(train[column].std() or 1.0) or 1.0  # type: ignore[arg-type]
    x = (train[column].to_numpy() - center) / spread
    slope, cuts = _proportional_odds(x.astype(np.float64), train["grade"].to_numpy())
    z = (scores[column].to_numpy().astype(np.float64) - center) / spread
    at_least = _sigmoid(slope * z[:, None] + cuts)  # P(grade >= 2…5)
    edges = np.hstack([np.ones((len(z), 1)), at_least, np.zeros((len(z), 1))])
    return _predictions(scores, edges[:, :-1] - edges[:, 1:], model)


def _proportional_odds(x: Floats, grades: NDArray[np.int64]) -> tuple[float, Floats]:
    """Slope and the four cut points, by penalised maximum likelihood."""
    from scipy.optimize import minimize

    levels = LEVELS.size
    index = grades - LEVELS[0]

    def cuts_of(theta: Floats) -> Floats:
        steps: Floats = np.concatenate([[0.0], np.cumsum(np.exp(theta[2:]))])
        return np.asarray(theta[1] - steps)

    def loss(theta: Floats) -> float:
        at_least = _sigmoid(theta[0] * x[:, None] + cuts_of(theta))
        edges = np.hstack([np.ones((x.size, 1)), at_least, np.zeros((x.size, 1))])
        p = edges[np.arange(x.size), index] - edges[np.arange(x.size), index + 1]
        return float(-np.log(np.maximum(p, 1e-12)).sum() + 1e-3 * (theta**2).sum())

    start = np.concatenate([[0.5, 1.5], np.zeros(levels - 2)])
    best = minimize(loss, start, method="L-BFGS-B").x
    return float(best[0]), cuts_of(best)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _predictions(pairs: pl.DataFrame, p: Floats, model: str) -> pl.DataFrame:
    columns = {f"p{level}": p[:, index] for index, level in enumerate(LEVELS)}
    return (
        pairs.select("query_id", "pin_id")
        .with_columns(**{name: pl.Series(values) for name, values in columns.items()})
        .with_columns(model=pl.lit(model))
        .sort("query_id", "pin_id")
    )
