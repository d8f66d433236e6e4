"""The engine for every family: the teacher's own forward pass over padded batches."""

from __future__ import annotations

from collections.abc import Sequence

from relevance.progress import Progress, silent
from relevance.teacher.encode import Encoded
from relevance.teacher.engines.base import Floats
from relevance.teacher.model import LoadedTeacher
from relevance.teacher.predict import BATCH_TOKENS, predict_logits
from relevance.training import autocast, threads


class PlainEngine:
    """The teacher as it is; bf16 by autocast, which keeps norms and softmax in float32.

    Args:
        teacher: Trained; it is neither changed nor copied.
        precision: `"fp32"` or `"bf16"`.
        count: Threads; None for every core.
    """

    name = "torch"

    def __init__(self, teacher: LoadedTeacher, *, precision: str, count: int | None) -> None:
        self.precision = precision
        self._teacher = teacher
        self._threads = count

    def logits(
        self,
        pairs: Sequence[Encoded],
        *,
        batch_tokens: int | None = None,
        progress: Progress = silent,
    ) -> Floats:
        """See `Engine.logits`."""
        with threads(self._threads), autocast(self.precision):
            return predict_logits(
                self._teacher.model,
                self._teacher.encoder,
                pairs,
                batch_tokens=batch_tokens or BATCH_TOKENS,
                progress=progress,
            )
