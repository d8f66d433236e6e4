"""Grades of another scale → the five grades of a workspace.

| levels | five grades |
|---|---|
| 0, 1 | 1, 5 |
| 0, 1, 2 | 1, 3, 5 |
| 0, 1, 2, 3 | 1, 2, 4, 5 |
| 0, 1, 2, 3, 4 | 1, 2, 3, 4, 5 |

Levels are those of the scale, if one is given; else 0 up to the highest grade in the data, where
anything below 0 counts as 0; the mapping is then told in a warning, as a file that happens to lack
the best grade would be read as of a shorter scale.

Ratings between the levels, such as means of several people's, are put at the nearest grade after
their scale is stretched over 1–5 (`nearest_five`).
"""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl

from relevance.errors import InputError
from relevance.grades import GradeScale

FIVE_OF = {
    2: (1, 5),
    3: (1, 3, 5),
    4: (1, 2, 4, 5),
    5: (1, 2, 3, 4, 5),
}
"""Number of levels → the five grades they stand for, worst first."""

_log = logging.getLogger("gradewise")


def to_five(frame: pl.DataFrame, scale: GradeScale | None, path: Path) -> pl.DataFrame:
    """The frame with its `grade` on the five-grade scale.

    Args:
        frame: Qrels or judgments; null grades stay.
        scale: What the grades are on; None or one without levels: 0 up to the highest grade.
        path: Named in errors and in the log.

    Raises:
        InputError: The scale has more than five levels.
    """
    highest = int(frame["grade"].drop_nulls().max() or 0)  # type: ignore[arg-type]
    levels = (scale.levels if scale else ()) or tuple(range(max(highest, 1) + 1))
    if len(levels) not in FIVE_OF:
        raise InputError(
            f"{path}: {len(levels)} grades ({levels[0]} to {levels[-1]}) do not map to five. "
            "Say which there are with --scale FILE.toml (levels = [0, 1, 2, 3]), at most five"
        )
    mapping = dict(zip(levels, FIVE_OF[len(levels)], strict=True))
    shown = ", ".join(f"{theirs} → {ours}" for theirs, ours in mapping.items())
    _log.log(
        logging.INFO if scale and scale.levels else logging.WARNING,
        "%s: grades %s (another scale: --scale FILE.toml)",
        path,
        shown,
    )
    grades = frame["grade"].clip(lower_bound=levels[0])
    return frame.with_columns(grade=grades.replace_strict(mapping, return_dtype=pl.Int64))


def nearest_five(ratings: pl.Expr, *, highest: float) -> pl.Expr:
    """The nearest of the five grades to ratings from 0 to `highest`, stretched over 1–5.

    Halfway between two grades the better one is taken, whatever rounding the library prefers.
    """
    # 1e-9: means such as 0.62499… that stand for a half in decimals
    return (ratings * (4 / highest) + 1.5 + 1e-9).floor().clip(1, 5).cast(pl.Int64)
