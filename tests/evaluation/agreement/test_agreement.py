"""`agreement`: textbook figures, the krippendorff package, scikit-learn, real raters."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from evaluation.agreement import MEASURES, agreement
from evaluation.agreement.coefficients import agreement_weights, gwet, pair_columns
from evaluation.agreement.couples import couples_of, from_terms, grades_of, kappa, kappa_terms
from evaluation.agreement.graded import code_judgments, latest_judgments
from evaluation.intervals import influences
from relevance.errors import InputError
from relevance.grades import FIVE, TREC, scale_from
from relevance.results import Results

THREE = [
    "* * * * * 3 4 1 2 1 1 3 3 * 3",
    "1 * 2 1 3 3 4 3 * * * * * * *",
    "* * 2 1 3 4 4 * 2 1 1 3 3 * 4",
]
FOUR = [
    "1 2 3 3 2 1 4 1 2 * * *",
    "1 2 3 3 2 2 4 1 2 5 * 3",
    "* 3 3 3 2 3 4 2 2 5 1 *",
    "1 2 3 3 2 4 4 1 2 5 1 *",
]
FOUR_LEVELS = scale_from({"levels": [1, 2, 3, 4]})


def judgments(raters: list[list[int | None]], per_query: int = 1) -> pl.DataFrame:
    """One row a grade; unit u is Pin u, `per_query` units to a query."""
    rows = [
        (f"q{u // per_query:03d}", f"p{u:04d}", f"a{r}", grade)
        for r, grades in enumerate(raters)
        for u, grade in enumerate(grades)
    ]
    schema = {"query_id": pl.String, "pin_id": pl.String, "annotator": pl.String, "grade": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def matrix(lines: list[str]) -> list[list[int | None]]:
    return [[None if cell == "*" else int(cell) for cell in line.split()] for line in lines]


def values(results: Results, group: str = "all") -> dict[str, float | None]:
    return {row.metric: row.value for row in results if row.group == group}


def test_three_coders_as_published() -> None:
    found = values(agreement(judgments(matrix(THREE)), scale=FOUR_LEVELS))
    assert found["alpha(nominal)"] == pytest.approx(0.691358, abs=5e-7)
    assert found["alpha(ordinal)"] == pytest.approx(0.806721, abs=5e-7)
    assert found["alpha(interval)"] == pytest.approx(0.810845, abs=5e-7)


def test_four_raters_as_published() -> None:
    results = agreement(judgments(matrix(FOUR)))
    found = values(results)
    assert found["alpha(nominal)"] == pytest.approx(0.743421, abs=5e-7)
    assert found["alpha(ordinal)"] == pytest.approx(0.815388, abs=5e-7)
    assert found["alpha(interval)"] == pytest.approx(0.849107, abs=5e-7)
    assert found["AC1"] == pytest.approx(0.77544, abs=5e-6)
    # irrCAC (Gwet's own R package, and its Python port with the categories given): agreement
    # .96818, by chance .68516
    assert found["AC2(weights=ordinal)"] == pytest.approx(0.89894, abs=5e-6)
    row = results.find("AC1")
    assert (row.n, row.n_undefined, row.note) == (11, 1, "resampled_pairs")
    assert row.ci_low < row.value < row.ci_high


def test_the_other_coefficients_of_four_raters() -> None:
    # irrCAC with categories [1 … 5]; α(ratio) as published by Krippendorff
    expected = {
        "alpha(ratio)": 0.797403,
        "AC2(weights=linear)": 0.85874,
        "AC2(weights=quadratic)": 0.91400,
    }
    found = values(agreement(judgments(matrix(FOUR)), measures=",".join(expected)))
    assert found == pytest.approx(expected, abs=5e-6)


def test_a_missing_grade_is_no_category() -> None:
    """The Python port of irrCAC 0.4.4 under pandas 3 counts one and gets .88752: second of six."""
    six = np.insert(pattern_counts(FOUR), 1, 0.0, axis=1)
    levels = np.arange(6.0)
    sums = pair_columns(six, levels).sum(axis=0)
    assert gwet(sums, levels, weighting="ordinal") == pytest.approx(0.88752, abs=5e-6)
    found = agreement(judgments(matrix(FOUR))).find("AC2(weights=ordinal)")
    assert found.value == pytest.approx(0.89894, abs=5e-6)


def pattern_counts(lines: list[str]) -> np.ndarray:
    units = zip(*matrix(lines), strict=True)
    return np.array([[sum(g == k for g in unit) for k in range(1, 6)] for unit in units], float)


def test_the_spread_of_ac1_is_gwets() -> None:
    """Gwet's standard error of AC1 is .14295; ours is the jackknife's over the 12 units."""
    levels = np.arange(1.0, 6.0)
    columns = pair_columns(pattern_counts(FOUR), levels)
    moved = influences(columns, lambda sums: gwet(sums, levels, weighting="none")[..., None])
    n = len(columns)
    error = float(np.sqrt(n / (n - 1) * np.sum(moved**2)))
    assert error == pytest.approx(0.14295, rel=0.15)


GRADED = st.lists(
    st.lists(st.sampled_from([None, 1, 2, 3, 4, 5]), min_size=3, max_size=3),
    min_size=3,
    max_size=20,
)


@settings(deadline=None, max_examples=50)
@given(GRADED)
def test_alpha_is_the_krippendorff_packages(units: list[list[int | None]]) -> None:
    raters = [list(column) for column in zip(*units, strict=True)]
    data = np.array([[math.nan if g is None else g for g in r] for r in raters], dtype=float)
    several = [u for u in units if sum(g is not None for g in u) >= 2]
    if len({g for u in several for g in u if g is not None}) < 2:
        return  # no variation: the package raises
    found = values(agreement(judgments(raters), reps=2))
    for level in ("nominal", "ordinal", "interval"):
        expected = krippendorff.alpha(data, level_of_measurement=level)
        assert found[f"alpha({level})"] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=4, max_size=30))
def test_kappa_of_two_annotators_is_cohens(pairs: list[tuple[int, int]]) -> None:
    first, second = (list(side) for side in zip(*pairs, strict=True))
    found = values(agreement(judgments([first, second]), reps=2))
    near = np.mean(np.abs(np.subtract(first, second)) <= 1)
    assert found["within1"] == pytest.approx(near)
    if len({*first, *second}) == 1:
        assert found["kappa(weights=quadratic)"] is None
        return
    expected = cohen_kappa_score(first, second, labels=[1, 2, 3, 4, 5], weights="quadratic")
    assert found["kappa(weights=quadratic)"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("ours", "theirs"), [("linear", "linear"), ("none", None)])
def test_kappa_weighted_otherwise(ours: str, theirs: str | None) -> None:
    rng = np.random.default_rng(3)
    first, second = (rng.integers(1, 6, 60).tolist() for _ in range(2))
    name = f"kappa(weights={ours})"
    found = agreement(judgments([first, second]), measures=name, reps=0)
    assert found.find(name).value == pytest.approx(
        cohen_kappa_score(first, second, weights=theirs), abs=1e-12
    )


@pytest.mark.parametrize("weighting", ["quadratic", "linear", "none"])
def test_kappa_to_first_order_is_kappa_resampled_whole(weighting: str) -> None:
    """Many couples are not kept apart; value and influences must be the same."""
    rng = np.random.default_rng(4)
    true = rng.integers(1, 6, 600)
    raters = [
        [None if rng.random() < 0.2 else int(g) for g in np.clip(true + noise, 1, 5)]
        for noise in rng.integers(-2, 3, (4, 600))
    ]
    graded = code_judgments(latest_judgments(judgments(raters, per_query=10)), FIVE)
    couples, grades = couples_of(graded), grades_of(graded)
    whole = kappa(couples, grades, graded.query, 60, levels=graded.levels, weighting=weighting)
    terms = kappa_terms(couples, grades, graded.levels, weighting)
    unit = graded.query[couples.pair]
    short = from_terms(terms, unit, graded.query[grades.pair], 60)
    assert whole.columns.shape[1] == 1 + 6 + 4 * 5
    value, estimates = [], []
    for statistic in (whole, short):
        value.append(float(statistic.function(statistic.columns.sum(axis=0))))
        function = statistic.function
        estimates.append(influences(statistic.columns, lambda s, f=function: f(s)[..., None])[:, 0])
    assert value[0] == pytest.approx(value[1], abs=1e-12)
    assert np.corrcoef(*estimates)[0, 1] > 0.999
    assert np.std(estimates[0]) == pytest.approx(np.std(estimates[1]), rel=0.02)


def test_kappa_of_very_many_couples_has_an_interval() -> None:
    rng = np.random.default_rng(5)
    true = rng.integers(1, 6, 900)
    who = np.argsort(rng.random((900, 60)), axis=1)[:, :3]
    rows = [
        (f"q{u // 10:02d}", f"p{u}", f"a{a:02d}", int(np.clip(true[u] + rng.integers(-1, 2), 1, 5)))
        for u in range(900)
        for a in who[u]
    ]
    frame = pl.DataFrame(rows, schema=["query_id", "pin_id", "annotator", "grade"], orient="row")
    row = agreement(frame).find("kappa(weights=quadratic)")
    assert len(couples_of(code_judgments(frame, FIVE)).members) > 1000
    assert row.ci_low < row.value < row.ci_high
    assert row.ci_high - row.ci_low < 0.1


def pooled(couples: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """1 - Σ observed / Σ expected squared distance of couples who graded the same pairs."""
    observed = sum(np.sum((x - y) ** 2) for x, y in couples)
    expected = sum(np.mean((x[:, None] - y) ** 2) * len(x) for x, y in couples)
    return float(1 - observed / expected)


def test_kappa_of_many_annotators_is_pooled_over_couples() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(1, 6, 80)
    raters = [np.clip(true + rng.integers(-1, 2, 80), 1, 5) for _ in range(3)]
    couples = [(raters[a], raters[b]) for a, b in [(0, 1), (0, 2), (1, 2)]]
    found = values(agreement(judgments([r.tolist() for r in raters])))
    assert found["kappa(weights=quadratic)"] == pytest.approx(pooled(couples), abs=1e-12)
    each = [cohen_kappa_score(x, y, weights="quadratic") for x, y in couples]
    assert found["kappa(weights=quadratic)"] == pytest.approx(np.mean(each), abs=0.005)


@pytest.mark.parametrize(
    ("weighting", "expected"), [("quadratic", 0.67192), ("linear", 0.66492), ("none", 0.64576)]
)
def test_kappa_of_complete_grades_is_congers(weighting: str, expected: float) -> None:
    """irrCAC's Conger κ on the eight units that all four raters graded."""
    full = [unit for unit in zip(*matrix(FOUR), strict=True) if None not in unit]
    name = f"kappa(weights={weighting})"
    found = agreement(judgments([list(r) for r in zip(*full, strict=True)]), measures=name, reps=0)
    assert found.find(name).value == pytest.approx(expected, abs=5e-6)


