"""Strata of queries: columns of the queries table, and popularity made of their traffic."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from relevance.errors import InputError, did_you_mean

POPULARITY = "popularity"
"""Stratum made of traffic: quantile classes of a country's own queries."""

INTEREST = "interest"
"""Another word for the column segment."""

BETWEEN = " × "
WHOLE = "all"
CLASSES = 3

_NAMES = {2: ("low", "high"), 3: ("low", "middle", "high")}


def with_popularity(queries: pl.DataFrame, classes: int = CLASSES) -> pl.DataFrame:
    """The queries with column `popularity`: equal classes of traffic within each country.

    Args:
        queries: Table `queries`, with traffic. A query without traffic is in the class `unknown`;
            equal traffic is told apart by query_id.
        classes: Number of classes, 2 or more; three are called low, middle and high, others `1/5`
            (fewest searches) … `5/5`.

    Raises:
        InputError: No traffic at all, or fewer than 2 classes.
    """
    if classes < 2:
        raise InputError(f"popularity needs at least 2 classes, got {classes}")
    if "traffic" not in queries.columns or queries["traffic"].is_null().all():
        raise InputError(
            "popularity is made of traffic, which the queries table lacks. Fill it in, or make "
            "strata by other columns"
        )
    names = _NAMES.get(classes) or tuple(f"{i + 1}/{classes}" for i in range(classes))
    within = pl.col("country") if "country" in queries.columns else pl.lit(WHOLE)
    known = pl.col("traffic").is_not_null()
    place = pl.struct("traffic", "query_id").rank("ordinal").over(within, known)
    count = pl.len().over(within, known)
    code = ((place - 1) * classes // count).cast(pl.Int64)
    label = code.replace_strict(dict(enumerate(names)), return_dtype=pl.String)
    return queries.with_columns(pl.when(known).then(label).otherwise(pl.lit("unknown")).alias(
        POPULARITY))  # fmt: skip


def with_stratum(
    queries: pl.DataFrame, by: Sequence[str], *, classes: int = CLASSES
) -> pl.DataFrame:
    """query_id and the name of its stratum, such as `US × home × low`; `all` without columns.

    Args:
        queries: Table `queries`, with the columns of `by`.
        by: Columns; where there is no such column, `popularity` is made of traffic and `interest`
            is the segment.
        classes: Classes of popularity.

    Raises:
        InputError: There is no such column.
    """
    if INTEREST in by and INTEREST not in queries.columns and "segment" in queries.columns:
        queries = queries.with_columns(pl.col("segment").alias(INTEREST))
    if POPULARITY in by and POPULARITY not in queries.columns:
        queries = with_popularity(queries, classes)
    for name in by:
        if name not in queries.columns:
            raise InputError(
                f"queries have no column {name!r} to make strata by."
                f"{did_you_mean(name, queries.columns)} Use another"
            )
    labels = [pl.col(name).cast(pl.String).fill_null("") for name in by] or [pl.lit(WHOLE)]
    return queries.select("query_id", pl.concat_str(labels, separator=BETWEEN).alias("stratum"))
