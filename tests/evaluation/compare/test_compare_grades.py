"""`compare_grades`: paired differences of grade metrics, against scikit-learn and all swaps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, cohen_kappa_score, roc_auc_score

from evaluation.compare.grades import compare_grades
from evaluation.multiplicity import holm
from evaluation.pointwise import evaluate_grades
from relevance.errors import InputError
from relevance.provenance import hash_query
from relevance.results import PairedRow, Results

Floats = NDArray[np.float64]
COUNTRIES = ("US", "FR", "JP")
EVERY = "accuracy,within1,MAE,NLL,ECE,QWK,AUROC@3,AUROC@4,AUROC@5,AUPRC@4"


class World:
    """Pairs of queries with two models' predictions; the second knows `lift` times as much."""

    def __init__(
        self, n_queries: int, *, lift: float = 1.0, sharp: float = 1.0, size: int = 8, seed: int = 0
    ) -> None:
        rng = np.random.default_rng(seed)
        n = n_queries * size
        self.query = np.repeat(np.arange(n_queries), size)
        true = rng.normal(size=n) + 0.5 * rng.normal(size=n_queries)[self.query]
        self.grades = 1 + np.digitize(true, [-1.2, -0.4, 0.4, 1.2])
        shared = rng.normal(size=n)
        self.p = [
            self._soft(know * true + 0.5 * shared + rng.normal(size=n), width)
            for know, width in ((1.0, 1.0), (lift, sharp))
        ]
        keys = pl.DataFrame(
            {"query_id": [f"q{i:04d}" for i in self.query], "pin_id": [f"p{i}" for i in range(n)]}
        )
        self.qrels = keys.with_columns(grade=pl.Series(self.grades))
        self.old, self.new = (
            keys.with_columns(*(pl.Series(f"p{k + 1}", p[:, k]) for k in range(5)), model=pl.lit(m))
            for m, p in zip(("old", "new"), self.p, strict=True)
        )
        ids = keys["query_id"].unique().sort().to_list()
        self.queries = pl.DataFrame(
            {
                "query_id": ids,
                "country": [COUNTRIES[i % 3] for i in range(n_queries)],
                "traffic": [float(1 + i % 4) for i in range(n_queries)],
            }
        )

    @staticmethod
    def _soft(signal: Floats, sharp: float) -> Floats:
        powers = np.exp(-((sharp * (signal[:, None] - np.arange(-2, 3))) ** 2) / 2)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def mixed(self, swap: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Both models' predictions after swapping those queries."""
        rows = swap[self.query][:, None]
        return np.where(rows, self.p[1], self.p[0]), np.where(rows, self.p[0], self.p[1])


def find(results: Results, metric: str, group: str = "all") -> PairedRow:
    row = results.find(metric, group=group)
    assert isinstance(row, PairedRow)
    return row


def auroc(grades: NDArray[np.int64], p: Floats, threshold: int) -> float:
    return float(roc_auc_score(grades >= threshold, p[:, threshold - 1 :].sum(axis=1)))


def accuracy(grades: NDArray[np.int64], p: Floats) -> float:
    return float((p.argmax(axis=1) + 1 == grades).mean())


def mae(grades: NDArray[np.int64], p: Floats) -> float:
    return float(np.abs(p.argmax(axis=1) + 1 - grades).mean())


def qwk(grades: NDArray[np.int64], p: Floats) -> float:
    return float(cohen_kappa_score(grades, p.argmax(axis=1) + 1, weights="quadratic"))


def ece(grades: NDArray[np.int64], p: Floats) -> float:
    sure, hit = p.max(axis=1), p.argmax(axis=1) + 1 == grades
    at = np.clip(np.ceil(sure * 15).astype(int), 1, 15)
    return float(sum(abs((sure - hit)[at == b].sum()) for b in range(1, 16)) / len(sure))


ORACLES: dict[str, Callable[[NDArray[np.int64], Floats], float]] = {
    "accuracy": accuracy,
    "MAE": mae,
    "QWK": qwk,
    "ECE": ece,
}


def test_both_sides_are_what_grades_says_of_each() -> None:
    made = World(40, lift=1.5)
    results = compare_grades(
        made.old, made.new, made.qrels, made.queries, metrics=EVERY, by="country"
    )
    options: dict[str, Any] = {"metrics": EVERY, "by": "country"}
    sides = {
        "baseline": evaluate_grades(made.old, made.qrels, made.queries, **options, reps=0),
        "value": evaluate_grades(made.new, made.qrels, made.queries, **options),
    }
    for row in results:
        assert isinstance(row, PairedRow)
        for side, alone in sides.items():
            found = alone.find(row.metric, group=row.group)
            assert found is not None
            assert getattr(row, side) == pytest.approx(found.value)
            if side == "value":
                assert (row.ci_low, row.ci_high) == pytest.approx((found.ci_low, found.ci_high))
                assert row.n == found.n
        assert row.difference == pytest.approx((row.value or 0) - (row.baseline or 0))


@pytest.mark.parametrize("metric", ["accuracy", "MAE", "QWK", "ECE"])
def test_the_p_value_is_the_share_of_all_swaps(metric: str) -> None:
    made = World(7, lift=2.0, seed=3)
    figure = ORACLES[metric]
    observed = figure(made.grades, made.p[1]) - figure(made.grades, made.p[0])
    as_large = [
        abs(figure(made.grades, new) - figure(made.grades, old)) >= abs(observed) - 1e-12
        for old, new in _swaps(made)
    ]
    row = find(compare_grades(made.old, made.new, made.qrels, metrics=metric), metric)
    assert row.difference == pytest.approx(observed)
    assert row.p_value == pytest.approx(np.mean(as_large))


def _swaps(made: World) -> list[tuple[Floats, Floats]]:
    n_queries = made.query.max() + 1
    return [
        made.mixed(np.array(which)) for which in itertools.product([False, True], repeat=n_queries)
    ]


@pytest.mark.parametrize("threshold", [3, 4, 5])
def test_auroc_swaps_ranks_exactly(threshold: int) -> None:
    """All 2^7 mixtures of the two models' ranks, each measured by scikit-learn."""
    made = World(7, lift=2.0, sharp=2.0, seed=5)
    labels = made.grades >= threshold
    ranks = [rankdata(p[:, threshold - 1 :].sum(axis=1)) for p in made.p]
    observed = roc_auc_score(labels, ranks[1]) - roc_auc_score(labels, ranks[0])
    as_large = []
    for which in itertools.product([False, True], repeat=7):
        swap = np.array(which)[made.query]
        old, new = np.where(swap, ranks[1], ranks[0]), np.where(swap, ranks[0], ranks[1])
        gap = roc_auc_score(labels, new) - roc_auc_score(labels, old)
        as_large.append(abs(gap) >= abs(observed) - 1e-12)
    metric = f"AUROC@{threshold}"
    row = find(compare_grades(made.old, made.new, made.qrels, metrics=metric), metric)
    assert row.difference == pytest.approx(observed)
    assert row.p_value == pytest.approx(np.mean(as_large))


def test_intervals_are_those_of_a_plain_bootstrap_with_scikit_learn() -> None:
    made = World(60, lift=1.4, seed=1)
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(made.query == q) for q in range(60)]
    gaps: dict[str, list[float]] = {"AUROC@4": [], "accuracy": [], "AUPRC@4": []}
    for _ in range(200):
        drawn = np.concatenate([rows[q] for q in rng.integers(60, size=60)])
        grades, old, new = made.grades[drawn], made.p[0][drawn], made.p[1][drawn]
        gaps["AUROC@4"].append(auroc(grades, new, 4) - auroc(grades, old, 4))
        gaps["accuracy"].append(accuracy(grades, new) - accuracy(grades, old))
        precision = [average_precision_score(grades >= 4, p[:, 3:].sum(axis=1)) for p in (old, new)]
        gaps["AUPRC@4"].append(float(precision[1] - precision[0]))
    results = compare_grades(made.old, made.new, made.qrels, metrics=list(gaps))
    for metric, drawn_gaps in gaps.items():
        row = find(results, metric)
        low, high = np.quantile(drawn_gaps, [0.025, 0.975])
        for ends in ("difference_ci", "bootstrap_ci"):
            assert getattr(row, f"{ends}_low") == pytest.approx(low, abs=0.35 * (high - low))
            assert getattr(row, f"{ends}_high") == pytest.approx(high, abs=0.35 * (high - low))


