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

from evaluation.agreement import MEASURES, agreement, ordinal_weights
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
    assert found["AC1"] == pytest.approx(0.775, abs=5e-4)
    # Gwet's own implementation: .968 agreement, .685 by chance
    assert found["AC2(weights=ordinal)"] == pytest.approx(0.899, abs=5e-4)
    row = results.find("AC1")
    assert (row.n, row.n_undefined, row.note) == (11, 1, "resampled_pairs")
    assert row.ci_low < row.value < row.ci_high


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


def test_kappa_of_many_annotators_is_the_mean_of_their_couples() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(1, 6, 80)
    raters = [np.clip(true + rng.integers(-1, 2, 80), 1, 5).tolist() for _ in range(3)]
    couples = [(0, 1), (0, 2), (1, 2)]
    each = [cohen_kappa_score(raters[a], raters[b], weights="quadratic") for a, b in couples]
    found = values(agreement(judgments(raters)))
    assert found["kappa(weights=quadratic)"] == pytest.approx(np.mean(each), abs=1e-12)


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
    assert (by_query.note, by_pair.note) == ("", "resampled_pairs")
    assert by_query.ci_high - by_query.ci_low > 1.5 * (by_pair.ci_high - by_pair.ci_low)


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
    assert ordinal_weights(4)[0].tolist() == pytest.approx([1, 1 - 1 / 6, 1 - 3 / 6, 0])


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InputError, match="the judgments have no grade"):
        agreement(judgments([[None, None]]))
    with pytest.raises(InputError, match=r"grade must be 1-5, got 7 for query 'q000', pin 'p0000'"):
        agreement(judgments([[7], [1]]), scale=FIVE)


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
        "kappa(weights=quadratic)": (0.799 + 0.776 + 0.737) / 3,
    }
    for metric, value in expected.items():
        row = results.find(metric)
        assert row.value == pytest.approx(value, abs=5e-4), metric
        assert row.ci_low < row.value < row.ci_high
