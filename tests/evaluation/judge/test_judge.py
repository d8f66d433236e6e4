"""`judge`: simulated judges, good and bad; rules of the verdict; figures against plain loops."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import kendalltau
from sklearn.metrics import cohen_kappa_score

from evaluation.agreement import agreement
from evaluation.agreement.graded import latest_judgments
from evaluation.judge import judge
from evaluation.judge.judged import match
from evaluation.judge.systems import labels_of
from evaluation.ranking import evaluate_ranking
from relevance.errors import InputError, SettingsError
from relevance.grades import FIVE, TREC
from relevance.provenance import hash_query
from relevance.results import ComparisonRow, Results


@dataclasses.dataclass(frozen=True)
class Case:
    """Judgments, a judge's predictions, queries, two systems."""

    judgments: pl.DataFrame
    predictions: pl.DataFrame
    queries: pl.DataFrame
    runs: pl.DataFrame


def case(
    n_queries: int = 60,
    depth: int = 8,
    *,
    annotators: int = 4,
    each: int = 3,
    noise: float = 0.7,
    judge_noise: float | None = 0.5,
    bias: float = 0.0,
    shared: float = 0.0,
    seed: int = 0,
) -> Case:
    """Grades are the truth and noise; a judge without noise given guesses.

    `shared` is the spread of the errors that the judge makes on all Pins of a query alike.
    """
    rng = np.random.default_rng(seed)
    n = n_queries * depth
    truth = rng.normal(3, 1.4, n)
    who = np.argsort(rng.random((n, annotators)), axis=1)[:, :each]
    grades = graded(truth[:, None] + rng.normal(0, noise, (n, annotators)))
    query = [f"q{i // depth:03d}" for i in range(n)]
    pin = [f"p{i:05d}" for i in range(n)]
    rows = [(query[i], pin[i], f"a{a}", int(grades[i, a])) for i in range(n) for a in who[i]]
    guess = rng.uniform(0.5, 5.5, n)
    said = guess if judge_noise is None else truth + bias + rng.normal(0, judge_noise, n)
    said = said + rng.normal(0, shared, n_queries).repeat(depth)
    near = np.exp(-(((np.arange(1, 6) - said[:, None]) / 0.7) ** 2) / 2)
    near /= near.sum(axis=1, keepdims=True)
    ids = {"query_id": query, "pin_id": pin}
    better = pl.DataFrame({"system": "new", **ids, "score": truth + rng.normal(0, 0.5, n)})
    worse = pl.DataFrame({"system": "old", **ids, "score": truth + rng.normal(0, 3.0, n)})
    return Case(
        pl.DataFrame(rows, schema=["query_id", "pin_id", "annotator", "grade"], orient="row"),
        pl.DataFrame({**ids, **{f"p{k + 1}": near[:, k] for k in range(5)}}),
        pl.DataFrame(
            {
                "query_id": [f"q{i:03d}" for i in range(n_queries)],
                "country": ["US" if i % 2 else "FR" for i in range(n_queries)],
            }
        ),
        pl.concat([better, worse]),
    )


def graded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 1, 5).astype(int)


def certain(grades: Sequence[int], ids: pl.DataFrame) -> pl.DataFrame:
    """Predictions that are sure of a grade."""
    sure = np.eye(5)[np.asarray(grades) - 1]
    return ids.with_columns(**{f"p{k + 1}": sure[:, k] for k in range(5)})


def verdicts(results: Results) -> dict[str, tuple[float | None, str]]:
    return {row.group: (row.value, row.note) for row in results if row.metric == "judge"}


def test_a_judge_better_than_people_may_stand_in() -> None:
    data = case()
    results = judge(data.judgments, data.predictions, data.queries)
    found = verdicts(results)
    assert list(found) == ["all", "FR", "US"]
    for value, note in found.values():
        assert value == 1
        assert note.startswith("yes: stands in for 4 of 4 annotators, alpha(ordinal) 0.")
    assert results.find("winning_rate", group="US").value == 1
    order = results.find("tau")
    assert isinstance(order, ComparisonRow)
    assert order.difference > 0


