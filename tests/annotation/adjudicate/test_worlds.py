"""The default in simulated worlds of five grades, and on public crowds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from annotation.adjudicate import adjudicate, adjudicated
from benchmarks.crowds import SETS, calibration_error, perfect_calibration_error, read_set
from relevance.grades import FIVE


def world(kind, n=1200, seed=0):
    """Judgments and true grades: people with a bias and a spread, and what the kind says."""
    rng = np.random.default_rng(seed)
    people, votes = (150, 4) if kind == "many people" else (40, 5)
    prior = (0.5, 0.25, 0.12, 0.08, 0.05) if kind == "skewed" else (0.15, 0.2, 0.25, 0.25, 0.15)
    truth = rng.choice(5, n, p=prior)
    bias = rng.normal(0, 0.8 if kind == "biased" else 0.3, people)
    spread = rng.uniform(0.3, 0.9, people)
    hard = np.where(rng.random(n) < 0.3, 2.2, 1.0) if kind == "hard pairs" else np.ones(n)
    role = rng.random(people)
    guesses = {"spam": 0.4}.get(kind, 0.05)
    activity = rng.lognormal(0, 1, people)
    rows = []
    for i, true in enumerate(truth):
        for j in rng.choice(people, votes, replace=False, p=activity / activity.sum()):
            seen = np.rint(true + bias[j] + spread[j] * hard[i] * rng.normal())
            level = int(rng.integers(0, 5)) if role[j] < guesses else int(np.clip(seen, 0, 4))
            level = 4 - level if kind == "adversaries" and role[j] > 0.9 else level
            rows.append((f"q{i:05}", "p", f"a{j:03}", level + 1))
    columns = ["query_id", "pin_id", "annotator", "grade"]
    return pl.DataFrame(rows, schema=columns, orient="row"), truth + 1


def slipping(n=2700, seed=0, people=180):
    """Like `world`: a third answer anyhow or always alike, the others slip to a neighbour."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(5, n, p=(0.4, 0.3, 0.14, 0.1, 0.06))
    good = np.clip(1 - 0.9 * rng.beta(1.2, 2.0, people), 0.15, 0.98)
    habit = rng.random(people)  # below 0.15 always one level, below 0.3 any
    favourite = rng.integers(0, 5, people)
    order = np.argsort(-(rng.normal(0, 1.4, people) + rng.gumbel(size=(n, people))), axis=1)
    rows = []
    for i, true in enumerate(truth):
        for j in order[i, : rng.integers(4, 9)]:
            level = int(true)
            if habit[j] < 0.15:
                level = int(favourite[j])
            elif habit[j] < 0.3:
                level = int(rng.integers(0, 5))
            elif rng.random() > good[j]:
                level = int(rng.choice([at for at in (true - 1, true + 1) if 0 <= at < 5]))
            rows.append((f"q{i:05}", "p", f"a{j:03}", level + 1))
    columns = ["query_id", "pin_id", "annotator", "grade"]
    return pl.DataFrame(rows, schema=columns, orient="row"), truth + 1


KINDS = ("plain", "skewed", "biased", "hard pairs", "spam", "adversaries", "many people")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_default_is_accurate_and_calibrated_in_worlds_of_many_kinds(kind):
    judgments, truth = world(kind)
    found = adjudicated(judgments)
    right = found.grades == truth
    simple = adjudicate(judgments, "majority")["grade"].to_numpy() == truth
    assert right.mean() > simple.mean() + 0.03
    better = binomtest(int((right & ~simple).sum()), int((right != simple).sum()))
    assert better.pvalue < 0.05
    assert calibration_error(found.posterior, right) <= 0.06
    assert found.method == "auto(ordinal)"
    assert found.posterior.shape == (1200, len(FIVE.levels))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_slips_beside_and_constant_answers_are_seen_to_be_ordered_and_independent(seed):
    judgments, truth = slipping(seed=seed)
    found = adjudicated(judgments)
    right = found.grades == truth
    simple = adjudicate(judgments, "majority")["grade"].to_numpy() == truth
    assert right.mean() > simple.mean() + 0.08
    assert calibration_error(found.posterior, right) <= 0.035
    assert found.method == "auto(ordinal)"
    assert found.caution < 0.08


@pytest.mark.slow
def test_large_sets_are_compared_on_a_part_and_fitted_whole():
    rng = np.random.default_rng(0)
    n = 300_000
    pair = np.repeat(np.arange(n // 3), 3)
    judgments = pl.DataFrame(
        {
            "query_id": pl.Series(pair).cast(pl.String).str.zfill(7),
            "pin_id": pl.Series(["p"]).new_from_index(0, n),
            "annotator": pl.Series((pair * 7 + np.arange(n) % 3) % 401).cast(pl.String),
            "grade": np.clip(pair % 5 + rng.choice([-1, 0, 0, 1], n), 0, 4) + 1,
        }
    )
    found = adjudicated(judgments)
    assert found.pairs.height == n // 3
    assert np.mean(found.grades == np.arange(n // 3) % 5 + 1) > 0.7


@pytest.mark.data
@pytest.mark.parametrize("name", SETS)
def test_public_crowds(name, data):
    judgments, scale, truth = read_set(data, name)
    found = adjudicated(judgments, "auto", scale)
    graded = found.pairs.join(truth, on=["query_id", "pin_id"], how="left", maintain_order="left")
    known = graded["grade"].is_not_null().to_numpy()
    true = graded["grade"].fill_null(-1).to_numpy()
    right = (found.grades == true)[known]
    posterior = found.posterior[known]
    allowed = 0.05 if len(right) >= 800 else perfect_calibration_error(posterior)
    assert calibration_error(posterior, right) <= allowed
    majority = adjudicate(judgments, "majority", scale)["grade"].to_numpy()
    simple = (majority == true)[known]
    apart = int((right != simple).sum())
    ahead = int((right & ~simple).sum())
    assert ahead >= apart / 2 or binomtest(ahead, apart).pvalue > 0.05
    floor = {"dog": 0.825, "bluebird": 0.87, "rte": 0.92, "weather": 0.84, "trec-rf": 0.61}
    assert right.mean() > floor.get(name, 0.885)