def test_a_sharper_model_of_the_same_order_is_no_different_to_auroc() -> None:
    made = World(50)
    sharper = made.old.with_columns(
        *((pl.lit(0.5) * pl.col(f"p{k}")).alias(f"p{k}") for k in (1, 2, 3)), model=pl.lit("new")
    )
    rest = 1 - pl.sum_horizontal("p1", "p2", "p3")
    upper = pl.sum_horizontal("p4", "p5")
    sharper = sharper.with_columns(
        *((pl.col(f"p{k}") / upper * rest).alias(f"p{k}") for k in (4, 5))
    )
    row = find(compare_grades(made.old, sharper, made.qrels, metrics="AUROC@4"), "AUROC@4")
    assert row.difference == pytest.approx(0.0, abs=1e-12)
    assert row.p_value == 1.0


def test_equal_models_differ_by_nothing() -> None:
    made = World(20)
    same = made.old.with_columns(model=pl.lit("new"))
    for row in compare_grades(made.old, same, made.qrels, metrics=EVERY):
        assert isinstance(row, PairedRow)
        assert row.difference == 0
        assert row.p_value == 1.0
        assert (row.difference_ci_low, row.difference_ci_high) == pytest.approx((0, 0))


def test_wins_are_counted_by_query_in_the_direction_of_the_metric() -> None:
    made = World(30, lift=1.5)
    results = compare_grades(made.old, made.new, made.qrels, metrics="MAE,AUROC@4")
    by_query = [
        mae(made.grades[made.query == q], made.p[1][made.query == q])
        - mae(made.grades[made.query == q], made.p[0][made.query == q])
        for q in range(30)
    ]
    row = find(results, "MAE")
    assert row.n_wins == sum(gap < -1e-12 for gap in by_query)
    assert row.n_losses == sum(gap > 1e-12 for gap in by_query)
    assert find(results, "AUROC@4").n_wins is None


