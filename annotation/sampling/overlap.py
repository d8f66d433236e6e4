"""How many opinions a pair gets, by stratum; more where people disagreed in the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from annotation.sampling.strata import BETWEEN
from evaluation.planning import moderated
from relevance.errors import InputError

OVERLAP = 3
"""Opinions a pair, where nothing else is said."""

MOST_EXTRA = 2
"""Opinions that disagreement adds at most."""

USUAL = 0.5
"""Variance of single grades of a pair, in grades², for which the usual overlap is enough."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Opinions a pair.

    Attributes:
        default: Where nothing else is said.
        named: By stratum: its whole name (`US × home`) or the first parts of it (`US`); the longest
            that fits counts.
    """

    default: int = OVERLAP
    named: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, number in {"": self.default, **self.named}.items():
            if number < 1:
                where = f" of {name}" if name else ""
                raise InputError(f"the overlap{where} must be at least 1, got {number}")

    def of(self, stratum: str) -> int:
        """Opinions for pairs of a stratum."""
        name = stratum
        while name:
            if name in self.named:
                return self.named[name]
            name = name.rpartition(BETWEEN)[0]
        return self.default

    def unused(self, strata: list[str]) -> list[str]:
        """Names that fit none of the strata."""
        return [
            name
            for name in self.named
            if not any(s == name or s.startswith(name + BETWEEN) for s in strata)
        ]


def by_disagreement(
    judgments: pl.DataFrame,
    strata: pl.DataFrame,
    base: Overlap,
    *,
    usual: float = USUAL,
    most_extra: int = MOST_EXTRA,
) -> Overlap:
    """The overlap that makes mean grades about equally sure everywhere.

    A stratum gets base · (its variance of grades within pairs ÷ the usual one) opinions, rounded,
    never less than the base and at most `most_extra` more. Few judgments tell a variance badly, so
    the variances of a country's strata are moderated towards their common one.

    Args:
        judgments: Past `judgments`; pairs with two grades or more count.
        strata: query_id, stratum.
        base: The overlap where disagreement is as usual.
        usual: Variance within pairs that is usual, in grades²; a fixed one, so that no country's
            overlap depends on another's.
        most_extra: Opinions added at most.
    """
    grades = (
        judgments.drop_nulls("grade")
        .join(strata, on="query_id")
        .group_by("stratum", "query_id", "pin_id")
        .agg(pl.len().alias("n"), (pl.col("grade").var() * (pl.len() - 1)).alias("squares"))
        .filter(pl.col("n") >= 2)
        .group_by("stratum")
        .agg(pl.col("squares").sum(), (pl.col("n") - 1).sum().alias("df"))
        .with_columns(pl.col("stratum").str.split(BETWEEN).list.first().alias("country"))
        .sort("stratum")
    )
    named = dict(base.named)
    for _, rows in grades.group_by("country", maintain_order=True):
        squares = rows["squares"].to_numpy().astype(np.float64)
        df = rows["df"].to_numpy().astype(np.float64)
        ratio = moderated(squares, df, fallback=usual) / usual
        for stratum, share in zip(rows["stratum"].to_list(), ratio.tolist(), strict=True):
            own = base.of(stratum)
            named[stratum] = min(max(own, round(own * share)), own + most_extra)
    return Overlap(base.default, named)
