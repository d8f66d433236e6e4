"""Grades drawn from posteriors: shares, order, errors, and whether widened intervals cover."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from evaluation.intervals import Estimate, Ratio, bca, estimate_all
from evaluation.label_noise import (
    draw_grades,
    each_draw,
    n_without_posterior,
    noise_summary,
    winner_flips,
    with_noise,
)
from relevance.errors import InputError
from relevance.grades import ESCI, FIVE, TREC, GradeScale


def table(posterior: np.ndarray, levels: tuple[int, ...] = FIVE.levels) -> pl.DataFrame:
    best = np.asarray(levels)[np.argmax(np.nan_to_num(posterior), axis=1)]
    return pl.DataFrame(
        {
            "query_id": [f"q{i // 3}" for i in range(len(posterior))],
            "pin_id": [f"p{i}" for i in range(len(posterior))],
            "grade": best,
        }
        | {f"p{k + 1}": posterior[:, k] for k in range(posterior.shape[1])}
    )


def posteriors(n: int, seed: int = 0, k: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.5), n)


def test_shares_are_the_posterior() -> None:
    posterior = posteriors(200)
    drawn = draw_grades(table(posterior), draws=2_000)
    assert (drawn.shape, drawn.dtype) == ((2_000, 200), np.int8)
    shares = np.stack([(drawn == grade).mean(axis=0) for grade in FIVE.levels], axis=1)
    error = np.sqrt(posterior * (1 - posterior) / 2_000)
    assert np.abs(shares - posterior).max() < 5 * error.max()
    assert np.mean((shares - posterior) ** 2 / np.maximum(error**2, 1e-9)) < 1.3


def test_pairs_are_drawn_independently() -> None:
    drawn = draw_grades(table(np.full((2, 5), 0.2)), draws=4_000)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.06


def test_a_grade_without_probability_is_never_drawn() -> None:
    sure = np.eye(5)[[0, 4, 2, 1]]
    halves = np.array([[0.5, 0, 0.5, 0, 0], [0, 0, 1 / 3, 2 / 3, 0]])
    drawn = draw_grades(table(np.vstack([sure, halves])), draws=5_000)
    found = [set(np.unique(column).tolist()) for column in drawn.T]
    assert found == [{1}, {5}, {3}, {2}, {1, 3}, {3, 4}]


def test_the_order_of_the_file_changes_no_pairs_grades() -> None:
    qrels = table(posteriors(60))
    order = np.random.default_rng(1).permutation(60)
    assert np.array_equal(draw_grades(qrels[order]), draw_grades(qrels)[:, order])
    assert not np.array_equal(draw_grades(qrels, seed=1), draw_grades(qrels))


def test_draws_one_by_one_are_the_same() -> None:
    qrels = table(posteriors(30))
    assert np.array_equal(np.stack(list(each_draw(qrels, draws=7))), draw_grades(qrels, draws=7))


def test_rows_without_posterior_keep_their_grade_and_are_counted() -> None:
    posterior = posteriors(30)
    posterior[[3, 20]] = np.nan
    qrels = table(posterior).with_columns(
        pl.when(pl.col("pin_id") == "p3").then(4).otherwise("grade").alias("grade")
    )
    drawn = draw_grades(qrels, draws=50)
    assert set(drawn[:, 3]) == {4}
    assert set(drawn[:, 20]) == {1}
    assert n_without_posterior(qrels) == 2
    nulls = qrels.with_columns(pl.col("p1", "p2", "p3", "p4", "p5").fill_nan(None))
    assert np.array_equal(draw_grades(nulls, draws=50), drawn)
    assert n_without_posterior(nulls) == 2


def test_levels_are_the_scales() -> None:
    drawn = draw_grades(table(posteriors(50, k=4), ESCI.levels), ESCI, draws=200)
    assert set(np.unique(drawn).tolist()) == {1, 2, 4, 5}
    wide = GradeScale(name="wide", levels=(0, 1_000))
    assert draw_grades(table(posteriors(9, k=2), (0, 1_000)), wide, draws=3).dtype == np.int16


def test_rounded_probabilities_are_taken_as_shares() -> None:
    posterior = np.round(posteriors(40), 4)
    assert draw_grades(table(posterior), draws=3).shape == (3, 40)
    assert draw_grades(table(posterior)[:0], draws=3).shape == (3, 0)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ([0.5, 0.5, 0.5, 0, 0], "got 0.5, 0.5, 0.5, 0, 0"),
        ([-0.1, 1.1, 0, 0, 0], "got -0.1, 1.1"),
        ([0.5, 0.5, np.nan, 0, 0], "got 0.5, 0.5, nothing"),
    ],
)
def test_rows_that_are_no_probabilities(row: list[float], found: str) -> None:
    qrels = table(np.vstack([posteriors(1), row]))
    with pytest.raises(InputError, match=rf"p1…p5 of query 'q0', pin 'p1' must.*{found}.*Mend"):
        draw_grades(qrels)


def test_missing_columns_and_scales_without_levels() -> None:
    with pytest.raises(InputError, match=r"no column 'p1'.*gradewise annotation adjudicate"):
        draw_grades(table(posteriors(3)).drop("p1"))
    with pytest.raises(InputError, match=r"no column 'p5'.*over the grades 1, 2, 3, 4, 5"):
        draw_grades(table(posteriors(3, k=4), (1, 2, 3, 4)))
    with pytest.raises(InputError, match=r"scale 'trec' names no levels.*--scale FILE"):
        draw_grades(table(posteriors(3)), TREC)


def test_summary() -> None:
    summary = noise_summary(np.array([0.2, 0.4, np.nan, 0.6]), 0.4)
    assert summary.posterior_mean == pytest.approx(0.4)
    assert summary.deviations == pytest.approx([-0.2, 0.0, 0.0, 0.2])
    assert (summary.n_draws, summary.n_undefined, summary.lower) == (4, 1, 0.5)
    assert summary.shift == pytest.approx(0)
    nothing = noise_summary(np.array([np.nan]), 0.4)
    assert (nothing.n_undefined, nothing.shift) == (1, 0.0)
    assert np.isnan([nothing.posterior_mean, nothing.lower]).all()


def test_winner_flips() -> None:
    draws = np.array([0.1, 0.2, -0.1, 0.0, np.nan])
    assert winner_flips(draws, 0.1) == pytest.approx(1.5 / 4)
    assert winner_flips(-draws, -0.1) == pytest.approx(1.5 / 4)
    assert winner_flips(draws, -0.1) == pytest.approx(2.5 / 4)
    assert np.isnan(winner_flips(draws, 0.0))
    assert np.isnan(winner_flips(np.array([np.nan]), 0.1))


def test_noise_adds_its_variance_and_its_shift_on_either_side() -> None:
    rng = np.random.default_rng(0)
    estimate = estimate_all([Ratio(rng.random(3_000), np.ones(3_000))])[0]
    figures = estimate.value + 0.01 + rng.normal(0, 0.02, 200)
    widened = with_noise(estimate, figures)
    shift = figures.mean() - estimate.value
    expected = estimate.replicates.var() + figures.var() + shift**2
    assert widened.value == estimate.value
    assert widened.replicates.mean() == pytest.approx(estimate.value, abs=0.002)
    assert widened.replicates.var() == pytest.approx(expected, rel=0.05)
    assert not widened.exact
    assert with_noise(estimate, np.zeros(0)) is estimate


def test_sure_grades_leave_the_interval_as_it_is() -> None:
    estimate = estimate_all([Ratio(np.random.default_rng(0).random(50), np.ones(50))])[0]
    widened = with_noise(estimate, np.full(200, estimate.value))
    assert widened.interval() == pytest.approx(estimate.interval())


def test_noise_alone_makes_an_interval() -> None:
    """All queries alike, but nobody knows their grades for sure."""
    estimate = estimate_all([Ratio(np.full(30, 0.5), np.ones(30))])[0]
    assert estimate.interval() == (0.5, 0.5)
    low, high = with_noise(estimate, np.linspace(0.4, 0.6, 200)).interval()
    assert 0.39 < low < 0.42
    assert 0.58 < high < 0.61


LEVELS = np.arange(1, 6)
PRIOR = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
DRAWS = 100


def judged(
    n: int, reach: float, votes: int, knows: float, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Grades, scores and posteriors of n queries × 20 Pins; graders stray by `reach` grades."""
    grades = rng.choice(LEVELS, p=PRIOR, size=(n, 20))
    scores = knows * grades + rng.normal(size=(n, 20))
    confusion = np.exp(-np.abs(LEVELS[:, None] - LEVELS) / reach)
    confusion /= confusion.sum(axis=1, keepdims=True)
    votes_given = (rng.random((votes, n, 20, 1)) > confusion.cumsum(axis=1)[grades - 1]).sum(-1)
    logs = np.log(PRIOR) + np.log(confusion[:, votes_given]).sum(axis=1).transpose(1, 2, 0)
    posterior = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return grades, np.argsort(-scores, axis=1), posterior / posterior.sum(axis=-1, keepdims=True)


