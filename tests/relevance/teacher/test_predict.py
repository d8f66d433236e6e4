from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from relevance.teacher.bases import Base
from relevance.teacher.encode import PairEncoder, read_tokenizer
from relevance.teacher.model import Teacher, new_teacher
from relevance.teacher.predict import (
    fit_temperature,
    negative_log_likelihood,
    predict_logits,
    softmax,
)
from relevance.teacher.tuning import Tuning
from relevance.teacher.weights import prepare_weights

QUERIES = ["red desk", "oak", "small modern lamp", "blue rug"] * 3
PINS = ["blue desk", "the large old sofa with a lamp for the table", "", "red rug"] * 3


@pytest.fixture
def encoder(tiny_base: Base, tiny_package: Path) -> PairEncoder:
    return PairEncoder(read_tokenizer(tiny_package), tiny_base, max_tokens=64)


def _teacher(base: Base, pooling: str) -> Teacher:
    weights = prepare_weights(base)
    teacher = new_teacher(weights, tuning=Tuning(frozen_layers=0), dropout=0.5, seed=1)
    teacher.pooling = pooling
    return teacher.eval()


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_neither_batches_nor_padding_change_a_label(
    tiny_base: Base, encoder: PairEncoder, pooling: str
) -> None:
    teacher = _teacher(tiny_base, pooling)
    pairs = encoder.encode(QUERIES, PINS)
    alone = predict_logits(teacher, encoder, pairs, batch_tokens=1)
    together = predict_logits(teacher, encoder, pairs, batch_tokens=10_000)
    np.testing.assert_allclose(alone, together, atol=2e-6)
    assert np.ptp(alone, axis=0).max() > 1e-3  # the pairs do differ


def test_results_keep_the_order_of_the_pairs(tiny_base: Base, encoder: PairEncoder) -> None:
    teacher = _teacher(tiny_base, "mean")
    pairs = encoder.encode(QUERIES, PINS)
    logits = predict_logits(teacher, encoder, pairs, batch_tokens=40)
    backwards = predict_logits(teacher, encoder, pairs[::-1], batch_tokens=40)
    np.testing.assert_allclose(logits, backwards[::-1], atol=2e-6)


def test_last_pooling_takes_the_last_token_that_is_not_padding(
    tiny_base: Base, encoder: PairEncoder
) -> None:
    teacher = _teacher(tiny_base, "last")
    batch = encoder.batch(encoder.encode(["red", "red"], ["sofa", "the blue sofa"]))
    with torch.no_grad():
        states = teacher.encoder(**batch).last_hidden_state
        expected = teacher.head(torch.stack([states[0, 5], states[1, 7]]))
        torch.testing.assert_close(teacher(**batch), expected)


def test_softmax_rows_sum_to_one_even_for_large_logits() -> None:
    rows = softmax(np.array([[1000.0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]))
    np.testing.assert_allclose(rows, [[1, 0, 0, 0, 0], [0.2] * 5])


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_temperature_is_found_back(true: float) -> None:
    logits = np.random.default_rng(0).normal(size=(400, 5)) * 3
    targets = softmax(logits, true)
    found = fit_temperature(logits, targets)
    assert found == pytest.approx(true, rel=1e-3)
    assert negative_log_likelihood(logits, targets, found) <= negative_log_likelihood(
        logits, targets
    )


def test_temperature_of_nothing_is_one() -> None:
    assert fit_temperature(np.zeros((0, 5)), np.zeros((0, 5))) == 1.0
