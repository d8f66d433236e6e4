"""`compare_runs`: paired differences, their intervals and p-values."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.compare import (
    Stratum,
    compare_runs,
    fieller,
    paired_difference,
    sign_flip,
)
from evaluation.intervals import t_quantile
from evaluation.multiplicity import holm
from evaluation.ranking import evaluate_ranking
from relevance.errors import InputError
from relevance.provenance import hash_query
from relevance.results import ComparisonRow

COUNTRIES = ("US", "FR", "JP")


def world(n_queries: int = 60, lift: float = 0.8, seed: int = 0) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    ids = [f"q{i:03d}" for i in range(n_queries)]
    pairs = pl.DataFrame(
        [(q, f"p{j}", int(rng.integers(1, 6))) for q in ids for j in range(20)],
        schema=["query_id", "pin_id", "grade"],
        orient="row",
    )

    def run(name: str, noise: float) -> pl.DataFrame:
        score = pairs["grade"].to_numpy() + rng.normal(size=len(pairs)) * noise
        return pairs.select("query_id", "pin_id").with_columns(
            system=pl.lit(name), score=pl.Series(score)
        )

    countries = [COUNTRIES[i % 3] for i in range(n_queries)]
    return {
        "baseline": run("production", 3.0),
        "candidate": run("candidate", 3.0 * lift),
        "qrels": pairs,
        "queries": pl.DataFrame({"query_id": ids, "country": countries, "traffic": 1.0}),
    }


def test_both_sides_are_what_ranking_says_of_each() -> None:
    made = world()
    results = compare_runs(**made, by="country", metrics="nDCG@10,P@5")
    sides = {
        name: evaluate_ranking(
            made[name], made["qrels"], made["queries"], by="country", metrics="nDCG@10,P@5"
        )
        for name in ("baseline", "candidate")
    }
    for row in results:
        assert isinstance(row, ComparisonRow)
        new = sides["candidate"].find(row.metric, group=row.group)
        old = sides["baseline"].find(row.metric, group=row.group)
        assert row.value == pytest.approx(new.value)
        assert row.baseline == pytest.approx(old.value)
        assert (row.ci_low, row.ci_high) == pytest.approx((new.ci_low, new.ci_high))
        assert row.difference == pytest.approx(new.value - old.value)
        assert row.rel_difference == pytest.approx(new.value / old.value - 1)
        assert row.system == "candidate"
        assert row.note.startswith("baseline production")
    assert [r.group for r in results][:6] == ["all", "FR", "JP", "US", "(mean)", "(traffic)"]


def test_the_interval_is_the_paired_t_interval() -> None:
    rng = np.random.default_rng(0)
    old = rng.random(30)
    new = old + rng.normal(0.05, 0.1, size=30)
    found = paired_difference([Stratum(old, new, 1.0)])
    theirs = stats.ttest_rel(new, old).confidence_interval(0.95)
    assert found.interval == pytest.approx((theirs.low, theirs.high))
    assert found.p_value == pytest.approx(stats.ttest_rel(new, old).pvalue, abs=0.01)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(5, 40), st.floats(-0.2, 0.2))
def test_the_relative_interval_excludes_zero_exactly_when_the_absolute_one_does(
    seed: int, n: int, lift: float
) -> None:
    rng = np.random.default_rng(seed)
    old = rng.random(n) + 0.3
    new = old + lift + rng.normal(0, 0.3, size=n)
    found = paired_difference([Stratum(old, new, 1.0)], flips=10)
    assert found.interval is not None
    assert found.relative_interval is not None
    low, high = found.relative_interval
    assert low <= found.relative <= high
    assert (low > 0, high < 0) == (found.interval[0] > 0, found.interval[1] < 0)


def test_fieller_inverts_the_t_test() -> None:
    """At both ends the statistic of new - (1 + δ) old is exactly t."""
    t = t_quantile(0.95, 29)
    moments = {"v_old": 4e-4, "v_both": 3e-4, "v_new": 5e-4}
    for end in fieller(0.6, 0.65, **moments, t=t):
        gap = 0.65 - (1 + end) * 0.6
        variance = 5e-4 - 2 * (1 + end) * 3e-4 + (1 + end) ** 2 * 4e-4
        assert abs(gap) / np.sqrt(variance) == pytest.approx(t)
    assert fieller(0.01, 0.65, **moments, t=t) is None
    assert fieller(0.0, 0.65, v_old=0.0, v_both=0.0, v_new=0.0, t=t) is None


def test_sign_flips_come_to_the_exact_test_of_all_signs() -> None:
    moved = np.array([0.3, -0.1, 0.25, 0.4, 0.2, -0.05, 0.15, 0.1])
    every = [abs(np.dot(s, moved)) for s in itertools.product((1, -1), repeat=8)]
    exact = np.mean(np.array(every) >= moved.sum() - 1e-12)
    assert sign_flip(moved, flips=40_000) == pytest.approx(exact, abs=0.006)
    assert sign_flip(np.append(moved, np.zeros(50)), flips=40_000) == sign_flip(moved, flips=40_000)


def test_sign_flips_know_no_difference_and_their_own_limit() -> None:
    assert sign_flip(np.zeros(9)) == 1
    assert sign_flip(np.ones(40), flips=999) == 1 / 1000
    values = np.random.default_rng(0).normal(size=30)
    assert sign_flip(values, seed=3) == sign_flip(values, seed=3) == sign_flip(-values, seed=3)


def test_sign_flips_hold_their_level() -> None:
    rng = np.random.default_rng(5)
    p = np.array([sign_flip(rng.standard_t(3, size=20), seed=i, flips=400) for i in range(500)])
    assert 0.03 <= np.mean(p < 0.05) <= 0.07


def test_holm_by_hand() -> None:
    """Smallest × 4, next × 3, …, never falling below an earlier one, never above 1."""
    found = holm([0.02, 0.01, 0.6, 0.015])
    assert found == pytest.approx([0.045, 0.04, 0.6, 0.045])
    assert holm([0.5, 0.6]).tolist() == [1, 1]
    assert holm([0.03]).tolist() == [0.03]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_claims_what_its_steps_claim(p_values: list[float]) -> None:
    claimed: set[int] = set()
    for step, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] * (len(p_values) - step) > 0.05:
            break
        claimed.add(int(index))
    assert {i for i, p in enumerate(holm(p_values)) if p <= 0.05} == claimed


def test_p_values_are_adjusted_within_their_family() -> None:
    results = compare_runs(**world(), by="country", metrics="nDCG@10,P@5")
    countries = [r for r in results if r.group in COUNTRIES and not r.metric.startswith("Judged")]
    assert len(countries) == 6
    expected = holm([r.p_value for r in countries])
    assert [r.p_adjusted for r in countries] == pytest.approx(expected)
    overall = [r for r in results if r.group == "all" and r.p_value is not None]
    assert [r.p_adjusted for r in overall] == pytest.approx(holm([r.p_value for r in overall]))
    judged = [r for r in results if r.metric.startswith("Judged")]
    assert {(r.p_value, r.p_adjusted) for r in judged} == {(None, None)}
    assert all("not_tested" in r.note for r in judged)


def test_a_total_of_equal_groups_is_their_mean_and_narrower_than_each() -> None:
    results = compare_runs(**world(), by="country", metrics="nDCG@10")
    rows = {r.group: r for r in results if r.metric == "nDCG@10"}
    mean = rows["(mean)"]
    assert mean.difference == pytest.approx(np.mean([rows[c].difference for c in COUNTRIES]))
    width = mean.difference_ci_high - mean.difference_ci_low
    for country in COUNTRIES:
        assert width < rows[country].difference_ci_high - rows[country].difference_ci_low
    assert rows["(traffic)"].difference == pytest.approx(mean.difference)


def test_a_run_against_itself_shows_nothing() -> None:
    made = world()
    row = next(iter(compare_runs(made["baseline"], made["baseline"], made["qrels"])))
    assert (row.difference, row.difference_ci_low, row.difference_ci_high) == (0, 0, 0)
    assert (row.rel_difference, row.p_value, row.p_adjusted) == (0, 1, 1)


def test_undefined_for_one_system_is_undefined_for_the_pair() -> None:
    made = world(n_queries=9)
    made["candidate"] = made["candidate"].filter(pl.col("query_id") != "q000")
    rows = {r.metric: r for r in compare_runs(**made, metrics="P@5,Judged@5")}
    assert (rows["Judged@5"].n, rows["Judged@5"].n_undefined) == (8, 1)
    assert rows["P@5"].n == 9
    assert "missing_candidate: 1" in rows["P@5"].note


def test_seen_queries_are_left_out_of_both_sides() -> None:
    made = world(n_queries=9)
    row = next(iter(compare_runs(**made, seen={hash_query("q001")})))
    assert row.n == 8
    assert "seen_in_training: 1" in row.note


def test_too_few_queries_give_values_and_no_interval() -> None:
    made = world(n_queries=3)
    results = compare_runs(**made, by="country", metrics="P@5")
    row = results.find("P@5", group="US")
    assert row.difference == pytest.approx(row.value - row.baseline)
    assert (row.difference_ci_low, row.p_value, row.p_adjusted) == (None, None, None)


def test_each_side_must_be_one_system() -> None:
    made = world(n_queries=3)
    made["baseline"] = pl.concat([made["baseline"], made["candidate"]])
    with pytest.raises(InputError, match="baseline must be one system, got 'candidate', 'prod"):
        compare_runs(**made)
