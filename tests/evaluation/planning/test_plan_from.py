"""`plan_ranking`: tables in, a plan out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from evaluation.compare.paired import Stratum, paired_difference
from evaluation.metrics import parse
from evaluation.planning import detectable, half_width
from evaluation.planning.budget import Costs
from evaluation.planning.observed import Target, plan_ranking
from evaluation.ranking import code_queries, evaluate_ranking, score_queries
from relevance.errors import InputError
from relevance.provenance import hash_query
from relevance.results import Results, Row


def world(n_queries: int = 120, graded: int = 60) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(0)
    ids = [f"q{i:03d}" for i in range(n_queries)]
    truth = pl.DataFrame(
        [(q, f"p{j:02d}", int(rng.integers(1, 6))) for q in ids for j in range(30)],
        schema=["query_id", "pin_id", "grade"], orient="row",
    )  # fmt: skip
    shared = truth["grade"].to_numpy() + rng.normal(size=len(truth)) * 1.5

    def run(name: str) -> pl.DataFrame:
        score = pl.Series(shared + rng.normal(size=len(truth)) * 0.7)
        return truth.select("query_id", "pin_id").with_columns(system=pl.lit(name), score=score)

    queries = pl.DataFrame({
        "query_id": ids, "country": ["US" if i % 3 else "FR" for i in range(n_queries)],
        "segment": [f"s{i % 4}" for i in range(n_queries)],
        "traffic": rng.permutation(n_queries).astype(float),
    })  # fmt: skip
    qrels = truth.filter(pl.col("query_id").is_in(ids[:graded]))
    return {"baseline": run("old"), "candidate": run("new"), "qrels": qrels, "queries": queries}


MADE = world()


def planned(**options: Any) -> Results:
    options = {"candidate": MADE["candidate"], **options}
    return plan_ranking(MADE["baseline"], MADE["qrels"], MADE["queries"], **options)


def row(found: Results, metric: str, group: str = "all") -> Row:
    one = found.find(metric, group=group)
    assert one is not None, [r.metric for r in found]
    return one


def value(found: Results, metric: str, group: str = "all") -> float:
    figure = row(found, metric, group).value
    assert figure is not None
    return figure


def test_at_the_queries_at_hand_it_is_their_own_interval() -> None:
    found = planned()
    plain = evaluate_ranking(MADE["baseline"], MADE["qrels"]).find("nDCG@20")
    assert value(found, "mean(nDCG@20)") == pytest.approx(plain.value)
    width = value(found, "half_width(nDCG@20,design=srs)")
    assert width == pytest.approx((plain.ci_high - plain.ci_low) / 2, rel=0.08)
    assert row(found, "half_width(nDCG@20,design=srs)").n == 60


def test_a_difference_is_planned_from_paired_queries() -> None:
    found = planned(target=Target(mde=0.01))
    assert value(found, "mde(nDCG@20,design=paired)") < value(found, "mde(nDCG@20,design=unpaired)")
    need = {
        kind: value(found, f"queries(nDCG@20,design={kind})") for kind in ("unpaired", "paired")
    }
    again = planned(target=Target(n=int(need["paired"])))
    assert value(again, "mde(nDCG@20,design=paired)") <= 0.01
    fewer = planned(target=Target(n=int(need["paired"]) - 1))
    assert value(fewer, "mde(nDCG@20,design=paired)") > 0.01
    share = (value(found, "mde(nDCG@20,design=paired)")
             / value(found, "mde(nDCG@20,design=unpaired)")) ** 2  # fmt: skip
    assert need["paired"] / need["unpaired"] == pytest.approx(share, rel=0.05)
    noted = row(found, "mde(nDCG@20,design=paired)").note.split("variance: ")[1]
    assert noted.endswith(" of unpaired")
    assert float(noted.split()[0]) == pytest.approx(share, rel=0.02)  # apart from t quantiles


def test_the_difference_that_compare_says_could_be_found() -> None:
    found = value(planned(), "mde(nDCG@20,design=paired)")
    both = [evaluate_ranking_values(name) for name in ("baseline", "candidate")]
    error = np.std(both[1] - both[0], ddof=1) / np.sqrt(60)
    difference = paired_difference([Stratum(*both)])
    assert found == pytest.approx(difference.mde)
    assert found == pytest.approx(detectable(error, df=59))


def test_gains_multiply_to_the_whole() -> None:
    found = planned(by="country")
    left = np.prod([1 - value(found, f"gain(nDCG@20,from={step})")
                    for step in ("pairing", "strata", "neyman")])  # fmt: skip
    errors = [value(found, f"mde(nDCG@20,design={d})") for d in ("unpaired", "paired+neyman")]
    assert left == pytest.approx((errors[1] / errors[0]) ** 2, rel=0.05)
    assert value(found, "gain(nDCG@20,from=pairing)") > 0.3


def evaluate_ranking_values(name: str) -> NDArray[np.float64]:
    measure = parse("nDCG@20")
    coded = code_queries(MADE["qrels"], [MADE[name]])
    return score_queries(MADE[name], coded, [measure]).values[measure][coded.judged]


def test_a_relative_target_is_a_share_of_the_baseline() -> None:
    mean = value(planned(), "mean(nDCG@20)")
    shared = planned(target=Target(mde=0.01, relative=True))
    given = planned(target=Target(mde=0.01 * mean))
    name = "queries(nDCG@20,design=paired)"
    assert value(shared, name) == value(given, name)


def test_a_half_width_plans_the_level() -> None:
    found = planned(candidate=None, target=Target(half_width=0.01))
    n = value(found, "queries(nDCG@20,design=srs)")
    again = planned(candidate=None, target=Target(n=int(n)))
    assert value(again, "half_width(nDCG@20,design=srs)") == pytest.approx(0.01, rel=0.02)
    assert not any(r.metric.startswith("mde") for r in found)
    ratio = half_width(1.0, 0.9) / half_width(1.0, 0.95)
    lower = planned(candidate=None, target=Target(half_width=0.01, level=0.9))
    assert value(lower, "queries(nDCG@20,design=srs)") == pytest.approx(n * ratio**2, rel=0.05)


def test_power_and_level_move_the_number_of_queries_as_they_should() -> None:
    few = value(planned(target=Target(mde=0.01)), "queries(nDCG@20)")
    many = value(planned(target=Target(mde=0.01, power=0.95)), "queries(nDCG@20)")
    ratio = detectable(1.0, power=0.95) / detectable(1.0)
    assert many / few == pytest.approx(ratio**2, rel=0.03)


def test_the_budget_adds_up_over_countries() -> None:
    found = planned(
        by="country", target=Target(mde=0.005),
        costs=Costs(graders=2, seconds=30, hourly_rate=12),
    )  # fmt: skip
    for name in ("queries", "pairs", "judgments", "hours", "cost"):
        whole = value(found, f"{name}(nDCG@20)")
        parts = sum(value(found, f"{name}(nDCG@20)", group) for group in ("FR", "US"))
        assert parts == pytest.approx(whole, abs=1.01)
    assert value(found, "judgments(nDCG@20)") == pytest.approx(
        2 * value(found, "pairs(nDCG@20)"), abs=2
    )
    hours = value(found, "judgments(nDCG@20)") * 30 / 3600
    assert value(found, "hours(nDCG@20)") == pytest.approx(hours, rel=0.01)
    assert value(found, "cost(nDCG@20)") == pytest.approx(12 * value(found, "hours(nDCG@20)"))


def test_pairs_are_those_of_the_pool_of_both_systems() -> None:
    tops = [
        MADE[name].sort("query_id", "score", descending=True).group_by("query_id").head(20)
        for name in ("baseline", "candidate")
    ]
    pool = pl.concat([top.select("query_id", "pin_id") for top in tops]).unique()
    found = planned()
    noted = row(found, "pairs(nDCG@20)").note
    assert noted == f"depth: 20; pairs_per_query: {pool.height / 120:.1f}"
    shallow = planned(costs=Costs(depth=5))
    assert row(shallow, "pairs(nDCG@20)").note.startswith("depth: 5")
    assert value(shallow, "pairs(nDCG@20)") < value(found, "pairs(nDCG@20)") / 2


def test_strata_of_country_segment_and_popularity() -> None:
    found = planned(by="country", strata="segment:popularity", target=Target(mde=0.003))
    strata = [r for r in found if r.slice == "country:segment:popularity"]
    assert len(strata) == 23  # no query of FR, s3 is of middling popularity
    assert {r.group.split(":")[2] for r in strata} == {"low", "middle", "high"}
    assert sum(r.value or 0 for r in strata) == value(found, "queries(nDCG@20)")
    french = sum(r.value or 0 for r in strata if r.group.startswith("FR"))
    assert french == value(found, "queries(nDCG@20)", "FR")
    available = sum(int(r.note.split("available: ")[1]) for r in strata)
    assert available == 120


def test_too_few_queries_for_the_strata_is_said() -> None:
    found = planned(strata="segment:popularity", target=Target(n=20))
    one = row(found, "mde(nDCG@20,design=paired+neyman)")
    assert (one.value, one.note) == (None, "too_few: needs 24")
    assert row(found, "mde(nDCG@20,design=paired)").value is not None


def test_more_queries_than_there_are_is_said() -> None:
    found = planned(by="country", target=Target(mde=0.0005))
    assert row(found, "queries(nDCG@20,design=paired)").note == "exceeds_available: 120"
    finite = planned(by="country", target=Target(mde=0.0005), finite=True)
    assert value(finite, "queries(nDCG@20,design=paired)") <= 120
    assert value(finite, "queries(nDCG@20)") <= 120


def test_an_assumed_correlation_stands_in_for_a_candidate() -> None:
    found = planned(candidate=None, correlation=0.9, target=Target(mde=0.01))
    assert "assumed_correlation: 0.9" in row(found, "mean(nDCG@20)").note
    unpaired = value(found, "mde(nDCG@20,design=unpaired)")
    assert value(found, "mde(nDCG@20,design=paired)") == pytest.approx(
        unpaired * np.sqrt(0.1), rel=0.01
    )


def judged(graders: int, spread: float) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    parts = []
    for grader in range(graders):
        noise = np.rint(rng.normal(size=MADE["qrels"].height) * spread)
        grade = np.clip(MADE["qrels"]["grade"].to_numpy() + noise, 1, 5).astype(np.int64)
        columns = {"annotator": pl.lit(f"g{grader}"), "seconds": pl.lit(20.0 + grader)}
        pairs = MADE["qrels"].select("query_id", "pin_id")
        parts.append(pairs.with_columns(grade=pl.Series(grade), **columns))
    return pl.concat(parts)


def test_more_graders_a_pair_need_fewer_queries_where_graders_differ() -> None:
    found = planned(judgments=judged(3, 1.0), target=Target(mde=0.01))
    queries = [value(found, f"queries(nDCG@20,graders={g})") for g in (1, 2, 3, 5)]
    judgments = [value(found, f"judgments(nDCG@20,graders={g})") for g in (1, 2, 3, 5)]
    assert queries == sorted(queries, reverse=True)
    assert queries[0] > queries[-1]
    assert judgments == sorted(judgments)
    assert "noise_of_difference: 0." in row(found, "mean(nDCG@20)").note
    assert value(found, "hours(nDCG@20)") == pytest.approx(
        value(found, "judgments(nDCG@20)") * 21 / 3600, rel=0.01
    )
    agreed = planned(judgments=judged(3, 0.0), target=Target(mde=0.01))
    same = [value(agreed, f"queries(nDCG@20,graders={g})") for g in (1, 5)]
    assert same[0] == same[1]


def test_the_posterior_of_the_qrels_tells_the_noise_too() -> None:
    sure = {f"p{k}": pl.when(pl.col("grade") == k).then(0.6).otherwise(0.1) for k in range(1, 6)}
    qrels = MADE["qrels"].with_columns(n_judgments=pl.lit(3, dtype=pl.Int64), **sure)
    found = plan_ranking(MADE["baseline"], qrels, candidate=MADE["candidate"])
    note = row(found, "mean(nDCG@20)").note
    share = float(note.split("noise_of_level: ")[1].split(" ")[0])
    assert 0.1 < share <= 0.95
    assert "at 3.0 graders" in note
    unknown = planned()
    assert "noise_of_level: unknown" in row(unknown, "mean(nDCG@20)").note
    assert not any("graders=" in r.metric for r in planned(target=Target(mde=0.01)))


def test_the_noise_of_known_graders_is_found_again() -> None:
    """Grades of one grader whose noise is known: its share of the variance is what a plan says."""
    rng = np.random.default_rng(3)
    truth = MADE["qrels"]["grade"].to_numpy()
    values = []
    for _ in range(60):
        noisy = np.clip(truth + np.rint(rng.normal(size=len(truth))), 1, 5).astype(np.int64)
        once = MADE["qrels"].with_columns(grade=pl.Series(noisy))
        hits = (
            MADE["baseline"].sort("score", descending=True).group_by("query_id").head(8)
            .join(once, on=["query_id", "pin_id"]).group_by("query_id")
            .agg((pl.col("grade") >= 4).mean()).sort("query_id")
        )  # fmt: skip
        values.append(hits["grade"].to_numpy())
    one_grader = np.var(values, axis=0, ddof=1).mean()
    judgments = judged(2, 1.0)
    qrels = judgments.filter(pl.col("annotator") == "g0").select("query_id", "pin_id", "grade")
    found = plan_ranking(MADE["baseline"], qrels, judgments=judgments, metrics="P@8")
    note = row(found, "mean(P@8)").note
    share = float(note.split("noise_of_level: ")[1].split(" ")[0])
    spread = float(note.split("sd: ")[1].split(";")[0])
    assert share * spread**2 == pytest.approx(one_grader / 2, rel=0.25)  # at 2 graders


def test_what_does_not_vary_cannot_be_planned() -> None:
    found = planned(candidate=MADE["baseline"], target=Target(mde=0.01))
    need = row(found, "queries(nDCG@20,design=paired)")
    assert (need.value, need.note) == (None, "no_variation")
    assert "no_variation" in row(found, "mde(nDCG@20,design=paired)").note
    assert found.find("queries(nDCG@20)") is None


def test_seen_queries_are_left_out() -> None:
    seen = {hash_query(f"q{i:03d}") for i in range(20)}
    assert row(planned(seen=seen), "mean(nDCG@20)").n == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidate": None, "target": Target(mde=0.01)}, "Give a candidate run, or assume"),
        ({"target": Target(mde=0.01, half_width=0.01)}, "two targets. Give one"),
        ({"target": Target(mde=0.0)}, "wanted mde must be above 0, got 0"),
        ({"target": Target(mde=0.1, power=1.0)}, "power must be between 0 and 1, got 1"),
        ({"target": Target(n=1)}, "at least 2 queries to look at, got 1"),
        ({"correlation": 0.5}, "candidate shows the correlation itself"),
        ({"candidate": None, "correlation": 1.0}, "below 1, got 1"),
        ({"strata": "segmnt"}, "no column 'segmnt' to plan by. Did you mean 'segment'"),
        ({"queries": None, "by": "country"}, "the queries table is needed"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    arguments = {"queries": MADE["queries"], "candidate": MADE["candidate"], **options}
    with pytest.raises(InputError, match=message):
        plan_ranking(MADE["baseline"], MADE["qrels"], **arguments)


def test_popularity_needs_traffic() -> None:
    with pytest.raises(InputError, match="popularity is made of traffic"):
        plan_ranking(
            MADE["baseline"], MADE["qrels"], MADE["queries"].drop("traffic"), strata="popularity"
        )


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"graders": 0}, "graders must be at least 1, got 0"),
        ({"seconds": 0.0}, "seconds must be above 0, got 0"),
    ],
)
def test_costs_out_of_range_are_refused(costs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Costs(**costs)
