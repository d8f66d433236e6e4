"""Which pairs deserve another look, and by whom: a senior's ruling, or one more opinion."""

from __future__ import annotations

from annotation.queue.extra import extra_queue
from annotation.queue.gain import LOSSES, best_loss, expected_gain, loss_matrix
from annotation.queue.pairs import QUEUE_COLUMNS, Doubts, doubts, within_budget
from annotation.queue.senior import senior_queue

__all__ = [
    "LOSSES",
    "QUEUE_COLUMNS",
    "Doubts",
    "best_loss",
    "doubts",
    "expected_gain",
    "extra_queue",
    "loss_matrix",
    "senior_queue",
    "within_budget",
]