def test_perfect_agreement_and_none_at_all() -> None:
    grades = [1, 2, 3, 4, 5] * 8
    found = values(agreement(judgments([grades, grades])))
    assert {metric: found[metric] for metric in MEASURES} == dict.fromkeys(MEASURES, 1.0)
    same = agreement(judgments([[3] * 40, [3] * 40]))
    assert values(same)["alpha(ordinal)"] is None
    assert same.find("alpha(ordinal)").note == "no_variation"
    assert values(same)["AC1"] == 1
    alone = agreement(judgments([grades]))
    assert set(values(alone).values()) == {None}
    assert {(row.n, row.n_undefined, row.note) for row in alone} == {
        (0, 40, "no_pair_graded_twice")
    }


def test_neither_annotators_names_nor_row_order_matter() -> None:
    rng = np.random.default_rng(2)
    raters = [rng.integers(1, 6, 40).tolist() for _ in range(3)]
    before = agreement(judgments(raters))
    shuffled = judgments(raters).sample(fraction=1, shuffle=True, seed=3)
    assert agreement(shuffled) == before
    renamed = judgments(raters[::-1])
    assert values(agreement(renamed)) == pytest.approx(values(before))


def test_intervals_resample_queries_where_there_are_enough() -> None:
    rng = np.random.default_rng(1)
    hard = np.repeat(rng.random(40) < 0.5, 10)  # whole queries are easy or hard
    true = rng.integers(1, 6, 400)
    raters = [np.where(hard, rng.integers(1, 6, 400), true).tolist() for _ in range(3)]
    by_query = agreement(judgments(raters, per_query=10)).find("alpha(ordinal)")
    by_pair = agreement(judgments(raters, per_query=100)).find("alpha(ordinal)")
    assert by_query.value == pytest.approx(by_pair.value)
    assert (by_query.note, by_pair.note) == ("", "few_queries: 4; resampled_pairs")
    assert by_query.ci_high - by_query.ci_low > 1.5 * (by_pair.ci_high - by_pair.ci_low)


