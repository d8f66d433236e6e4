"""`compare_runs`: paired differences, their intervals and p-values."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from evaluation.compare import ComparisonOptions, compare_runs, compare_sides, sides_of
from evaluation.compare.paired import Stratum, paired_difference
from evaluation.compare.sign_flip import sign_flip
from evaluation.multiplicity import benjamini_hochberg, holm
from evaluation.ranking import evaluate_ranking
from relevance.errors import InputError
from relevance.grades import TREC
from relevance.provenance import hash_query
from relevance.results import ComparisonRow, PairedRow, Results

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


def row_of(
    results: Results, metric: str, group: str = "all", system: str | None = None
) -> PairedRow:
    found = results.find(metric, group=group, system=system)
    assert isinstance(found, PairedRow)
    return found


def gaps(made: dict[str, pl.DataFrame], metric: str) -> tuple[np.ndarray, np.ndarray]:
    runs = made["baseline"], made["candidate"]
    sides = sides_of(*runs, made["qrels"], metrics=metric)
    old, new = sides.paired(sides.candidates[0], sides.asked[0])
    return old, new


def test_a_row_holds_every_test_of_the_same_differences() -> None:
    made = world()
    old, new = gaps(made, "nDCG@10")
    row = row_of(compare_runs(**made, metrics="nDCG@10"), "nDCG@10")
    plain = paired_difference([Stratum(old, new)])
    assert row.p_value == sign_flip(new - old, key="all=all")
    assert row.p_value_t == pytest.approx(stats.ttest_rel(new, old).pvalue)
    assert row.mde == pytest.approx(plain.mde)
    assert (row.n_wins, row.n_ties, row.n_losses) == (
        np.sum(new > old + 1e-12), np.sum(abs(new - old) <= 1e-12), np.sum(new < old - 1e-12),
    )  # fmt: skip
    assert (row.rel_difference_ci_low, row.rel_difference_ci_high) == plain.relative_interval


def test_the_bootstrap_interval_is_that_of_scipy() -> None:
    """BCa over queries; ours is a little wider, as it expands the percentiles for small samples."""
    made = world(n_queries=120)
    old, new = gaps(made, "nDCG@10")
    row = row_of(compare_runs(**made, metrics="nDCG@10"), "nDCG@10")
    theirs = stats.bootstrap(
        (new - old,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert row.bootstrap_ci_low == pytest.approx(theirs.low, abs=0.06 * width)
    assert row.bootstrap_ci_high == pytest.approx(theirs.high, abs=0.06 * width)
    shifted = np.abs(
        np.random.default_rng(2).choice(new - old, (20_000, 120)).mean(1) - row.difference
    )
    p = np.mean(shifted >= abs(row.difference))
    assert row.p_value_bootstrap == pytest.approx(p, abs=4 * np.sqrt(p / 2000) + 1e-3)


def test_several_candidates_are_one_family() -> None:
    made = world()
    other = world(seed=9, lift=1.1)["candidate"].with_columns(system=pl.lit("other"))
    shared = {"qrels": made["qrels"], "queries": made["queries"], "by": "country"}
    metrics = "nDCG@10,P@5"
    both = compare_runs(made["baseline"], [made["candidate"], other], metrics=metrics, **shared)
    table = pl.concat([made["candidate"], other], how="diagonal_relaxed")
    assert compare_runs(made["baseline"], table, metrics=metrics, **shared) == both
    countries = [r for r in both if r.group in COUNTRIES and r.p_value is not None]
    assert len(countries) == 12
    assert {r.system for r in countries} == {"candidate", "other"}
    expected = holm([r.p_value for r in countries])
    assert [r.p_adjusted for r in countries] == pytest.approx(expected)
    alone = compare_runs(made["baseline"], other, metrics=metrics, **shared)
    for row in alone:
        found = row_of(both, row.metric, row.group, "other")
        assert (found.value, found.difference, found.p_value) == (
            row.value, row.difference, row.p_value,
        )  # fmt: skip


def test_a_false_discovery_rate_on_request() -> None:
    results = compare_runs(**world(), by="country", metrics="nDCG@10,P@5", adjust="bh")
    countries = [r for r in results if r.group in COUNTRIES and r.p_value is not None]
    expected = benjamini_hochberg([r.p_value for r in countries])
    assert [r.p_adjusted for r in countries] == pytest.approx(expected)
    assert all("adjust=bh" in r.definition for r in countries)
    with pytest.raises(InputError, match="adjustment 'fdr' is unknown"):
        compare_runs(**world(), adjust="fdr")


def test_definitions_travel_with_the_figures() -> None:
    row = row_of(compare_runs(**world(n_queries=12), metrics="P(rel=3)@5"), "P(rel=3)@5")
    assert row.definition.startswith("scale=five relevant_from=3 divided_by=5 ties=docid")
    assert row.definition.endswith("test=sign_flip adjust=holm")


def test_groups_that_differ_say_so() -> None:
    """US gains, the others do not."""
    made = world(n_queries=90)
    us = made["queries"].filter(pl.col("country") == "US").select("query_id")
    better = made["qrels"].join(us, on="query_id").select(
        "query_id", "pin_id", pl.lit("candidate").alias("system"),
        pl.col("grade").cast(pl.Float64).alias("score"),
    )  # fmt: skip
    rest = made["baseline"].join(us, on="query_id", how="anti")
    made["candidate"] = pl.concat([better, rest.with_columns(system=pl.lit("candidate"))])
    noisy = world(n_queries=90, seed=1)["baseline"].join(us, on="query_id", how="anti")
    made["candidate"] = pl.concat([better, noisy.with_columns(system=pl.lit("candidate"))])
    mean = row_of(compare_runs(**made, by="country", metrics="nDCG@10"), "nDCG@10", "(mean)")
    notes = dict(part.split(": ") for part in mean.note.split("; ") if ": " in part)
    assert float(notes["Q"]) > 20
    assert int(notes["df"]) == 2
    assert float(notes["p"]) < 0.001
    assert 0.5 < float(notes["I2"]) <= 1


def test_few_queries_are_marked_first() -> None:
    results = compare_runs(**world(n_queries=12), by="country", metrics="P@5")
    assert row_of(results, "P@5", "US").note.startswith("few_queries: 4; baseline production")
    assert row_of(results, "P@5").note.startswith("baseline production")


def test_crossings_are_groups_too() -> None:
    made = world()
    segments = pl.Series("segment", ["home", "food"] * 30)
    made["queries"] = made["queries"].with_columns(segments)
    results = compare_runs(**made, by="country:segment", metrics="P@5")
    assert row_of(results, "P@5", "US:home").slice == "country:segment"


def test_without_a_bootstrap_the_other_tests_stand() -> None:
    made = world(n_queries=30)
    plain = row_of(compare_runs(**made, metrics="P@5"), "P@5")
    row = row_of(compare_runs(**made, metrics="P@5", reps=0), "P@5")
    assert (row.ci_low, row.bootstrap_ci_low, row.p_value_bootstrap) == (None, None, None)
    assert "no_interval" in row.note
    assert (row.p_value, row.p_value_t, row.difference_ci_low) == (
        plain.p_value, plain.p_value_t, plain.difference_ci_low,
    )  # fmt: skip


def with_posterior(qrels: pl.DataFrame, sure: float) -> pl.DataFrame:
    """Each grade has probability `sure`, the others share the rest."""
    other = (1 - sure) / 4
    return qrels.with_columns(
        pl.when(pl.col("grade") == k).then(sure).otherwise(other).alias(f"p{k}")
        for k in range(1, 6)
    )


def test_sure_grades_make_no_label_noise() -> None:
    made = world(n_queries=30)
    plain = row_of(compare_runs(**made, metrics="nDCG@10"), "nDCG@10")
    made["qrels"] = with_posterior(made["qrels"], 1.0)
    row = row_of(compare_runs(**made, metrics="nDCG@10", label_noise=20), "nDCG@10")
    assert row.winner_flips == 0
    for name in ("difference_ci_low", "rel_difference_ci_high", "p_value_t", "bootstrap_ci_low"):
        assert getattr(row, name) == pytest.approx(getattr(plain, name))
    assert plain.winner_flips is None
    assert "label_noise: 20 draws" in row.note


def test_doubtful_grades_widen_everything_and_flip_some_winners() -> None:
    made = world(n_queries=30, lift=0.97)
    plain = row_of(compare_runs(**made, metrics="nDCG@10"), "nDCG@10")
    made["qrels"] = with_posterior(made["qrels"], 0.4)
    noisy = compare_runs(**made, by="country", metrics="nDCG@10", label_noise=60)
    row = row_of(noisy, "nDCG@10")
    assert row.difference == plain.difference
    assert 0 < row.winner_flips < 1
    for name in ("difference_ci", "bootstrap_ci", "ci"):
        low, high = f"{name}_low", f"{name}_high"
        assert getattr(row, high) - getattr(row, low) > getattr(plain, high) - getattr(plain, low)
    assert "posterior_mean_difference" in row.note
    assert 0 <= row_of(noisy, "nDCG@10", "(mean)").winner_flips <= 1
    again = compare_runs(**made, by="country", metrics="nDCG@10", label_noise=60)
    assert again == noisy


def test_both_systems_are_under_the_same_drawn_grades() -> None:
    made = world(n_queries=12)
    made["candidate"] = made["baseline"].with_columns(system=pl.lit("candidate"))
    made["qrels"] = with_posterior(made["qrels"], 0.3)
    row = row_of(compare_runs(**made, metrics="nDCG@10", label_noise=15), "nDCG@10")
    assert (row.difference_ci_low, row.difference_ci_high) == (0, 0)
    assert row.winner_flips is None  # there is no winner


def test_label_noise_needs_a_posterior() -> None:
    with pytest.raises(InputError, match="'p1': label noise needs the posterior"):
        compare_runs(**world(n_queries=6), label_noise=5)


def test_candidates_need_names_and_rows() -> None:
    made = world(n_queries=3)
    runs = [made["candidate"], made["candidate"]]
    with pytest.raises(InputError, match=r"two candidates are called 'candidate'. Name them apart"):
        compare_runs(made["baseline"], runs, made["qrels"])
    with pytest.raises(InputError, match="the candidate has no rows"):
        compare_runs(made["baseline"], made["candidate"].head(0), made["qrels"])


def test_queries_without_anything_to_find_count_zero_if_asked() -> None:
    made = world(n_queries=12)
    poor = pl.col("query_id") == "q003"
    made["qrels"] = made["qrels"].with_columns(
        pl.when(poor).then(1).otherwise(pl.col("grade")).alias("grade")
    )
    left_out = row_of(compare_runs(**made, metrics="nDCG@5"), "nDCG@5")
    assert (left_out.n, left_out.n_undefined) == (11, 1)
    assert "no_relevant: 1" in left_out.note
    zero = row_of(compare_runs(**made, metrics="nDCG@5", empty="zero"), "nDCG@5")
    assert (zero.n, zero.n_undefined) == (12, 0)
    assert zero.difference == pytest.approx(left_out.difference * 11 / 12)
    with pytest.raises(InputError, match="empty must be undefined or zero"):
        compare_runs(**made, empty="nothing")


def test_an_undefined_difference_has_no_figures_and_a_reason() -> None:
    made = world(n_queries=6)
    made["qrels"] = made["qrels"].with_columns(grade=pl.lit(1, dtype=pl.Int64))
    row = row_of(compare_runs(**made, metrics="nDCG@5"), "nDCG@5")
    told = (row.value, row.baseline, row.difference, row.p_value, row.n_wins, row.mde)
    assert told == (None,) * 6
    assert (row.n, row.n_undefined) == (0, 6)
    assert "no_relevant: 6" in row.note


def test_any_scale_and_prepared_sides() -> None:
    made = world(n_queries=12)
    sides = sides_of(made["baseline"], made["candidate"], made["qrels"], metrics="AP", scale=TREC)
    results = compare_sides(sides, ComparisonOptions(level=0.9))
    assert results == compare_runs(
        made["baseline"], made["candidate"], made["qrels"], metrics="AP", scale=TREC, level=0.9
    )
    assert row_of(results, "AP").definition.startswith("scale=trec")


def test_many_queries_take_the_closed_forms() -> None:
    """5,000 queries in five countries: no flip and no query is drawn, and all agree."""
    rng = np.random.default_rng(0)
    ids = pl.Series("query_id", [f"q{i:05d}" for i in range(5000)])
    qrels = pl.DataFrame({"query_id": ids.gather(np.repeat(np.arange(5000), 4)),
                          "pin_id": ["a", "b", "c", "d"] * 5000,
                          "grade": rng.integers(1, 6, 20_000)})  # fmt: skip
    runs = [qrels.select("query_id", "pin_id", system=pl.lit(name),
                         score=pl.Series(qrels["grade"] + rng.normal(0, noise, 20_000)))
            for name, noise in (("old", 3.0), ("new", 2.9))]  # fmt: skip
    row = row_of(compare_runs(*runs, qrels, metrics="nDCG@3"), "nDCG@3")
    assert row.p_value == pytest.approx(row.p_value_t, rel=0.1)
    assert row.p_value_bootstrap == pytest.approx(row.p_value_t, abs=0.002)
    assert row.bootstrap_ci_low == pytest.approx(row.difference_ci_low, abs=2e-4)


def test_bounds_of_totals_are_weighted_as_their_figures() -> None:
    made = world(n_queries=30)
    made["qrels"] = made["qrels"].filter(pl.col("pin_id") != "p7")
    made["queries"] = made["queries"].with_columns(
        pl.when(pl.col("country") == "US").then(8.0).otherwise(1.0).alias("traffic")
    )
    results = compare_runs(**made, by="country", metrics="nDCG@10")
    groups = [row_of(results, "nDCG@10", c) for c in COUNTRIES]
    for name, weights in (("(mean)", [1, 1, 1]), ("(traffic)", [8, 1, 1])):
        total = row_of(results, "nDCG@10", name)
        for end in ("difference_worst", "difference", "difference_best"):
            parts = [getattr(row, end) for row in groups]
            assert getattr(total, end) == pytest.approx(np.average(parts, weights=weights))
        assert total.n_unjudged == sum(row.n_unjudged for row in groups) > 0
        assert total.n_wins == sum(row.n_wins for row in groups)


def test_draws_of_the_grades_are_told() -> None:
    made = world(n_queries=6)
    made["qrels"] = with_posterior(made["qrels"], 0.9)
    told: list[tuple[int, int]] = []
    compare_runs(
        **made, label_noise=3, progress=lambda done, total, what="": told.append((done, total))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
