from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from relevance.errors import InputError
from relevance.teacher.losses import (
    LOSSES,
    choose_loss,
    class_weights,
    cross_entropy,
    prior_shift,
    ranked_cross_entropy,
)
from relevance.teacher.predict import softmax

RNG = np.random.default_rng(0)
LOGITS = torch.from_numpy(RNG.normal(size=(40, 5)) * 2)
SOFT = torch.from_numpy(RNG.dirichlet(np.ones(5), 40))
GRADES = torch.from_numpy(RNG.integers(0, 5, 40))
HARD = torch.nn.functional.one_hot(GRADES, 5).double()

rows = st.lists(st.floats(-8, 8), min_size=5, max_size=5)
labels = st.lists(st.floats(0.01, 1), min_size=5, max_size=5)


def _unit(masses: list[float]) -> torch.Tensor:
    return torch.tensor([masses], dtype=torch.float64) / sum(masses)


def test_cross_entropy_is_torchs_for_soft_and_hard_labels() -> None:
    oracle = torch.nn.functional.cross_entropy
    torch.testing.assert_close(cross_entropy(LOGITS, SOFT), oracle(LOGITS, SOFT, reduction="none"))
    torch.testing.assert_close(
        cross_entropy(LOGITS, HARD), oracle(LOGITS, GRADES, reduction="none")
    )


def test_class_weighted_masses_give_torchs_weighted_mean() -> None:
    weights = torch.tensor([3.0, 0.5, 1, 1, 2], dtype=torch.float64)
    masses = HARD * weights
    ours = cross_entropy(LOGITS, masses).sum() / masses.sum()
    torch.testing.assert_close(
        ours, torch.nn.functional.cross_entropy(LOGITS, GRADES, weight=weights)
    )


def test_ranked_cross_entropy_is_the_mean_of_four_binary_ones() -> None:
    below = torch.softmax(LOGITS, 1).cumsum(1)[:, :4]
    truth = SOFT.cumsum(1)[:, :4].clamp(0, 1)
    oracle = torch.nn.functional.binary_cross_entropy(below, truth, reduction="none").mean(1)
    torch.testing.assert_close(ranked_cross_entropy(LOGITS, SOFT), oracle)


@given(rows, labels)
@pytest.mark.parametrize("name", ["soft", "ordinal"])
def test_no_prediction_is_better_than_the_label_itself(
    name: str, logits: list[float], masses: list[float]
) -> None:
    label = _unit(masses)
    loss = LOSSES[name]
    truth = float(loss(label.log(), label))
    other = torch.tensor([logits], dtype=torch.float64)
    apart = float((torch.softmax(other, 1) - label).abs().max())
    assert float(loss(other, label)) >= truth - 1e-9
    if apart > 0.01:
        assert float(loss(other, label)) > truth  # strictly proper


def test_only_the_ordinal_loss_minds_how_far_a_grade_is_missed() -> None:
    label = torch.tensor([[0, 0, 0, 0, 1.0]])
    near, far = torch.tensor([[0, 0, 0, 4.0, 0]]), torch.tensor([[4.0, 0, 0, 0, 0]])
    assert float(ranked_cross_entropy(far, label)) > 2 * float(ranked_cross_entropy(near, label))
    torch.testing.assert_close(cross_entropy(near, label), cross_entropy(far, label))


@given(rows)
def test_losses_stay_finite_for_certain_and_wrong_predictions(logits: list[float]) -> None:
    sure = (torch.tensor([logits]) * 100).requires_grad_()
    for loss in LOSSES.values():
        value = loss(sure, torch.tensor([[1.0, 0, 0, 0, 0]])).sum()
        (gradient,) = torch.autograd.grad(value, sure)
        assert bool(torch.isfinite(value))
        assert bool(torch.isfinite(gradient).all())


def test_balanced_weights_are_scikit_learns() -> None:
    grades = RNG.choice([0, 2, 3, 4], 300, p=[0.7, 0.1, 0.15, 0.05])
    ours = class_weights(np.eye(5)[grades], balanced=True)
    theirs = compute_class_weight("balanced", classes=np.array([0, 2, 3, 4]), y=grades)
    np.testing.assert_allclose(ours[[0, 2, 3, 4]], theirs)
    assert ours[1] == 1  # nobody gave that grade
    np.testing.assert_array_equal(class_weights(np.eye(5)[grades], balanced=False), np.ones(5))
    np.testing.assert_array_equal(class_weights(np.zeros((0, 5)), balanced=True), np.ones(5))


@given(labels, labels)
@pytest.mark.parametrize("name", ["soft", "ordinal"])
def test_the_prior_shift_gives_the_datas_probabilities_back(
    name: str, masses: list[float], weights: list[float]
) -> None:
    """The best prediction under class weights is w_g P(g), which the shift turns into P(g)."""
    label, given_weights = _unit(masses), torch.tensor(weights, dtype=torch.float64)
    weighted = label * given_weights
    learned = weighted.log().requires_grad_()
    (gradient,) = torch.autograd.grad(LOSSES[name](learned, weighted).sum(), learned)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)
    logits = learned.detach().numpy() + prior_shift(given_weights.numpy())
    np.testing.assert_allclose(softmax(logits), label.numpy(), atol=1e-9)


def test_auto_takes_soft_labels_where_there_are_any() -> None:
    assert choose_loss("auto", soft_labels=True) == "soft"
    assert choose_loss("auto", soft_labels=False) == "hard"
    assert choose_loss("ordinal", soft_labels=False) == "ordinal"
    with pytest.raises(InputError, match=r"soft needs p1…p5 .*or use --loss hard"):
        choose_loss("soft", soft_labels=False)