@pytest.mark.parametrize(
    ("judge_noise", "bias", "why"),
    [(None, 0.0, "no: falls behind 4 of 4 annotators"), (0.5, 1.6, "no: falls behind")],
)
def test_a_judge_worse_than_people_may_not(
    judge_noise: float | None, bias: float, why: str
) -> None:
    data = case(judge_noise=judge_noise, bias=bias)
    for value, note in verdicts(judge(data.judgments, data.predictions, data.queries)).values():
        assert value == 0
        assert note.startswith(why)


def test_too_little_data_says_so() -> None:
    data = case(n_queries=9, depth=3)
    value, note = verdicts(judge(data.judgments, data.predictions))["all"]
    assert value is None
    assert note == (
        "not enough data: 0 annotators share 30 pairs of 10 queries with others, 3 are needed"
    )
    pair = case(annotators=2, each=2)
    value, note = verdicts(judge(pair.judgments, pair.predictions))["all"]
    assert (value, note[:31]) == (None, "not enough data: 2 annotators s")


def test_a_figure_short_of_proof_is_no_answer() -> None:
    data = case(n_queries=24, depth=2, judge_noise=0.85, annotators=3, seed=1)
    value, note = verdicts(judge(data.judgments, data.predictions))["all"]
    assert value is None
    assert "annotators by the figures, beyond doubt as" in note


def test_a_judge_that_gives_everything_the_middle_grade_may_not() -> None:
    """It is nearer to careless annotators than they are to each other, and tells nothing apart."""
    data = case(noise=2.0)
    ids = data.predictions.select("query_id", "pin_id")
    results = judge(data.judgments, certain([3] * len(ids), ids))
    assert results.find("winning_rate").value == 1
    value, note = verdicts(results)["all"]
    assert value == 0 or value is None
    assert note.startswith(("no: agrees with people clearly less", "not enough data: whether it"))
    assert results.find("tau").value == 0


def test_an_experiment_that_changes_the_judge_needs_people() -> None:
    data = case()
    found = verdicts(judge(data.judgments, data.predictions, data.queries, changes_judge=True))
    assert set(found.values()) == {
        (0.0, "no: the experiment changes the judge itself; people must grade")
    }
    small = case(n_queries=3)
    found = verdicts(judge(small.judgments, small.predictions, changes_judge=True))
    assert found["all"][1].startswith("no:")


def test_people_beside_the_judge_are_those_of_agreement() -> None:
    data = case(annotators=6)
    beside = judge(data.judgments, data.predictions)
    alone = agreement(data.judgments)
    for metric in ("alpha(ordinal)", "kappa(weights=quadratic)", "within1"):
        row = beside.find(metric)
        assert row.baseline == pytest.approx(alone.find(metric).value, abs=1e-12), metric
        assert row.difference == pytest.approx(row.value - row.baseline, abs=1e-12), metric
        assert row.difference_ci_low < row.difference < row.difference_ci_high, metric