def test_holm_over_groups_candidates_and_metrics() -> None:
    made, other = World(45, lift=1.3), World(45, lift=1.6, seed=0)
    third = other.new.with_columns(model=pl.lit("third"))
    results = compare_grades(
        made.old, [made.new, third], made.qrels, made.queries, metrics="accuracy,AUROC@3",
        by="country",
    )  # fmt: skip
    rows = [row for row in results if isinstance(row, PairedRow)]
    for kept in (
        [row for row in rows if row.slice == "all"],
        [row for row in rows if row.group in COUNTRIES],
        [row for row in rows if row.group == "(mean)"],
        [row for row in rows if row.group == "(traffic)"],
    ):
        assert len(kept) >= 4
        wanted = holm([row.p_value or 0.0 for row in kept])
        assert [row.p_adjusted for row in kept] == pytest.approx(wanted.tolist())


def test_totals_weigh_the_groups() -> None:
    made = World(45, lift=1.5)
    results = compare_grades(
        made.old, made.new, made.qrels, made.queries, metrics="accuracy,ECE,AUROC@4", by="country"
    )
    for metric in ("accuracy", "ECE", "AUROC@4"):
        gaps = [find(results, metric, group).difference or 0.0 for group in COUNTRIES]
        mean = find(results, metric, "(mean)")
        assert mean.difference == pytest.approx(np.mean(gaps))
        assert mean.p_value is not None
        assert 0 < mean.p_value <= 1
        low, high = mean.difference_ci_low, mean.difference_ci_high
        assert low is not None
        assert high is not None
        assert low < (mean.difference or 0) < high