def ndcg(grades: np.ndarray, order: np.ndarray) -> np.ndarray:
    gains = grades - 1.0
    discount = 1 / np.log2(np.arange(2, 12))
    ranked = np.take_along_axis(gains, np.broadcast_to(order, gains.shape), -1)[..., :10]
    ideal = -np.sort(-gains, axis=-1)[..., :10] @ discount
    with np.errstate(invalid="ignore"):
        return np.where(ideal > 0, ranked @ discount / ideal, np.nan)


def precision(grades: np.ndarray, order: np.ndarray) -> np.ndarray:
    ranked = np.take_along_axis(grades, np.broadcast_to(order, grades.shape), -1)
    return (ranked[..., :8] >= 4).mean(axis=-1)


def drawn(posterior: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    bounds = posterior.cumsum(axis=-1)[..., :-1]
    return (rng.random((DRAWS, *posterior.shape[:2], 1)) > bounds).sum(axis=-1) + 1


def estimate_of(values: np.ndarray, seed: int) -> Estimate:
    defined = ~np.isnan(values)
    ratio = Ratio(np.where(defined, values, 0.0), defined.astype(float))
    return estimate_all([ratio], seed=seed, reps=1_000)[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "reach", "votes", "knows", "plain_covers"),
    [
        (ndcg, 1.0, 3, 0.0, False),  # knows nothing beyond the votes: the posterior mean is right
        (precision, 0.8, 1, 0.0, False),
        (ndcg, 0.6, 3, 1.0, False),  # knows much more: the truth lies on the other side
        (ndcg, 0.8, 1, 0.3, False),
        (precision, 0.8, 1, 1.0, False),
        (precision, 0.6, 3, 0.3, True),  # little noise: nothing to mend, nothing broken
        (ndcg, 0.6, 3, 0.3, True),
    ],
)
def test_widened_intervals_cover_the_figure_under_the_true_grades(
    metric: Callable[..., np.ndarray], reach: float, votes: int, knows: float, plain_covers: bool
) -> None:
    rng = np.random.default_rng(11)
    truth = np.nanmean(metric(*judged(30_000, reach, votes, knows, rng)[:2]))
    hits = {"plain": 0, "centred on the posterior mean": 0, "widened": 0}
    sims = 300
    for seed in range(sims):
        _, order, posterior = judged(60, reach, votes, knows, rng)
        plain = estimate_of(metric(posterior.argmax(axis=-1) + 1, order), seed)
        figures = np.nanmean(metric(drawn(posterior, rng), order), axis=-1)
        noise = noise_summary(figures, plain.value)
        moved = plain.replicates + noise.shift + np.resize(noise.deviations, 1_000)
        centred = bca(noise.posterior_mean, moved, plain.influence)
        intervals = (plain.interval(), centred, with_noise(plain, figures).interval())
        for name, (low, high) in zip(hits, intervals, strict=True):
            hits[name] += low <= truth <= high
    assert hits["widened"] / sims >= 0.93
    assert (hits["plain"] / sims >= 0.91) == plain_covers
    if knows == 1.0:  # why the interval is not moved to the posterior mean
        assert hits["centred on the posterior mean"] / sims < 0.2