def test_each_annotator_against_all_others() -> None:
    rng = np.random.default_rng(6)
    true = rng.integers(1, 6, 600)
    raters = [np.clip(true + rng.integers(-1, 2, 600), 1, 5) for _ in range(3)]
    raters.append(rng.integers(1, 6, 600))  # guesses
    frame = judgments([r.tolist() for r in raters], per_query=10)
    results = agreement(frame, by="annotator")
    block = [r for r in results if r.metric == "kappa(weights=quadratic)"]
    assert [r.group for r in block] == ["all", "a0", "a1", "a2", "a3"]
    for own, row in enumerate(block[1:]):
        couples = [(raters[own], raters[other]) for other in range(4) if other != own]
        assert row.value == pytest.approx(pooled(couples), abs=1e-12)
        assert row.n == 600
    alphas = {r.group: r for r in results if r.metric == "alpha(ordinal)"}
    assert alphas["a3"].ci_high < 0.1 < 0.4 < alphas["a0"].ci_low
    near = np.mean([np.abs(raters[0] - raters[other]) <= 1 for other in (1, 2, 3)])
    assert results.find("within1", group="a0").value == pytest.approx(near)


def test_of_two_annotators_each_agrees_as_both_do() -> None:
    rng = np.random.default_rng(7)
    frame = judgments([rng.integers(1, 6, 300).tolist() for _ in range(2)], per_query=5)
    results = agreement(frame, by="annotator", reps=0)
    whole = values(results)
    assert values(results, "a0") == pytest.approx(whole)
    assert values(results, "a1") == pytest.approx(whole)


