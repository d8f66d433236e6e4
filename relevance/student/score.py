"""Scores pairs with a student: halves once a query and once a Pin, then joined in batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from relevance.blend import PROBABILITIES
from relevance.features import StudentInputs, context
from relevance.progress import Progress, silent
from relevance.student.folder import load_student
from relevance.student.matrix import Matrices
from relevance.student.model import Student
from relevance.training import threads as use_threads

_BATCH = 8192
_PAIRS_AT_ONCE = 1 << 21


def score_pairs(
    pairs: pl.DataFrame,
    inputs: StudentInputs,
    model: Path,
    *,
    name: str | None = None,
    threads: int | None = 1,
    progress: Progress = silent,
) -> pl.DataFrame:
    """The student's probabilities of the five grades.

    Args:
        pairs: query_id, pin_id; columns of the log are taken from `inputs.pairs` where missing.
        inputs: What the features are computed from.
        model: Folder of the student.
        name: Name of the model in the table; None = the folder's.
        threads: Processor threads; None = every core.
        progress: Told of pairs done.

    Returns:
        query_id, pin_id, p1…p5, model; rows as in `pairs`.

    Raises:
        MissingInputError: There is no model.
        ModelError: It is damaged, or was trained on embeddings of another kind.
        InputError: A pair names a query or Pin that is not there.
    """
    student = load_student(model)
    student.check(inputs)
    parts = []
    with use_threads(threads), torch.inference_mode():
        for start in range(0, max(pairs.height, 1), _PAIRS_AT_ONCE):
            part = pairs.slice(start, _PAIRS_AT_ONCE)
            matrices = student.statistics.transform(context(part, inputs))
            logits = predict(student.network, tensors_of(matrices))
            parts.append(predictions_frame(part, logits, name or model.name))
            progress(start + part.height, pairs.height)
    return pl.concat(parts)


@dataclass(frozen=True, slots=True)
class Tensors:
    """`Matrices` as tensors; the rows of query and Pin are distinct ones."""

    query_numbers: Tensor
    query_categories: Tensor
    pin_numbers: Tensor
    pin_categories: Tensor
    pair_numbers: Tensor
    query_rows: Tensor
    pin_rows: Tensor

    def batch(self, rows: Tensor, category_dropout: float = 0.0) -> tuple[Tensor, ...]:
        """The network's inputs for some pairs, a share of the categories hidden (code 0)."""
        query, pin = self.query_rows[rows], self.pin_rows[rows]
        return (
            self.query_numbers[query],
            _hidden(self.query_categories[query], category_dropout),
            self.pin_numbers[pin],
            _hidden(self.pin_categories[pin], category_dropout),
            self.pair_numbers[rows],
        )


def tensors_of(matrices: Matrices) -> Tensors:
    """The matrices as tensors; memory is shared."""
    numbers = {side: torch.from_numpy(values) for side, values in matrices.numbers.items()}
    codes = {side: torch.from_numpy(values) for side, values in matrices.categories.items()}
    return Tensors(
        numbers["query"],
        codes["query"],
        numbers["pin"],
        codes["pin"],
        numbers["pair"],
        torch.from_numpy(matrices.query_rows),
        torch.from_numpy(matrices.pin_rows),
    )


def predict(network: Student, inputs: Tensors, rows: Tensor | None = None) -> Tensor:
    """Logits (n, 5) of the pairs (of `rows`, if given), for a network in evaluation mode."""
    chosen = torch.arange(len(inputs.query_rows)) if rows is None else rows
    query_half = network.query(inputs.query_numbers, inputs.query_categories)
    pin_half = network.pin(inputs.pin_numbers, inputs.pin_categories)
    logits = [
        network.join(
            query_half[inputs.query_rows[part]],
            pin_half[inputs.pin_rows[part]],
            inputs.pair_numbers[part],
        )
        for part in torch.split(chosen, _BATCH)
    ]
    return torch.cat(logits)


def predictions_frame(pairs: pl.DataFrame, logits: Tensor, name: str) -> pl.DataFrame:
    """The `predictions` table of logits (n, 5)."""
    probabilities = torch.softmax(logits.double(), dim=1).numpy()
    columns = [pl.Series(p, probabilities[:, k]) for k, p in enumerate(PROBABILITIES)]
    ids = pairs.select("query_id", "pin_id")
    return ids.with_columns(*columns, pl.lit(name).alias("model"))


def _hidden(codes: Tensor, share: float) -> Tensor:
    return codes * (torch.rand(codes.shape) >= share) if share else codes
