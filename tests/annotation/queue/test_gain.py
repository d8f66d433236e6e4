from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.queue import best_loss, expected_gain, loss_matrix
from relevance.errors import InputError

LEVELS = np.arange(1.0, 6.0)


def test_a_coin_toss_by_hand():
    # Two grades, equally probable; a voter who is right with .8: the loss falls from .5 to .2.
    posterior = np.array([[0.5, 0.5]])
    confusion = np.array([[0.8, 0.2], [0.2, 0.8]])
    losses = loss_matrix(np.array([1.0, 2.0]), "zero-one")
    assert best_loss(posterior, losses) == pytest.approx([0.5])
    assert expected_gain(posterior, confusion, losses) == pytest.approx([0.3])
    # With .9 beforehand no single vote changes the decision (.9·.2 = .18 > .1·.8): worth nothing.
    assert expected_gain(np.array([[0.9, 0.1]]), confusion, losses) == pytest.approx([0.0])


def test_losses_by_hand():
    posterior = np.array([[0.0, 0.5, 0.0, 0.0, 0.5]])
    assert best_loss(posterior, loss_matrix(LEVELS, "absolute")) == pytest.approx([1.5])
    assert best_loss(posterior, loss_matrix(LEVELS, "quadratic")) == pytest.approx([2.5])
    assert best_loss(posterior, loss_matrix(LEVELS, "zero-one")) == pytest.approx([0.5])
    with pytest.raises(InputError, match="loss 'abs' is unknown"):
        loss_matrix(LEVELS, "abs")


def plain(p, confusion, losses):
    """The same, vote by vote and decision by decision."""
    k = len(p)
    now = min(sum(p[t] * losses[t][d] for t in range(k)) for d in range(k))
    after = 0.0
    for vote in range(k):
        chance = sum(p[t] * confusion[t][vote] for t in range(k))
        if chance > 0:
            then = [p[t] * confusion[t][vote] / chance for t in range(k)]
            after += chance * min(sum(then[t] * losses[t][d] for t in range(k)) for d in range(k))
    return now - after


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    loss=st.sampled_from(["absolute", "quadratic", "zero-one"]),
)
def test_gain_is_that_of_plain_python(seed, loss):
    rng = np.random.default_rng(seed)
    posterior = rng.dirichlet(np.full(5, 0.5), 4)
    confusion = rng.dirichlet(np.full(5, 0.7), 5)
    losses = loss_matrix(LEVELS, loss)
    found = expected_gain(posterior, confusion, losses)
    expected = [plain(list(p), confusion.tolist(), losses.tolist()) for p in posterior]
    assert found == pytest.approx(expected, abs=1e-12)
    assert (found >= 0).all()
    one_each = expected_gain(posterior, np.repeat(confusion[None], 4, axis=0), losses)
    assert one_each == pytest.approx(found)


def test_a_perfect_voter_takes_the_whole_loss_and_a_guesser_nothing():
    posterior = np.random.default_rng(0).dirichlet(np.ones(5), 10)
    losses = loss_matrix(LEVELS)
    assert expected_gain(posterior, np.eye(5), losses) == pytest.approx(
        best_loss(posterior, losses)
    )
    assert expected_gain(posterior, np.full((5, 5), 0.2), losses) == pytest.approx(np.zeros(10))
