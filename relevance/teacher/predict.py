"""Probabilities of the five grades for encoded pairs: length-sorted batches, results in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from relevance.progress import Progress, silent
from relevance.teacher.encode import Encoded, Encoder
from relevance.teacher.model import Teacher
from relevance.training import length_batches

Floats = NDArray[np.float64]
BATCH_TOKENS = 2048
PROBABILITIES = ("p1", "p2", "p3", "p4", "p5")


def predict_logits(
    teacher: Teacher,
    encoder: Encoder,
    pairs: Sequence[Encoded],
    *,
    batch_tokens: int = BATCH_TOKENS,
    progress: Progress = silent,
) -> Floats:
    """Logits of `pairs`, of shape (pairs, 5), whatever the batches.

    Args:
        teacher: In evaluation mode; in bf16 it computes in bf16.
        encoder: Lays out the batches.
        pairs: Encoded pairs.
        batch_tokens: Tokens of a batch, padding included.
        progress: Told of pairs done.
    """
    logits = np.zeros((len(pairs), len(PROBABILITIES)))
    done = 0
    with torch.inference_mode():
        for batch in length_batches([len(pair) for pair in pairs], tokens=batch_tokens):
            outputs = teacher(**encoder.batch([pairs[index] for index in batch]))
            logits[batch] = outputs.double().cpu().numpy()
            done += len(batch)
            progress(done, len(pairs), "")
    return logits


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Rows of probabilities from rows of logits divided by `temperature`."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def predictions_frame(keys: pl.DataFrame, probabilities: Floats, model: str) -> pl.DataFrame:
    """A `predictions` frame: query_id and pin_id of `keys`, p1…p5, model."""
    columns = {name: probabilities[:, at] for at, name in enumerate(PROBABILITIES)}
    return keys.select("query_id", "pin_id").with_columns(
        *(pl.Series(name, values) for name, values in columns.items()), pl.lit(model).alias("model")
    )


def negative_log_likelihood(logits: Floats, targets: Floats, temperature: float = 1.0) -> float:
    """Mean cross-entropy in nats of soft `targets` (rows sum to 1) under the model."""
    likely = np.log(np.maximum(softmax(logits, temperature), 1e-12))
    return float(-(targets * likely).sum(axis=1).mean())


def fit_temperature(logits: Floats, targets: Floats) -> float:
    """The temperature in [0.25, 4] of least negative log-likelihood (Guo et al. 2017, section 4.2).

    1 without any row. Golden-section search on the logarithm, where the loss has one minimum.
    """
    if not len(logits):
        return 1.0
    low, high = np.log(0.25), np.log(4.0)
    ratio = (np.sqrt(5.0) - 1) / 2
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if negative_log_likelihood(logits, targets, float(np.exp(left))) < negative_log_likelihood(
            logits, targets, float(np.exp(right))
        ):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
