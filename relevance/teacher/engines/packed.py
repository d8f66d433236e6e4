"""The engine for encoders laid out like BERT: pairs end to end, no padding, prepacked matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from relevance.progress import Progress, silent
from relevance.teacher.encode import Encoded
from relevance.teacher.engines.base import Floats
from relevance.teacher.engines.bert import Bert, pack
from relevance.teacher.model import LoadedTeacher
from relevance.training import threads

BATCH_TOKENS = 4096
"""Tokens of a batch: more fall out of the processor's cache, fewer leave its units idle."""


class PackedEngine:
    """A BERT-like teacher without padding; bf16 multiplies matrices in bf16, the rest in float32.

    Args:
        teacher: Trained, one that `bert.fits`; it is not changed.
        precision: `"fp32"` or `"bf16"`.
        count: Threads; None for every core.
    """

    name = "torch"

    def __init__(self, teacher: LoadedTeacher, *, precision: str, count: int | None) -> None:
        self.precision = precision
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._threads = count
        self._typed = teacher.encoder.base.token_types
        with threads(count):
            self._model = Bert(teacher.model, dtype=dtype, rows=BATCH_TOKENS)

    def logits(
        self,
        pairs: Sequence[Encoded],
        *,
        batch_tokens: int | None = None,
        progress: Progress = silent,
    ) -> Floats:
        """See `Engine.logits`."""
        found = np.zeros((len(pairs), 5))
        done = 0
        with threads(self._threads), torch.inference_mode():
            for batch in _batches([len(pair) for pair in pairs], batch_tokens or BATCH_TOKENS):
                packed = pack([pairs[index] for index in batch])
                found[batch] = self._model(packed, typed=self._typed).double().numpy()
                done += len(batch)
                progress(done, len(pairs), "")
        return found


def _batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices longest first, in batches of at most `tokens` tokens; one alone may exceed it."""
    batch: list[int] = []
    room = tokens
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if batch and lengths[index] > room:
            yield batch
            batch, room = [], tokens
        batch.append(index)
        room -= lengths[index]
    if batch:
        yield batch