def test_only_pairs_that_both_predict_are_compared() -> None:
    made = World(20, lift=1.5)
    fewer = made.new.filter(pl.col("query_id") != "q0003")[:-2]
    row = find(compare_grades(made.old, fewer, made.qrels, metrics="accuracy"), "accuracy")
    kept = made.qrels.join(fewer, on=["query_id", "pin_id"], how="semi")
    both = [made.old.join(kept, on=["query_id", "pin_id"], how="semi"), fewer]
    alone = [evaluate_grades(f, kept, metrics="accuracy").find("accuracy") for f in both]
    assert (row.n, row.n_undefined) == (150, 10)
    assert row.baseline == pytest.approx(alone[0].value if alone[0] else None)
    assert "not_predicted: 10" in row.note


def test_seen_queries_are_left_out_and_counted() -> None:
    made = World(20)
    seen = {hash_query("q0000"), hash_query("q0001")}
    row = find(
        compare_grades(made.old, made.new, made.qrels, metrics="accuracy", seen=seen), "accuracy"
    )
    assert row.n == 18 * 8
    assert "seen_in_training: 2" in row.note


def test_one_class_and_a_single_query_say_so() -> None:
    made = World(1)
    row = find(compare_grades(made.old, made.new, made.qrels, metrics="accuracy"), "accuracy")
    assert row.difference is not None
    assert (row.p_value, row.difference_ci_low) == (None, None)
    assert "one_query" in row.note
    high = made.qrels.with_columns(grade=pl.lit(5, dtype=pl.Int64))
    row = find(compare_grades(made.old, made.new, high, metrics="AUROC@4"), "AUROC@4")
    assert (row.value, row.difference, row.p_value) == (None, None, None)
    assert "one_class" in row.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: (pl.concat([w.old, w.new]), w.new), "are of 2 models"),
        (lambda w: (w.old, [w.new, w.new]), "two models are called 'new'"),
        (lambda w: (w.old, w.old), "two models are called 'old'"),
        (lambda w: (w.old, []), "there is no candidate"),
        (lambda w: (w.old, w.new.drop("p3")), "no column 'p3'"),
        (
            lambda w: (
                w.old.filter(pl.col("query_id") < "q0003"),
                w.new.filter(pl.col("query_id") > "q0005"),
            ),
            "no graded pair in common",
        ),
    ],
)
def test_what_cannot_be_compared(
    change: Callable[[World], tuple[pl.DataFrame, pl.DataFrame]], message: str
) -> None:
    made = World(10)
    baseline, candidate = change(made)
    with pytest.raises(InputError, match=message):
        compare_grades(baseline, candidate, made.qrels, metrics="accuracy")


def test_an_unknown_adjustment_is_told_before_any_work() -> None:
    made = World(5)
    with pytest.raises(InputError, match="adjustment 'hom' is unknown"):
        compare_grades(made.old, made.new, made.qrels, adjust="hom")


def test_many_queries_agree_with_few_drawn_swaps() -> None:
    """Beyond the enumerated sizes drawn swaps give the p-value that Student's t gives nearly."""
    made = World(150, lift=1.15, seed=4)
    for row in compare_grades(made.old, made.new, made.qrels, metrics="accuracy,QWK,AUROC@4"):
        assert isinstance(row, PairedRow)
        assert row.p_value == pytest.approx(row.p_value_t, abs=0.05)


@pytest.mark.slow
def test_the_test_holds_its_level_and_intervals_cover() -> None:
    """400 worlds in which the models are as good as each other: 5 % of the tests may reject."""
    metrics = ("accuracy", "ECE", "AUROC@4")
    rejected = dict.fromkeys(metrics, 0)
    covered = dict.fromkeys(metrics, 0)
    for seed in range(400):
        made = World(40, sharp=1.0, seed=seed)
        results = compare_grades(
            made.old, made.new, made.qrels, metrics=metrics, flips=1_000, reps=200, seed=seed
        )
        for metric in metrics:
            row = find(results, metric)
            rejected[metric] += (row.p_value or 1) < 0.05
            covered[metric] += (row.difference_ci_low or 0) <= 0 <= (row.difference_ci_high or 0)
    assert all(8 <= count <= 34 for count in rejected.values()), rejected
    assert all(366 <= count <= 394 for count in covered.values()), covered
