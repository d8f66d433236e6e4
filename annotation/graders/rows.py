"""Scorecards as plain rows: what `--format json` and `csv` hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from annotation.graders.calibration import Calibrated
from annotation.graders.cards import Figure, Scorecard

_FIGURES = (
    "too_fast",
    "severity",
    "severity_shrunk",
    "noise",
    "noise_shrunk",
    "follows",
    "agrees",
    "gold",
    "gold_within1",
    "gold_severity",
    "repeats",
    "repeats_within1",
    "abstained",
    "abstained_more",
    "alpha_gain",
)
_COUNTED = ("gold", "repeats")


def flat(card: Scorecard) -> dict[str, Any]:
    """A card's figures, each with `_ci_low` and `_ci_high`; no tables. Undefined is None."""
    row: dict[str, Any] = {
        "annotator": card.annotator,
        "verdict": card.verdict,
        "flags": " ".join(flag.aspect for flag in card.flags),
        "n_more": card.n_more,
        "n": card.n,
        "n_shared": card.n_shared,
        "seconds": card.seconds.value,
        "seconds_q1": card.seconds.low,
        "seconds_q3": card.seconds.high,
    }
    for name in _FIGURES:
        row |= _with_ends(name, getattr(card, name))
        if name in _COUNTED:
            row[f"n_{name}"] = getattr(card, name).n
    return row | {"alpha": card.alpha, "alpha_without": card.alpha_without}


def card_table(cards: Sequence[Scorecard]) -> pl.DataFrame:
    """The cards as a table, in their order: what is kept as `results-graders`."""
    schema: dict[str, Any] = dict.fromkeys(("annotator", "verdict", "flags"), pl.String)
    schema |= dict.fromkeys(("n_more", "n", "n_shared", "n_gold", "n_repeats"), pl.Int64)
    rows = [flat(card) for card in cards]
    names = rows[0] if rows else schema
    return pl.DataFrame(rows, schema={name: schema.get(name, pl.Float64) for name in names})


def nested(card: Scorecard, levels: Sequence[int]) -> dict[str, Any]:
    """The same with the flags, the weeks and the confusions (rows: true grade, columns: given)."""
    return flat(card) | {
        "flags": [
            {"aspect": flag.aspect, "text": flag.text, "p_adjusted": flag.p_adjusted}
            for flag in card.flags
        ],
        "weeks": [
            {
                "start": week.start.isoformat(),
                "n": week.severity.n,
                "flagged": week.flagged,
                **_with_ends("severity", week.severity),
                **_with_ends("change", week.change),
            }
            for week in card.weeks
        ],
        "levels": list(levels),
        "confusion": [[round(float(x), 6) for x in row] for row in card.confusion],
        "gold_confusion": [[int(x) for x in row] for row in card.gold_confusion],
    }


def calibration_row(found: Calibrated) -> dict[str, Any]:
    """A calibration result as a row."""
    row: dict[str, Any] = {
        "annotator": found.annotator,
        "decision": found.decision,
        "n": found.n,
        "n_more": found.n_more,
    }
    for name in ("accuracy", "within1", "severity"):
        row |= _with_ends(name, getattr(found, name) or Figure(None, None, None, 0))
    return row | {"reasons": ", ".join(found.reasons)}


def _with_ends(name: str, figure: Figure) -> dict[str, float | None]:
    return {name: figure.value, f"{name}_ci_low": figure.low, f"{name}_ci_high": figure.high}