def test_an_annotator_who_graded_alone_has_no_agreement() -> None:
    frame = judgments([[1, 2, 3, None], [1, 2, 4, None], [None, None, None, 5]])
    row = agreement(frame, by="annotator").find("alpha(ordinal)", group="a2")
    assert (row.value, row.n, row.n_undefined, row.note) == (None, 0, 1, "no_pair_graded_twice")


def test_each_grade_against_the_rest() -> None:
    rng = np.random.default_rng(8)
    true = rng.integers(1, 6, 500)
    raters = [np.where(rng.random(500) < 0.3, rng.integers(1, 6, 500), true) for _ in range(3)]
    results = agreement(judgments([r.tolist() for r in raters], per_query=5), by="grade", reps=50)
    block = [r for r in results if r.metric == "specific"]
    assert [r.group for r in block] == ["all", "1", "2", "3", "4", "5"]
    couples = [(a, b) for a in range(3) for b in range(3) if a != b]
    again = [np.mean(raters[b][raters[a] == 4] == 4) for a, b in couples]
    given = [np.sum(raters[a] == 4) for a, _ in couples]
    assert block[4].value == pytest.approx(np.average(again, weights=given))
    fours = [[float(g == 4) for g in r] for r in raters]
    expected = krippendorff.alpha(np.array(fours), level_of_measurement="nominal")
    alone = results.find("alpha(nominal)", group="4")
    assert alone.value == pytest.approx(expected, abs=1e-12)
    assert alone.ci_low < alone.value < alone.ci_high
    assert results.find("alpha(ordinal)", group="4").note == "undefined_for_one_grade"
    same = np.mean([raters[a] == raters[b] for a, b in couples])
    assert results.find("specific").value == pytest.approx(same)


