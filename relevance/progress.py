"""How long work tells how far it is: a callable, which `app` turns into a progress bar."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then by long work."""

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Tells how far the work is.

        Args:
            done: Units finished so far, those of an earlier, interrupted run included.
            total: Units in all.
            what: What is being done, or a figure to show beside the bar (`"loss 0.81"`).
        """


def silent(done: int, total: int, what: str = "") -> None:
    """Shows nothing."""
