"""`assist_ranking` and `assist_comparison`: tables in, rows out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from evaluation.assisted import assist_comparison, assist_ranking
from evaluation.assisted.teacher_values import drawn_grades
from evaluation.compare.paired import fieller
from evaluation.ranking import evaluate_ranking
from relevance.errors import InputError
from relevance.provenance import hash_query
from relevance.results import ComparisonRow, Row

COUNTRIES = ("US", "US", "FR")


def world(n_queries: int = 240, graded: int = 60, *, noise: float = 0.8) -> dict[str, pl.DataFrame]:
    """Two thirds US; truth, a teacher that sees it through noise, two runs; some queries graded."""
    rng = np.random.default_rng(0)
    ids = [f"q{i:03d}" for i in range(n_queries)]
    good = dict(zip(ids, rng.normal(size=n_queries), strict=True))  # some queries have more to find
    truth = pl.DataFrame(
        [(q, f"p{j:02d}", int(np.clip(round(rng.normal(2.8 + good[q], 1.2)), 1, 5)))
         for q in ids for j in range(12)],
        schema=["query_id", "pin_id", "grade"], orient="row",
    )  # fmt: skip
    grade = truth["grade"].to_numpy()
    seen = np.clip(np.rint(grade + rng.normal(size=len(grade)) * noise), 1, 5)
    sure = {f"p{k}": np.where(seen == k, 0.6, 0.1) for k in range(1, 6)}
    pairs = truth.select("query_id", "pin_id")

    def run(name: str, blur: float) -> pl.DataFrame:
        score = pl.Series(grade + rng.normal(size=len(grade)) * blur)
        return pairs.with_columns(system=pl.lit(name), score=score)

    chosen = sorted(rng.choice(ids, graded, replace=False))
    return {
        "baseline": run("production", 2.5),
        "candidate": run("student", 1.2),
        "truth": truth,
        "qrels": truth.filter(pl.col("query_id").is_in(chosen)),
        "predictions": pairs.with_columns(**{k: pl.Series(v) for k, v in sure.items()}),
        "queries": pl.DataFrame({
            "query_id": ids, "country": [COUNTRIES[i % 3] for i in range(n_queries)],
            "segment": ["home" if i % 2 else "food" for i in range(n_queries)],
            "traffic": [float(i % 7 + 1) for i in range(n_queries)],
        }),
    }  # fmt: skip


def ranking(made: dict[str, pl.DataFrame], **options: Any) -> list[Row]:
    runs = pl.concat([made["baseline"], made["candidate"]])
    options = {"queries": made["queries"], "by": "country", **options}
    return list(assist_ranking(runs, made["qrels"], made["predictions"], **options))


def noted(row: Row) -> dict[str, str]:
    parts = [part.partition(": ") for part in row.note.split("; ")]
    return {name: value for name, _, value in parts}


def test_rows_stand_where_those_of_ranking_stand() -> None:
    made = world()
    found = ranking(made)
    runs = pl.concat([made["baseline"], made["candidate"]])
    plain = evaluate_ranking(runs, made["qrels"], made["queries"], by="country")
    places = [(r.system, r.metric, r.slice, r.group, r.n) for r in found]
    assert places == [(r.system, r.metric, r.slice, r.group, r.n) for r in plain]
    assert [r.definition for r in found] == [r.definition for r in plain]


def test_the_interval_is_narrower_and_holds_the_truth() -> None:
    made = world(graded=90)
    everything = evaluate_ranking(made["baseline"], made["truth"], made["queries"], by="country")
    for row in ranking(made):
        truth = everything.find(row.metric, group=row.group)
        if row.system != "production" or row.metric.startswith("Judged") or truth is None:
            continue
        notes = noted(row)
        assert "assisted" in notes
        assert float(notes["width_ratio"]) < 0.95
        assert 0 < float(notes["lambda"]) <= 1
        assert row.ci_low is not None
        assert row.ci_high is not None
        assert row.ci_low < truth.value < row.ci_high


def test_people_only_in_the_note_is_what_ranking_says_within_a_country() -> None:
    made = world()
    runs = pl.concat([made["baseline"], made["candidate"]])
    plain = evaluate_ranking(runs, made["qrels"], made["queries"], by="country")
    for row in ranking(made):
        same = plain.find(row.metric, group=row.group, system=row.system)
        if row.group in ("US", "FR") and not row.metric.startswith("Judged"):
            assert noted(row)["people_only"].startswith(f"{same.value:.4f} [")


def test_counts_of_queries() -> None:
    made = world()
    row = ranking(made, metrics="P@8")[0]
    notes = noted(row)
    assert (row.n, notes["n_teacher"], notes["strata"]) == (60, "180", "2")


def test_judged_is_peoples_own() -> None:
    made = world()
    for row in ranking(made):
        if row.metric.startswith("Judged"):
            assert row.value == 1.0
            assert "assisted" not in row.note


def test_countries_that_are_sampled_unequally_are_put_right() -> None:
    made = world()
    rng = np.random.default_rng(5)
    by_country = dict(made["queries"].select("query_id", "country").iter_rows())
    ids = sorted(by_country)
    french = [i for i in ids if by_country[i] == "FR"]
    american = [i for i in ids if by_country[i] == "US"]
    lifted = made["truth"].with_columns(
        grade=pl.when(pl.col("query_id").is_in(french)).then(5).otherwise(pl.col("grade"))
    )
    chosen = [*french[:60], *rng.choice(american, 25, replace=False)]
    qrels = lifted.filter(pl.col("query_id").is_in(chosen))
    row = assist_ranking(
        made["baseline"], qrels, made["predictions"], made["queries"], metrics="P@8"
    ).find("P@8")
    truth = evaluate_ranking(made["baseline"], lifted, metrics="P@8").find("P@8")
    plain = evaluate_ranking(made["baseline"], qrels, metrics="P@8").find("P@8")
    assert row.ci_low < truth.value < row.ci_high
    assert plain.ci_low > truth.value  # 60 of 85 graded queries are French


def test_seen_queries_are_on_neither_side() -> None:
    made = world()
    ids = made["queries"]["query_id"].to_list()
    seen = {hash_query(i) for i in ids[:120]}
    graded = made["qrels"]["query_id"].unique().to_list()
    n_seen = sum(i in ids[:120] for i in graded)
    row = ranking(made, seen=seen, metrics="P@8")[0]
    notes = noted(row)
    assert row.n == 60 - n_seen
    assert int(notes["n_teacher"]) == 120 - (60 - n_seen)
    assert notes["seen_in_training"] == str(n_seen)
    assert notes["seen_teacher_queries"] == str(120 - n_seen)
    cheater = made["predictions"].with_columns(
        *(pl.when(pl.col("query_id").is_in(ids[:120])).then(float(k == 5)).otherwise(f"p{k}")
          .alias(f"p{k}") for k in range(1, 6))
    )  # fmt: skip
    again = ranking({**made, "predictions": cheater}, seen=seen, metrics="P@8")[0]
    assert again.value == pytest.approx(row.value, abs=0.02)
    kept = ranking(made, seen=seen, allow_seen=True, metrics="P@8")[0]
    assert kept.n == 60
    assert "seen_kept" in noted(kept)


def test_a_useless_teacher_is_not_listened_to() -> None:
    made = world(noise=50.0)
    row = ranking(made, by=None)[0]
    notes = noted(row)
    assert float(notes["width_ratio"]) <= 1.0
    assert float(notes["width_ratio"]) > 0.95


def test_pairs_and_queries_without_prediction_are_counted() -> None:
    made = world()
    graded = sorted(made["qrels"]["query_id"].unique())
    dropped = made["predictions"].filter(
        ~pl.col("query_id").is_in(graded[:7])
        & ~((pl.col("pin_id") == "p00") & (pl.col("query_id") == "q001"))
    )
    notes = noted(ranking({**made, "predictions": dropped})[0])
    assert notes["graded_without_teacher"] == "7"
    assert notes["unpredicted"] == "1"


def test_a_country_that_nobody_graded_is_left_out_and_counted() -> None:
    made = world()
    american = made["queries"].filter(pl.col("country") == "US")["query_id"]
    qrels = made["qrels"].filter(pl.col("query_id").is_in(american.implode()))
    rows = ranking({**made, "qrels": qrels})
    assert noted(rows[0])["unsampled_queries"] == "80"
    french = next(r for r in rows if r.group == "FR")
    assert (french.value, french.n) == (None, 0)
    assert "no_query" in french.note


def test_queries_without_anything_to_find_make_a_ratio() -> None:
    made = world()
    ids = made["queries"]["query_id"].to_list()[::5]
    nothing = pl.col("query_id").is_in(ids)
    truth = made["truth"].with_columns(grade=pl.when(nothing).then(1).otherwise("grade"))
    predictions = made["predictions"].with_columns(
        *(pl.when(nothing).then(float(k == 1)).otherwise(f"p{k}").alias(f"p{k}")
          for k in range(1, 6))
    )  # fmt: skip
    qrels = truth.join(made["qrels"].select("query_id").unique(), on="query_id")
    changed = {**made, "qrels": qrels, "predictions": predictions}
    row = ranking(changed, by=None)[0]
    truth_row = evaluate_ranking(made["baseline"], truth).find("nDCG@20")
    assert (row.n_undefined, noted(row)["no_relevant"]) == (60 - row.n, str(60 - row.n))
    assert row.ci_low < truth_row.value < row.ci_high
    zero = ranking(changed, by=None, empty="zero")[0]
    assert (zero.n, zero.n_undefined) == (60, 0)
    assert zero.value < row.value


def test_groups_with_few_queries_say_so() -> None:
    made = world(graded=12)
    rows = ranking(made)
    few = [r for r in rows if r.group in ("FR", "US") and r.n < 10]
    assert few
    assert all(r.note.startswith(f"few_queries: {r.n}") for r in few)


def test_unequal_sampling_within_a_country_is_said() -> None:
    made = world()
    chance = made["qrels"].with_columns(
        inclusion_probability=pl.when(pl.col("query_id") < "q100").then(0.2).otherwise(0.4)
    )
    assert "unequal_inclusion" in ranking({**made, "qrels": chance})[0].note
    equal = made["qrels"].with_columns(inclusion_probability=0.25)
    assert "unequal_inclusion" not in ranking({**made, "qrels": equal})[0].note


def test_a_comparison_is_paired_and_adds_up() -> None:
    made = world()
    compare = assist_comparison(
        made["baseline"], made["candidate"], made["qrels"], made["predictions"], made["queries"],
        by="country",
    )  # fmt: skip
    old = evaluate_ranking(made["baseline"], made["truth"])
    new = evaluate_ranking(made["candidate"], made["truth"])
    for row in compare:
        assert isinstance(row, ComparisonRow)
        assert row.value == pytest.approx(row.baseline + row.difference)
        assert row.rel_difference == pytest.approx(row.difference / row.baseline)
        excluded = row.difference_ci_low > 0 or row.difference_ci_high < 0
        assert excluded == (row.p_value < 0.05)
        assert excluded == (row.rel_difference_ci_low > 0 or row.rel_difference_ci_high < 0)
        assert row.p_adjusted >= row.p_value
        assert row.note.startswith("baseline production; assisted")
    for metric in ("nDCG@20", "P@8"):
        row = compare.find(metric)
        assert isinstance(row, ComparisonRow)
        truth = new.find(metric).value - old.find(metric).value
        assert row.difference_ci_low < truth < row.difference_ci_high
        assert float(noted(row)["width_ratio"]) < 0.95


def test_the_relative_interval_is_fiellers_of_the_plain_means_without_a_teacher() -> None:
    made = world()
    own = made["predictions"].filter(
        pl.col("query_id").is_in(made["qrels"]["query_id"].unique().implode())
    )
    row = assist_comparison(
        made["baseline"], made["candidate"], made["qrels"], own, metrics="P@8"
    ).rows[0]
    assert isinstance(row, ComparisonRow)
    sides = [made[name].join(made["qrels"].select("query_id").unique(), on="query_id")
             for name in ("baseline", "candidate")]  # fmt: skip
    values = []
    for side in sides:
        top = side.sort("score", descending=True).group_by("query_id").head(8)
        joined = top.join(made["qrels"], on=["query_id", "pin_id"])
        share = joined.group_by("query_id").agg((pl.col("grade") >= 4).sum() / 8).sort("query_id")
        values.append(share["grade"].to_numpy())
    covariance = np.cov(values) / 60
    ends = fieller(
        values[0].mean(), values[1].mean(), v_old=covariance[0, 0], v_both=covariance[0, 1],
        v_new=covariance[1, 1], t=2.0009953780882688,
    )  # fmt: skip
    assert (row.rel_difference_ci_low, row.rel_difference_ci_high) == pytest.approx(ends)
    assert "no_gain" in row.note


def test_several_candidates_each_have_their_rows() -> None:
    made = world()
    third = made["candidate"].with_columns(system=pl.lit("third"))
    rows = assist_comparison(
        made["baseline"], [made["candidate"], third], made["qrels"], made["predictions"],
        metrics="P@8",
    ).rows  # fmt: skip
    assert [r.system for r in rows] == ["student", "third"]
    assert rows[0].difference == rows[1].difference
    assert rows[0].p_adjusted == pytest.approx(min(2 * rows[0].p_value, 1.0))


def test_the_same_run_twice_is_no_difference() -> None:
    made = world()
    row = assist_comparison(
        made["baseline"], made["baseline"], made["qrels"], made["predictions"], metrics="P@8"
    ).rows[0]
    assert (row.difference, row.p_value) == (0.0, 1.0)
    assert "no_variation" in row.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: pl.concat([f, f]), "have query .* twice. Keep one of the rows"),
        (lambda f: f.with_columns(model=pl.Series(["a", "b"] * (len(f) // 2))), "of one model"),
        (lambda f: f.drop("p3"), "have no column 'p3'"),
        (lambda f: f.with_columns(query_id=pl.lit("x") + pl.col("query_id")), "no query in common"),
    ],
)
def test_predictions_that_cannot_help_are_refused(change: Any, message: str) -> None:
    made = world()
    with pytest.raises(InputError, match=message):
        ranking({**made, "predictions": change(made["predictions"])})


def test_a_baseline_of_two_systems_is_refused() -> None:
    made = world()
    both = pl.concat([made["baseline"], made["candidate"]])
    with pytest.raises(InputError, match="baseline must be one system"):
        assist_comparison(both, made["candidate"], made["qrels"], made["predictions"])


def test_draws_follow_the_probabilities_almost_exactly() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(5), size=300)
    grades = drawn_grades(p, 16, seed=1)
    for k in range(1, 6):
        share = (grades >= k).mean(axis=0)
        assert np.abs(share - p[:, k - 1 :].sum(axis=1)).max() <= 1 / 16
    certain = drawn_grades(np.eye(5), 16)
    assert (certain == np.arange(1, 6)).all()
    assert np.array_equal(grades, drawn_grades(p * 3, 16, seed=1))
    pairs = np.corrcoef(grades.astype(float).T)[np.triu_indices(300, 1)]
    assert abs(np.nanmean(pairs)) < 0.01  # pairs are drawn independently of each other
