"""How long a judgment takes, by language, as past judgments show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

SECONDS = 15.0
"""Assumed time a judgment, where nothing was measured: as `evaluation plan` assumes."""

ENOUGH = 20
"""Timed judgments from which a language's own pace is used."""

LONGEST = 10.0
"""Times the median beyond which a time counts no longer: somebody left the page open."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds a judgment.

    Attributes:
        default: Where a language has none of its own.
        languages: Measured seconds of languages.
        measured: Whether the default was measured (over all languages) or is assumed.
    """

    default: float = SECONDS
    languages: Mapping[str, float] = field(default_factory=dict)
    measured: bool = False

    def of(self, language: str) -> float:
        """Seconds a judgment in a language."""
        return self.languages.get(language, self.default)


def measured_pace(judgments: pl.DataFrame | None, queries: pl.DataFrame) -> Pace:
    """The mean time of a judgment in each language.

    A time of more than 10 medians counts as 10 medians: the page was left open meanwhile.

    Args:
        judgments: Past `judgments` with `seconds`; None = nothing was measured.
        queries: Table `queries`, with language.

    Returns:
        Languages with fewer than 20 timed judgments have the pace of all; without any at all it is
        assumed to be 15 s.
    """
    if judgments is None or "seconds" not in judgments.columns:
        return Pace()
    timed = judgments.select("query_id", "seconds").filter(pl.col("seconds") > 0)
    if timed.height < ENOUGH:
        return Pace()
    pooled = _mean(timed["seconds"].to_numpy())
    if "language" not in queries.columns:
        return Pace(pooled, {}, measured=True)
    own = {}
    joined = timed.join(queries.select("query_id", "language").drop_nulls(), on="query_id")
    for (language,), rows in joined.group_by("language"):
        if rows.height >= ENOUGH:
            own[str(language)] = _mean(rows["seconds"].to_numpy())
    return Pace(pooled, dict(sorted(own.items())), measured=True)


def _mean(seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(np.minimum(seconds, LONGEST * np.median(seconds)).mean())
