"""Weighted areas: those of the unweighted functions, of repeated pairs, and of sklearn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics.threshold import auprc, auroc
from evaluation.sampled.areas import weighted_auprc, weighted_auroc

PAIRS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 4)), min_size=2, max_size=30
)
BOTH = [(weighted_auroc, auroc), (weighted_auprc, auprc)]


@pytest.mark.parametrize(("weighted", "plain"), BOTH, ids=["AUROC", "AUPRC"])
@settings(max_examples=60)
@given(pairs=PAIRS)
def test_a_whole_weight_is_as_many_equal_pairs(
    weighted: Callable, plain: Callable, pairs: list[tuple[bool, int, int]]
) -> None:
    labels, scores, weights = (np.array(column) for column in zip(*pairs, strict=True))
    area, moved = weighted(labels, scores.astype(float), weights.astype(float))
    again, each = plain(np.repeat(labels, weights), np.repeat(scores.astype(float), weights))
    assert area == pytest.approx(again, abs=1e-12, nan_ok=True)
    starts = np.cumsum(weights) - weights
    assert moved == pytest.approx(np.add.reduceat(each, starts), abs=1e-12)
    assert moved.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("weighted", "name"), [(weighted_auroc, "roc"), (weighted_auprc, "prc")])
def test_any_weights_are_those_of_sklearn(weighted: Callable, name: str) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(2)
    labels = rng.random(300) < 0.3
    scores = np.round(rng.normal(labels * 1.0), 1)
    weights = rng.uniform(0.5, 9, 300)
    oracle = roc_auc_score if name == "roc" else average_precision_score
    area, moved = weighted(labels, scores, weights)
    assert area == pytest.approx(oracle(labels, scores, sample_weight=weights), abs=1e-12)
    for row in (0, 7, 130):
        heavier = weights.copy()
        heavier[row] *= 1 + 1e-6
        assert (weighted(labels, scores, heavier)[0] - area) / 1e-6 == pytest.approx(
            moved[row], rel=1e-3, abs=1e-8
        )


def test_one_class_has_no_area() -> None:
    for weighted in (weighted_auroc, weighted_auprc):
        area, moved = weighted(np.ones(3, dtype=bool), np.arange(3.0), np.ones(3))
        assert np.isnan(area)
        assert not moved.any()