def test_a_grade_that_nobody_gave() -> None:
    row = agreement(judgments([[1, 2] * 20, [1, 2] * 20]), by="grade").find("specific", group="5")
    assert (row.value, row.n, row.note) == (None, 0, "grade_not_given_twice")


def test_without_resampling_there_are_figures_only() -> None:
    rng = np.random.default_rng(9)
    frame = judgments([rng.integers(1, 6, 400).tolist() for _ in range(2)])
    quick = agreement(frame, reps=0)
    assert values(quick) == values(agreement(frame))
    assert {(r.ci_low, r.note) for r in quick} == {(None, "no_interval")}


def test_groups_and_totals() -> None:
    rng = np.random.default_rng(1)
    raters = [rng.integers(1, 6, 90).tolist() for _ in range(2)]
    frame = judgments(raters)
    ids = frame["query_id"].unique().sort()
    queries = pl.DataFrame({"query_id": ids, "country": ["US", "FR", "JP"] * 30})
    results = agreement(frame, queries, by="country")
    block = [r for r in results if r.metric == "AC1"]
    assert [r.group for r in block] == ["all", "FR", "JP", "US", "(mean)"]
    assert block[-1].value == pytest.approx(np.mean([r.value for r in block[1:4]]))
    japanese = queries.filter(pl.col("country") == "JP")
    alone = agreement(frame.join(japanese, on="query_id", how="semi"))
    assert alone.find("AC1").value == pytest.approx(block[2].value)


def test_the_latest_grade_of_an_annotator_counts_and_empty_ones_do_not() -> None:
    frame = judgments([[1, 2, 3, 4, None], [1, 2, 3, 5, 5]])
    early = frame.with_columns(created_at=pl.datetime(2025, 1, 1), grade=pl.lit(5, dtype=pl.Int64))
    late = frame.with_columns(created_at=pl.datetime(2025, 2, 1))
    found = agreement(pl.concat([late, early]))
    assert values(found) == values(agreement(frame))
    assert found.find("within1").n == 4


def test_ordinal_weights() -> None:
    assert agreement_weights(np.arange(4.0), "ordinal")[0].tolist() == pytest.approx(
        [1, 1 - 1 / 6, 1 - 3 / 6, 0]
    )


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InputError, match="the judgments have no grade"):
        agreement(judgments([[None, None]]))
    with pytest.raises(InputError, match=r"grade must be 1-5, got 7 for query 'q000', pin 'p0000'"):
        agreement(judgments([[7], [1]]), scale=FIVE)
    with pytest.raises(InputError, match=r"'alpha\(ordinl\)' is unknown. Did you mean 'alpha\(ord"):
        agreement(judgments([[1], [1]]), measures="alpha(ordinl)")
    with pytest.raises(InputError, match=r"alpha\(ratio\) needs grades from 0 on"):
        agreement(judgments([[-1, 2], [1, 2]]), scale=TREC, measures="alpha(ratio)")


