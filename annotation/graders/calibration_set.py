"""Which pairs a calibration round asks: known grades, half of them near the borders of grades."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale

_Row = dict[str, Any]
_Kind = tuple[str, int]  # clear, or a border; and the grade
_WAVERED = 0.05  # belief in a neighbouring grade that makes a case a border case


def calibration_pairs(
    qrels: pl.DataFrame,
    n: int = 40,
    *,
    scale: GradeScale = FIVE,
    least_judgments: int = 3,
    certain: float = 0.8,
    per_query: int = 2,
    seed: int = 0,
) -> pl.DataFrame:
    """Pairs with a confident grade for a calibration round, half of them at the borders of grades.

    Args:
        qrels: query_id, pin_id, grade, p1…pK; n_judgments where known.
        n: Pairs wanted; fewer if there are not so many.
        scale: Scale of the grades, with levels.
        least_judgments: Judgments that a grade must rest on, at least.
        certain: Probability that a grade must have, at least.
        per_query: Pairs of one query, at most.
        seed: Seed of the choice among equals.

    Returns:
        query_id, pin_id, grade, source ("consensus"), certainty, kind ("clear", or "border 3/4" for
        a grade whose runner-up is its neighbour), in key order.

    Raises:
        InputError: There is no posterior, or no grade that is confident enough.
    """
    candidates = _candidates(qrels, scale, least_judgments, certain, seed)
    kinds: list[tuple[str, int]] = sorted(
        set(candidates.select("kind", "grade").iter_rows()), key=lambda one: (one[0], one[1])
    )
    clear = [kind for kind in kinds if kind[0] == "clear"]
    border = [kind for kind in kinds if kind[0] != "clear"]
    rows = candidates.rows(named=True)
    waiting = {kind: [row for row in rows if (row["kind"], row["grade"]) == kind] for kind in kinds}
    taken: list[_Row] = []
    groups = [group for group in (clear, border) if group]
    while len(taken) < n and any(waiting.values()):
        for group in groups[: n - len(taken)]:
            _take_one(group, waiting, taken, per_query)
    frame = pl.DataFrame(taken, schema=candidates.schema).drop("_turn")
    return frame.sort("query_id", "pin_id")


def _candidates(
    qrels: pl.DataFrame, scale: GradeScale, least: int, certain: float, seed: int
) -> pl.DataFrame:
    k = len(scale.levels)
    names = [f"p{at + 1}" for at in range(k)]
    missing = [name for name in names if name not in qrels.columns]
    if not k or missing:
        raise InputError(
            "a calibration set needs qrels with a posterior (p1, p2, …) over the scale's levels. "
            "Make them with gradewise annotation adjudicate"
        )
    p = qrels.select(pl.col(names).cast(pl.Float64).fill_null(0.0)).to_numpy()
    order = np.argsort(p, axis=1)
    best, second = order[:, -1], order[:, -2]
    sure = p[np.arange(len(p)), best]
    beside = p[np.arange(len(p)), second]
    at_border = (np.abs(best - second) == 1) & (beside >= _WAVERED) & scale.ordered
    low, high = np.minimum(best, second), np.maximum(best, second)
    levels = np.asarray(scale.levels)
    kind = [
        f"border {levels[a]}/{levels[b]}" if border else "clear"
        for a, b, border in zip(low, high, at_border, strict=True)
    ]
    frame = qrels.select("query_id", "pin_id", "grade").with_columns(
        pl.lit("consensus").alias("source"),
        pl.Series("certainty", sure),
        pl.Series("kind", kind, dtype=pl.String),
        pl.struct("query_id", "pin_id").hash(seed).alias("_turn"),
    )
    keep = (sure >= certain) & (levels[best] == qrels["grade"].to_numpy())
    if "n_judgments" in qrels.columns:
        keep &= qrels["n_judgments"].fill_null(0).to_numpy() >= least
    found = frame.filter(pl.Series(keep)).sort("_turn", "query_id", "pin_id")
    if found.is_empty():
        raise InputError(
            f"no grade is known with {certain:.0%} from {least} judgments or more. "
            "Have more pairs graded, or ask for less certainty"
        )
    return found


def _take_one(
    group: list[_Kind], waiting: dict[_Kind, list[_Row]], taken: list[_Row], per_query: int
) -> None:
    """Moves one pair of the kind of the group that has the fewest so far."""
    counts = {
        kind: sum((row["kind"], row["grade"]) == kind for row in taken)
        for kind in group
        if waiting[kind]
    }
    if not counts:
        return
    row = waiting[min(counts, key=lambda one: (counts[one], one))].pop(0)
    if sum(other["query_id"] == row["query_id"] for other in taken) < per_query:
        taken.append(row)