def test_level_by_plain_loops() -> None:
    data = case(annotators=3, each=3)
    results = judge(data.judgments, data.predictions)
    probabilities = data.predictions.select(f"p{k}" for k in range(1, 6)).to_numpy()
    said = probabilities.argmax(axis=1) + 1
    wide = data.judgments.pivot("annotator", index=["query_id", "pin_id"], values="grade")
    people = data.predictions.join(wide, on=["query_id", "pin_id"], maintain_order="left")
    grades = people.select("a0", "a1", "a2").to_numpy()
    observed = np.mean((said[:, None] - grades) ** 2)
    expected = np.mean((said[:, None] - grades.ravel()) ** 2)
    row = results.find("kappa(weights=quadratic)")
    assert row.value == pytest.approx(1 - observed / expected)
    kappas = [cohen_kappa_score(said, grades[:, a], weights="quadratic") for a in range(3)]
    assert row.value == pytest.approx(np.mean(kappas), abs=0.005)
    near = np.mean(np.abs(grades - said[:, None]) <= 1)
    assert results.find("within1").value == pytest.approx(near)
    assert results.find("bias").value == pytest.approx(np.mean(said - grades.mean(axis=1)))
    fours = grades == 4
    both = np.sum(fours & (said == 4)[:, None])
    assert results.find("recall", group="4").value == pytest.approx(both / fours.sum())
    by_judge = np.repeat((said == 4)[:, None], 3, axis=1)
    assert results.find("precision", group="4").value == pytest.approx(np.mean(fours[by_judge]))
    off = (said[:, None] - grades)[fours]
    assert results.find("bias", group="4").value == pytest.approx(np.mean(off))
    above = probabilities[:, 3:].sum(axis=1)
    share = (grades >= 4).mean(axis=1)
    assert results.find("calibration@4").value == pytest.approx(np.mean(above - share))
    assert results.find("slope@4").value == pytest.approx(np.polyfit(above, share, 1)[0])
    bins = np.minimum((above * 10).astype(int), 9)
    gap = sum(abs(np.sum((above - share)[bins == b])) for b in range(10)) / len(above)
    assert results.find("ECE@4").value == pytest.approx(gap)


def test_order_by_plain_loops() -> None:
    data = case(n_queries=40, annotators=3, each=3)
    results = judge(data.judgments, data.predictions)
    probabilities = data.predictions.select(f"p{k}" for k in range(1, 6)).to_numpy()
    said = data.predictions.select("query_id", "pin_id").with_columns(
        said=probabilities.argmax(axis=1) + 1
    )
    wide = data.judgments.pivot("annotator", index=["query_id", "pin_id"], values="grade")
    rows = wide.join(said, on=["query_id", "pin_id"])
    by_judge, by_people = [], []
    for _, part in rows.group_by("query_id"):
        of_judge, of_people = [], []
        for a in range(3):
            others = part.select(f"a{b}" for b in range(3) if b != a).to_numpy().mean(axis=1)
            of_judge.append(kendalltau(part["said"], others).statistic)
            of_people.append(kendalltau(part[f"a{a}"], others).statistic)
        by_judge.append(np.mean(of_judge))
        by_people.append(np.mean(of_people))
    row = results.find("tau")
    assert row.value == pytest.approx(np.mean(by_judge))
    assert row.baseline == pytest.approx(np.mean(by_people))
    assert row.n == 40


def test_level_and_order_apart() -> None:
    """A judge one grade too high everywhere: a perfect order, a poor level."""
    data = case(noise=0.3)
    ids = data.judgments.group_by("query_id", "pin_id", maintain_order=True)
    middle = ids.agg(pl.col("grade").median().round()).sort("query_id", "pin_id")
    up = np.minimum(middle["grade"].to_numpy().astype(int) + 1, 5)
    results = judge(data.judgments, certain(up.tolist(), middle.select("query_id", "pin_id")))
    assert results.find("bias").value > 0.6
    assert results.find("kappa(weights=quadratic)").difference < -0.1
    assert results.find("tau").value > 0.8
    assert verdicts(results)["all"][0] == 0


def test_systems_by_both_labels() -> None:
    data = case(annotators=3, each=3)
    results = judge(data.judgments, data.predictions, data.queries, runs=data.runs)
    rows = {(r.metric, r.system, r.group): r for r in results}
    middle = data.judgments.group_by("query_id", "pin_id").agg(pl.col("grade").median().cast(int))
    by_people = evaluate_ranking(data.runs, middle, metrics="nDCG@20", reps=0)
    for system in ("new", "old"):
        row = rows["nDCG@20", system, "all"]
        assert row.baseline == pytest.approx(by_people.find("nDCG@20", system=system).value)
        assert row.difference == pytest.approx(row.value - row.baseline)
        assert row.n == 60
    apart = rows["difference(nDCG@20)", "old - new", "US"]
    assert apart.value < 0
    assert apart.baseline < 0
    assert apart.difference_ci_low < apart.difference < apart.difference_ci_high


