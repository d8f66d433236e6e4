"""What counts of a log, and what was found in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from relevance.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateConfig:
    """Which events count, and what of them is shown.

    Attributes:
        until: Events from this time on do not count (UTC); None = all to the log's end. Set it to
            the date of the labels, so that no feature knows what came after.
        days: Length of the window before `until`.
        actions: Which actions count; empty = all.
        min_users: Users of a phrase on one Pin.
        min_events: Events of a phrase on one Pin.
        privacy_users: Users of a phrase in the whole window: what fewer have written is shown
            nowhere, as a whole or in part.
        top: Phrases a Pin.
        words: Words of the longest run out of a title; a whole title may have ten.
        generic_share: A word on this share of the Pins of its language stands neither alone nor
            first or last.
        rows_at_once: Events looked at in one go: bounds memory.
    """

    until: datetime | None = None
    days: int = 730
    actions: tuple[str, ...] = ()
    min_users: int = 2
    min_events: int = 2
    privacy_users: int = 10
    top: int = 8
    words: int = 4
    generic_share: float = 0.2
    rows_at_once: int = 10_000_000

    def __post_init__(self) -> None:
        """Checks the figures.

        Raises:
            InputError: One is out of its range.
        """
        for name in ("days", "min_users", "min_events", "privacy_users", "top", "words"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.generic_share <= 1:
            raise InputError(f"generic_share must be above 0, up to 1, got {self.generic_share}")
        if self.rows_at_once < 1:
            raise InputError(f"rows_at_once must be at least 1, got {self.rows_at_once}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much of a log ended in texts.

    Attributes:
        n_events: Events of the log.
        n_counted: Those of the window, the actions and with a text that say what they say.
        n_pins: Pins with an event that counts.
        n_with_text: Pins that got a text.
        n_phrases: Different phrases and parts of phrases that were seen.
        n_private: Those of them that too few users wrote.
        since: Start of the window; None for an empty log.
        until: Its end (not in it).
    """

    n_events: int
    n_counted: int
    n_pins: int
    n_with_text: int
    n_phrases: int
    n_private: int
    since: datetime | None
    until: datetime | None
