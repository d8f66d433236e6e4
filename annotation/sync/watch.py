"""Pulls again and again: every so often, and soon after a webhook rang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from relevance.errors import ServerError

QUIET_SECONDS = 1.0
"""How long to wait after a call: grades come in bursts, and one pull brings them all."""


@dataclass(slots=True)
class Bell:
    """Wakes a watch up.

    Attributes:
        rung: Whether something may have changed.
        stopped: Whether to stop.
    """

    rung: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

    def ring(self) -> None:
        """Something may have changed."""
        self.rung.set()

    def stop(self) -> None:
        """Ends the watch after the pull under way."""
        self.stopped.set()
        self.rung.set()


def watch(
    pull: Callable[[], None],
    bell: Bell,
    *,
    every: float,
    trouble: Callable[[ServerError], None],
    quiet: float = QUIET_SECONDS,
) -> int:
    """Pulls until the bell says stop, and returns how often.

    Args:
        pull: Brings what changed.
        bell: Wakes it up, and stops it.
        every: Seconds between pulls when nobody rings.
        trouble: Told that the server refused or did not answer; the next pull may succeed.
        quiet: Seconds from a call to the pull.
    """
    n = 0
    while True:
        bell.rung.clear()
        if bell.stopped.is_set():
            return n
        try:
            pull()
        except ServerError as error:
            trouble(error)
        n += 1
        if bell.rung.wait(every):
            bell.stopped.wait(quiet)