def test_order_of_queries_by_both_labels() -> None:
    data = case()
    matched = match(latest_judgments(data.judgments), data.predictions, FIVE)
    labels = labels_of(matched.judged, data.runs, "P@3", FIVE)
    expected = kendalltau(labels.judge["old"], labels.people["old"]).statistic
    results = judge(data.judgments, data.predictions, runs=data.runs, metric="P@3")
    row = next(r for r in results if (r.metric, r.system) == ("tau(P@3)", "old"))
    assert row.value == pytest.approx(expected)
    assert row.ci_low < row.value < row.ci_high


def test_seen_queries_are_left_out_and_counted() -> None:
    data = case()
    seen = {hash_query(f"q{i:03d}") for i in range(20)}
    results = judge(data.judgments, data.predictions, seen=seen)
    rest = data.judgments.filter(pl.col("query_id") >= "q020")
    alone = judge(rest, data.predictions)
    assert results.find("alpha(ordinal)").value == alone.find("alpha(ordinal)").value
    assert results.find("judge").note.endswith("; seen_in_training: 20")
    kept = judge(data.judgments, data.predictions, seen=seen, allow_seen=True)
    assert kept.find("judge").note.endswith("; seen_kept: 20")
    assert kept.find("tau").n == 60
    every = {hash_query(f"q{i:03d}") for i in range(60)}
    nothing = judge(data.judgments, data.predictions, data.queries, seen=every)
    assert {row.value for row in nothing} == {None}
    assert verdicts(nothing)["US"][1].endswith("; seen_in_training: 30")


def test_pairs_without_a_prediction_are_counted() -> None:
    data = case()
    results = judge(data.judgments, data.predictions.head(400))
    assert (results.find("judge").n, results.find("judge").n_undefined) == (400, 80)
    assert "not_predicted: 80" in results.find("judge").note


def test_one_annotator_is_not_enough_to_ask() -> None:
    data = case(annotators=1, each=1)
    results = judge(data.judgments, data.predictions, data.queries)
    assert {value for value, _ in verdicts(results).values()} == {None}
    assert results.find("alpha(ordinal)") is None
    assert results.find("bias").n == 480
    assert results.find("winning_rate").note == "no_annotator_with_enough_pairs"


def test_few_queries_say_so() -> None:
    data = case(n_queries=8, depth=10)
    row = judge(data.judgments, data.predictions).find("alpha(ordinal)")
    assert row.note == "few_queries: 8; resampled_pairs"
    assert row.ci_low < row.value < row.ci_high


def test_without_intervals_there_is_no_yes() -> None:
    data = case()
    value, note = verdicts(judge(data.judgments, data.predictions, reps=0))["all"]
    assert (value, note) == (None, "not enough data: alpha(ordinal) has no interval")


def test_groups_are_tested_together_and_totalled() -> None:
    data = case(n_queries=80)
    results = judge(data.judgments, data.predictions, data.queries)
    block = [r for r in results if r.metric == "tau" and r.slice == "country"]
    assert [r.group for r in block] == ["FR", "US", "(mean)"]
    assert block[2].value == pytest.approx((block[0].value + block[1].value) / 2)
    assert block[2].baseline == pytest.approx((block[0].baseline + block[1].baseline) / 2)
    assert "groups: 2; Q: " in block[2].note
    everyone = [r for r in results if r.metric == "advantage" and r.slice == "annotator"]
    assert [r.group for r in everyone] == ["a0", "a1", "a2", "a3"]
    assert all(r.p_value <= r.p_adjusted for r in everyone)


