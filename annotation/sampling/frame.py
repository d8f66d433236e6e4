"""The sampling frame: candidate pairs with their country, strata, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from annotation.sampling.pooling import PAIR
from annotation.sampling.strata import CLASSES, WHOLE, with_stratum
from relevance.errors import InputError

LEVEL = "stratum "
"""Columns of a frame with the strata of the first 1, 2, … columns are called so."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What can be drawn.

    Attributes:
        rows: query_id and pin_id in key order, `country` and `language` (empty where unknown),
            `group` (what has a budget of its own), `stratum 1` … `stratum D` (coarse to fine),
            `judged` (graded before), `asked` (drawn before), `size` (1 unless pairs are drawn in
            proportion to something), and what the candidates had (`rank`, …).
        depth: D.
        notes: What was left out, in words.
    """

    rows: pl.DataFrame
    depth: int
    notes: tuple[str, ...] = ()


def make_frame(
    candidates: pl.DataFrame,
    queries: pl.DataFrame,
    by: Sequence[str] = ("country",),
    *,
    per_country: bool = True,
    classes: int = CLASSES,
    judged: pl.DataFrame | None = None,
    asked: pl.DataFrame | None = None,
) -> Frame:
    """The frame of a draw.

    Args:
        candidates: query_id, pin_id, each pair once, and further columns.
        queries: Table `queries`, with the columns of `by`.
        by: Columns that make strata, coarse to fine; `popularity` is made of traffic.
        per_country: Whether every country has a budget of its own; strata then lie within countries
            even if `by` does not say so. Otherwise all is one group.
        classes: Classes of popularity.
        judged: Pairs graded before; those among the candidates are marked.
        asked: Pairs that an earlier draw for the same purpose took; likewise.

    Raises:
        InputError: Unknown column, or no candidate of any query.
    """
    if per_country and "country" in queries.columns:
        by = ("country", *(name for name in by if name != "country"))
    levels = [with_stratum(queries, by[: d + 1], classes=classes) for d in range(max(len(by), 1))]
    table = queries.select("query_id", *(_text(queries, name) for name in ("country", "language")))
    for d, level in enumerate(levels):
        table = table.with_columns(level["stratum"].alias(f"{LEVEL}{d + 1}"))
    group = pl.col("country") if per_country else pl.lit(WHOLE)
    rows = candidates.join(table, on="query_id").sort(PAIR).with_columns(
        group.alias("group"), pl.lit(1.0).alias("size"),
        judged=pl.lit(value=False), asked=pl.lit(value=False),
    )  # fmt: skip
    if rows.is_empty():
        raise InputError(
            f"none of the {candidates.height:,} candidate pairs is of a query of the queries "
            "table. Give the runs and the queries of one workspace"
        )
    lost = candidates.height - rows.height
    notes = (f"{lost:,} candidate pairs left out: no such query",) if lost else ()
    if judged is not None:
        rows = marked(rows, judged, "judged")
    if asked is not None:
        rows = marked(rows, asked, "asked")
    return Frame(rows, len(levels), notes)


def marked(rows: pl.DataFrame, pairs: pl.DataFrame, column: str) -> pl.DataFrame:
    """The rows with a column that is true for pairs that are among `pairs`, else false."""
    known = pairs.select(PAIR).unique().with_columns(pl.lit(value=True).alias(column))
    return (
        rows.drop(column, strict=False)
        .join(known, on=PAIR, how="left", maintain_order="left")
        .with_columns(pl.col(column).fill_null(value=False))
    )


def _text(queries: pl.DataFrame, name: str) -> pl.Expr:
    """A column of the queries as text, empty where it is missing."""
    column = pl.col(name).cast(pl.String).fill_null("") if name in queries.columns else pl.lit("")
    return column.alias(name)