def population(n_queries: int, seed: int) -> pl.DataFrame:
    """Three of thirty annotators on each of five Pins a query; hard queries, partial annotators."""
    rng = np.random.default_rng(seed)
    n = n_queries * 5
    hard = rng.gamma(2, 0.4, n_queries).repeat(5)
    own = np.random.default_rng(99).normal(0, 0.3, 30)
    who = np.argsort(rng.random((n, 30)), axis=1)[:, :3]
    seen = rng.normal(3, 1.3, n)[:, None] + own[who] + hard[:, None] * rng.normal(0, 1, (n, 3))
    unit = np.arange(n).repeat(3)
    return pl.DataFrame({
        "query_id": (unit // 5).astype(str),
        "pin_id": unit.astype(str),
        "annotator": who.ravel().astype(str),
        "grade": np.clip(np.rint(seen), 1, 5).astype(np.int64).ravel(),
    })  # fmt: skip


@pytest.mark.slow
def test_intervals_cover_the_population() -> None:
    names = ("alpha(ordinal)", "kappa(weights=quadratic)", "AC2(weights=ordinal)", "within1")
    everyone = agreement(population(40_000, 10**6), measures=names, reps=0)
    truth = {row.metric: row.value for row in everyone}
    hits = dict.fromkeys(names, 0)
    for seed in range(300):
        for row in agreement(population(100, seed), measures=names, reps=1000):
            hits[row.metric] += row.ci_low <= truth[row.metric] <= row.ci_high
    assert all(0.915 <= hit / 300 <= 0.985 for hit in hits.values()), hits


@pytest.mark.data
def test_three_real_raters(data_dir: Path) -> None:
    path = data_dir / "chorus-3raters" / "Broad_Query_Set_individual_ratings.csv"
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    rows = [
        (row["query"], f"{row['docid']}#{i}", f"agent_{a}", int(row[f"agent_{a}_rating"]))
        for i, row in enumerate(read)
        for a in (1, 2, 3)
        if row[f"agent_{a}_rating"].strip()
    ]
    frame = pl.DataFrame(rows, schema=["query_id", "pin_id", "annotator", "grade"], orient="row")
    results = agreement(frame, scale=TREC)
    expected = {
        "alpha(nominal)": 0.6426,
        "alpha(ordinal)": 0.7695,
        "alpha(interval)": 0.7707,
        "kappa(weights=quadratic)": (0.799 + 0.776 + 0.737) / 3,  # of the couples, read off alone
    }
    for metric, value in expected.items():
        row = results.find(metric)
        assert row.value == pytest.approx(value, abs=5e-4), metric
        assert row.ci_low < row.value < row.ci_high


@pytest.mark.data
@pytest.mark.parametrize("name", ["dog", "bluebird", "rte", "weather", "trec-rf"])
def test_crowds(data_dir: Path, name: str) -> None:
    """Up to 766 workers, some of whom labelled an item twice: the last label counts."""
    labels = pl.read_csv(data_dir / "crowd-labels" / name / "label.csv")
    frame = labels.select(
        query_id=pl.col("item").cast(pl.String),
        pin_id=pl.lit("p"),
        annotator=pl.col("worker").cast(pl.String),
        grade=pl.col("label"),
    )
    last = labels.unique(["item", "worker"], keep="last", maintain_order=True)
    counts = (
        last.group_by("item", "label").len().pivot("label", index="item", values="len").fill_null(0)
    )
    levels = sorted(last["label"].unique().to_list())
    table = counts.select(str(level) for level in levels).to_numpy()
    results = agreement(frame, scale=TREC, by="annotator", reps=100)
    for kind in ("nominal", "ordinal", "interval"):
        row = results.find(f"alpha({kind})")
        expected = krippendorff.alpha(
            value_counts=table, value_domain=levels, level_of_measurement=kind
        )
        assert row.value == pytest.approx(expected, abs=1e-12)
        assert row.ci_low < row.value < row.ci_high
    assert row.n + row.n_undefined == last["item"].n_unique()
    workers = [r for r in results if r.slice == "annotator" and r.metric == "within1"]
    assert len(workers) == last["worker"].n_unique()