def test_neither_row_order_nor_names_matter() -> None:
    data = case()
    before = judge(data.judgments, data.predictions, data.queries)
    shuffled = data.judgments.sample(fraction=1, shuffle=True, seed=1)
    turned = data.predictions.reverse()
    assert judge(shuffled, turned, data.queries) == before


def test_several_judges_one_after_the_other() -> None:
    data = case()
    guesses = case(judge_noise=None).predictions
    named = [(data.predictions, "good"), (guesses, "x")]
    both = pl.concat([frame.with_columns(model=pl.lit(name)) for frame, name in named])
    rows = [(r.system, r.value) for r in judge(data.judgments, both) if r.metric == "judge"]
    assert rows == [("good", 1.0), ("x", 0.0)]


def test_what_is_wrong_is_said() -> None:
    data = case(n_queries=4)
    other = data.predictions.with_columns(query_id=pl.lit("z"))
    with pytest.raises(InputError, match="no judged pair is among the predictions"):
        judge(data.judgments, other)
    twice = pl.concat([data.predictions, data.predictions.head(1)])
    with pytest.raises(InputError, match=r"the predictions have query 'q000', pin 'p00000' twice"):
        judge(data.judgments, twice)
    zero = data.judgments.with_columns(grade=pl.col("grade") - 1)
    with pytest.raises(InputError, match=r"predictions have the grades 1-5, but a judgment"):
        judge(zero, data.predictions, scale=TREC)
    with pytest.raises(SettingsError, match=r"epsilon must be 0 or more and below 1, got 2"):
        judge(data.judgments, data.predictions, epsilon=2)
    with pytest.raises(InputError, match="no column 'land' to split by"):
        judge(data.judgments, data.predictions, data.queries, by="land")


@pytest.mark.slow
@pytest.mark.parametrize(("judge_noise", "shared"), [(1.15, 0.0), (0.5, 1.04)])
def test_a_false_yes_is_rare(judge_noise: float, shared: float) -> None:
    """Judges ε behind every annotator, also by errors that whole queries share: under 5 % pass."""
    yes, behind = 0, []
    for seed in range(400):
        data = case(40, 6, judge_noise=judge_noise, shared=shared, noise=0.7, seed=seed)
        results = judge(data.judgments, data.predictions, reps=100)
        yes += verdicts(results)["all"][0] == 1
        behind.append(results.find("advantage").difference)
    assert np.mean(behind) == pytest.approx(-0.15, abs=0.01)
    assert yes <= 28  # 5 % of 400, and two standard errors


@pytest.mark.data
def test_chorus_third_rater_as_judge(data_dir: Path) -> None:
    """A person is no worse than people: the third rater stands in for the others, given ε."""
    path = data_dir / "chorus-3raters" / "Broad_Query_Set_individual_ratings.csv"
    read = pl.read_csv(path, infer_schema_length=0).with_row_index("row")
    ids = {"query_id": pl.col("query"), "pin_id": pl.col("row").cast(pl.String)}
    column = pl.col(f"agent_{3}_rating").cast(pl.Int64, strict=False)
    mapped = {0: 1, 1: 2, 2: 4, 3: 5}
    frames = [
        read.select(
            **ids,
            annotator=pl.lit(f"agent {a}"),
            grade=pl.col(f"agent_{a}_rating").cast(pl.Int64, strict=False).replace(mapped),
        ).drop_nulls()
        for a in (1, 2)
    ]
    third = read.select(**ids, grade=column.replace(mapped)).drop_nulls()
    predictions = certain(third["grade"].to_list(), third.select("query_id", "pin_id"))
    results = judge(pl.concat(frames), predictions)
    assert verdicts(results)["all"][1].startswith("not enough data: 2 annotators")
    advantage = results.find("advantage")
    assert advantage.value > 0.8
    assert results.find("kappa(weights=quadratic)").value == pytest.approx(0.76, abs=0.05)
