import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from relevance.baselines import chance, from_score, majority
from relevance.errors import InputError

P = [f"p{grade}" for grade in range(1, 6)]


def _labelled(n: int = 600, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    generator = np.random.default_rng(seed)
    grades = generator.integers(1, 6, n)
    scores = np.round(grades + generator.normal(0, 1.5, n), 1)  # rounded: ties
    keys = {"query_id": [f"q{i // 10}" for i in range(n)], "pin_id": [f"p{i}" for i in range(n)]}
    return (
        pl.DataFrame({**keys, "grade": grades}),
        pl.DataFrame({**keys, "score": scores}),
    )


def test_a_score_on_a_curve_keeps_its_auroc() -> None:
    labels, scores = _labelled()
    predictions = from_score(scores, labels).join(labels, on=["query_id", "pin_id"])
    predictions = predictions.join(scores, on=["query_id", "pin_id"])
    for threshold in (3, 4, 5):
        truth = (predictions["grade"] >= threshold).to_numpy()
        at_least = predictions.select(pl.sum_horizontal(P[threshold - 1 :])).to_series().to_numpy()
        assert roc_auc_score(truth, at_least.round(9)) == pytest.approx(
            roc_auc_score(truth, predictions["score"].to_numpy()), abs=1e-9
        )


def test_the_curve_is_calibrated_where_the_model_is_true() -> None:
    labels, scores = _labelled(5_000)
    predictions = from_score(scores, labels).join(labels, on=["query_id", "pin_id"])
    for grade, column in enumerate(P, start=1):
        assert predictions[column].mean() == pytest.approx(
            (predictions["grade"] == grade).mean(), abs=0.03
        )


def test_every_baseline_gives_probabilities_in_key_order() -> None:
    labels, scores = _labelled(100)
    shuffled = scores.sample(fraction=1.0, shuffle=True, seed=3)
    for frame in (chance(shuffled), majority(shuffled, labels), from_score(shuffled, labels)):
        assert frame.select(pl.sum_horizontal(P)).to_series().to_numpy() == pytest.approx(1.0)
        assert frame.select(pl.min_horizontal(P)).to_series().min() >= 0
        assert frame["pin_id"].to_list() == scores.sort("query_id", "pin_id")["pin_id"].to_list()


def test_chance_does_not_depend_on_the_order_of_the_pairs() -> None:
    _, scores = _labelled(100)
    assert chance(scores).equals(chance(scores.reverse()))


def test_majority_predicts_the_commonest_grade() -> None:
    labels = pl.DataFrame({"query_id": ["a"] * 3, "pin_id": ["x", "y", "z"], "grade": [2, 5, 2]})
    row = majority(labels, labels).row(0, named=True)
    assert [row[name] for name in P] == pytest.approx([0, 2 / 3, 0, 0, 1 / 3])


def test_a_score_needs_labelled_pairs() -> None:
    labels, scores = _labelled(20)
    with pytest.raises(InputError, match="none of the training labels has a score"):
        from_score(scores, labels.with_columns(query_id=pl.lit("elsewhere")))
