"""Rows of the long table: order, totals, notes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from scipy import stats

from evaluation.intervals import Ratio
from evaluation.metrics import Measure, parse, parse_all
from evaluation.slices import Cell, CellOf, Group, groups_of, note_of, tabulate
from relevance.results import Row

NDCG = parse("nDCG@20")


def groups_by(country: list[str | None], **columns: object) -> list[Group]:
    ids = pl.Series([f"q{i:03d}" for i in range(len(country))])
    queries = pl.DataFrame({"query_id": ids, "country": country, **columns})
    return groups_of(ids, queries, "country")


def cells(values: np.ndarray, notes: Mapping[str, int | None] | None = None) -> CellOf:
    """What each group's cell is, from the values of all queries; NaN = undefined."""

    def cell_of(measure: Measure, group: Group) -> Cell:
        mine = values[group.queries]
        defined = ~np.isnan(mine)
        statistic = Ratio(np.where(defined, mine, 0.0), defined.astype(float))
        return Cell(statistic, int(defined.sum()), int((~defined).sum()), notes or {})

    return cell_of


def find(rows: list[Row], group: str) -> Row:
    (row,) = [row for row in rows if row.group == group]
    return row


def test_a_block_a_metric_each_with_all_the_groups_and_the_totals() -> None:
    groups = groups_by(["US", "FR"] * 12, traffic=[1, 3] * 12)
    measures = parse_all("nDCG@20,P@8")
    rows = tabulate("run", measures, groups, cells(np.arange(24) / 24))
    order = ["all", "FR", "US", "(mean)", "(traffic)"]
    assert [(r.metric, r.group) for r in rows] == [
        (metric, group) for metric in ("nDCG@20", "P@8") for group in order
    ]
    france, us = find(rows[:5], "FR").value, find(rows[:5], "US").value
    assert find(rows[:5], "(mean)").value == pytest.approx((france + us) / 2)
    assert find(rows[:5], "(traffic)").value == pytest.approx((3 * france + us) / 4)
    assert {r.slice for r in rows} == {"all", "country"}


def test_every_split_has_its_own_totals() -> None:
    ids = pl.Series([f"q{i:03d}" for i in range(40)])
    queries = pl.DataFrame(
        {"query_id": ids, "country": ["US", "FR"] * 20, "kind": [1, 1, 2, 2] * 10}
    )
    groups = groups_of(ids, queries, ["country", "country:kind"])
    rows = tabulate("run", [NDCG], groups, cells(np.arange(40) / 40))
    assert [(r.slice, r.group) for r in rows[4:]] == [
        ("country:kind", g) for g in ("FR:1", "FR:2", "US:1", "US:2", "(mean)")
    ]


def test_a_definition_stands_in_every_row() -> None:
    groups = groups_by(["US", "FR"] * 12)
    rows = tabulate("run", [NDCG], groups, cells(np.ones(24)), define=lambda m: f"of {m!r}")
    assert {row.definition for row in rows} == {"of nDCG@20"}


def test_few_queries_are_said_first_and_the_figure_stays() -> None:
    groups = groups_by(["US"] * 20 + ["FR"] * 9)
    values = np.random.default_rng(0).random(29)
    rows = tabulate("run", [NDCG], groups, cells(values, {"missing": 2}))
    assert find(rows, "FR").note == "few_queries: 9; missing: 2"
    assert find(rows, "FR").value == pytest.approx(values[20:].mean())
    assert find(rows, "US").note == "missing: 2"
    assert find(rows, "all").note == "missing: 2"


def test_a_group_with_nothing_has_a_row_and_a_reason() -> None:
    groups = groups_by(["US"] * 12 + ["FR"])
    values = np.append(np.arange(12) / 12, np.nan)
    rows = tabulate("run", [NDCG], groups, cells(values, {"no_relevant": 1}))
    france = find(rows, "FR")
    assert (france.value, france.ci_low, france.n_undefined) == (None, None, 1)
    assert france.note == "no_relevant: 1"
    assert find(rows, "(mean)").note == "groups: 1; undefined_groups: 1"
    bare = tabulate("run", [NDCG], groups, cells(values))
    assert find(bare, "FR").note == "undefined"
    none = tabulate("run", [NDCG], groups, lambda m, g: Cell(None, 0, 3, {"no_pair": None}))
    assert find(none, "(mean)").note == "undefined_groups: 2; no_group"


def test_a_group_of_one_query_leaves_the_total_without_an_interval() -> None:
    groups = groups_by(["US"] * 12 + ["FR"])
    rows = tabulate("run", [NDCG], groups, cells(np.arange(13) / 13))
    assert find(rows, "FR").note == "few_queries: 1; one_query"
    mean = find(rows, "(mean)")
    assert mean.value == pytest.approx((5.5 + 12) / 26)
    assert mean.ci_low is None
    assert mean.note == "groups: 2; one_query_groups: 1"


def test_heterogeneity_is_told_in_the_mean_row_alone() -> None:
    rng = np.random.default_rng(4)
    country = ["US"] * 30 + ["FR"] * 40 + ["JP"] * 50
    values = rng.normal(0.5, 0.1, 120) + np.repeat([0.0, 0.1, 0.2], [30, 40, 50])
    rows = tabulate("run", [NDCG], groups_by(country, traffic=1), cells(values))
    parts = np.split(values, [30, 70])
    mean = np.array([p.mean() for p in parts])
    weight = np.array([len(p) / p.var(ddof=1) for p in parts])
    q = float(weight @ (mean - weight @ mean / weight.sum()) ** 2)
    p = stats.f_oneway(*parts, equal_var=False).pvalue
    expected = f"groups: 3; Q: {q:.1f}; df: 2; p: {p:.2g}; I2: {(q - 2) / q:.2f}"
    assert find(rows, "(mean)").note == expected
    assert all("Q:" not in row.note for row in rows if row.group != "(mean)")


