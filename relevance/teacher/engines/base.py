"""What every engine offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relevance.progress import Progress, silent
from relevance.teacher.encode import Encoded

Floats = NDArray[np.float64]


class Engine(Protocol):
    """A trained teacher, ready to label pairs."""

    @property
    def name(self) -> str:
        """As `open_engine` takes it."""

    @property
    def precision(self) -> str:
        """`"fp32"` or `"bf16"`: what it multiplies in, never `"auto"`."""

    def logits(
        self,
        pairs: Sequence[Encoded],
        *,
        batch_tokens: int | None = None,
        progress: Progress = silent,
    ) -> Floats:
        """Logits of `pairs` in their order, of shape (pairs, 5).

        Args:
            pairs: Encoded pairs.
            batch_tokens: Tokens of a batch; None for what suits the engine.
            progress: Told of pairs done.
        """