def test_groups_with_few_queries_do_not_make_heterogeneity() -> None:
    """Two queries that happen to agree would otherwise outweigh everything."""
    values = np.random.default_rng(0).random(62)
    values[60:] = 0.999, 0.9991
    groups = groups_by(["US", "FR"] * 30 + ["JP"] * 2)
    note = find(tabulate("run", [NDCG], groups, cells(values)), "(mean)").note
    assert "groups: 3; " in note
    assert "df: 1; " in note
    assert float(note.split("p: ")[1].split(";")[0]) > 0.01
    alone = groups_by(["US"] * 60 + ["JP"] * 2)
    assert "Q:" not in find(tabulate("run", [NDCG], alone, cells(values)), "(mean)").note


def test_no_replicates_no_interval() -> None:
    groups = groups_by(["US", "FR"] * 12)
    rows = tabulate("run", [NDCG], groups, cells(np.arange(24) / 24), reps=0)
    assert {(row.ci_low, row.ci_high) for row in rows} == {(None, None)}
    assert all(row.value is not None and "no_interval" in row.note for row in rows)


def test_an_asked_for_resampling_is_done_and_agrees_with_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    groups = groups_by(["US", "FR"] * 2_500)
    values = rng.beta(6, 2, 5_000)
    computed = tabulate("run", [NDCG], groups, cells(values))
    drawn = tabulate("run", [NDCG], groups, cells(values), resample=True)
    for one, other in zip(computed, drawn, strict=True):
        assert one.value == other.value
        assert one.ci_low != other.ci_low
        width = one.ci_high - one.ci_low
        assert (one.ci_low, one.ci_high) == pytest.approx(
            (other.ci_low, other.ci_high), abs=0.06 * width
        )


def test_drawn_grades_widen_the_interval_and_are_told() -> None:
    groups = groups_by(["US"] * 20 + ["FR"] * 20, traffic=1)
    values = np.random.default_rng(0).uniform(0.4, 0.6, 40)
    plain = tabulate("run", [NDCG], groups, cells(values))
    noise = {(NDCG, g.key): values[g.queries].mean() + np.linspace(-0.1, 0.06, 100) for g in groups}
    noisy = tabulate("run", [NDCG], groups, cells(values), noise=noise)
    for before, after in zip(plain, noisy, strict=True):
        assert after.value == before.value
        assert after.ci_low < before.ci_low - 0.02
        assert after.ci_high > before.ci_high + 0.02
        assert "label_noise: 100 draws" in after.note
        assert f"posterior_mean: {before.value - 0.02:.4f}" in after.note


def test_drawn_grades_of_some_groups_say_nothing_of_the_others() -> None:
    groups = groups_by(["US"] * 20 + ["FR"] * 20)
    values = np.random.default_rng(0).random(40)
    noise = {(NDCG, "country=FR"): np.array([0.2, np.nan, 0.3])}
    rows = tabulate("run", [NDCG], groups, cells(values), noise=noise)
    told = {row.group: row.note for row in rows if "label_noise" in row.note}
    assert told == {"FR": "label_noise: 3 draws; undefined_draws: 1; posterior_mean: 0.2500"}


def test_drawn_grades_do_not_carry_an_interval_beyond_the_metrics_bounds() -> None:
    groups = groups_by(["US"] * 20)[:1]
    values = np.random.default_rng(0).uniform(0.95, 1.0, 20)
    rows = tabulate(
        "run", [NDCG], groups, cells(values), noise={(NDCG, "all=all"): np.full(9, 0.8)}
    )
    assert rows[0].ci_high == 1.0
    assert rows[0].ci_low < 0.85


def test_note_of_leaves_out_zeros_but_not_words() -> None:
    notes = {"no_relevant": 3, "one_class": None, "missing": 0, "I2": "0"}
    assert note_of(notes) == "no_relevant: 3; one_class; I2: 0"


def test_why_nothing_is_weighted_by_traffic() -> None:
    from evaluation.ranking import evaluate_ranking

    ids = [f"q{i}" for i in range(24)]
    pairs = [(q, f"p{j}") for q in ids for j in range(3)]
    runs = pl.DataFrame(pairs, schema=["query_id", "pin_id"], orient="row").with_columns(
        score=pl.Series([float(j) for _ in ids for j in range(3)])
    )
    qrels = runs.with_columns(
        grade=pl.Series([1 + (i + j) % 5 for i in range(24) for j in range(3)])
    )
    queries = pl.DataFrame({"query_id": ids, "country": ["US", "FR"] * 12})

    def note(traffic: list[float | None]) -> tuple[str, bool]:
        table = queries.with_columns(traffic=pl.Series(traffic, dtype=pl.Float64))
        found = evaluate_ranking(runs, qrels, table, by="country", metrics="P@2")
        mean = found.find("P@2", group="(mean)")
        assert mean is not None
        return mean.note, found.find("P@2", group="(traffic)") is not None

    assert note([1.0, 2.0] * 12)[1]
    partly, shown = note([1.0, None] * 12)
    assert "no_traffic: 1" in partly
    assert not shown
    assert "no_traffic: 2" in note([0.0, 0.0] * 12)[0]
    assert "no_traffic" not in note([None, None] * 12)[0]
