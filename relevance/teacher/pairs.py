"""From tables to pairs of texts with soft labels."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from relevance.errors import InputError
from relevance.grades import GRADES
from relevance.teacher.predict import PROBABILITIES
from relevance.text import pick_features, render_pins


def has_soft_labels(qrels: pl.DataFrame) -> bool:
    """Whether any row has p1…p5."""
    return all(name in qrels.columns for name in PROBABILITIES) and not bool(
        qrels.select(pl.any_horizontal(pl.col(n).is_null() for n in PROBABILITIES).all()).item()
    )


def with_targets(qrels: pl.DataFrame, *, soft: bool = True) -> pl.DataFrame:
    """query_id, pin_id and p1…p5: the row's soft label where it has one, else 1 at its grade.

    Args:
        qrels: Graded pairs.
        soft: Use soft labels; else every row has 1 at its grade.

    Raises:
        InputError: No row, a grade outside 1-5, or a soft label that does not sum to 1.
    """
    if qrels.is_empty():
        raise InputError("qrels hold no pair to learn from. Grade some pairs and adjudicate them")
    levels = [grade.number for grade in GRADES]
    wrong = qrels.filter(~pl.col("grade").is_in(levels) | pl.col("grade").is_null())
    if wrong.height:
        query, pin, grade = wrong.select("query_id", "pin_id", "grade").row(0)
        raise InputError(
            f"qrels: query {query!r}, pin {pin!r}: grade must be 1-5 to train a teacher, "
            f"got {grade}. Map the grades to five ({wrong.height} such rows)"
        )
    soft = soft and has_soft_labels(qrels)
    given = (
        pl.all_horizontal(pl.col(name).is_not_null() for name in PROBABILITIES)
        if soft
        else pl.lit(value=False)
    )
    hard = [(pl.col("grade") == level).cast(pl.Float64) for level in levels]
    targets = [
        pl.when(given).then(pl.col(name) if soft else one).otherwise(one).alias(name)
        for name, one in zip(PROBABILITIES, hard, strict=True)
    ]
    rows = qrels.select("query_id", "pin_id", *targets).sort("query_id", "pin_id")
    total = rows.select(pl.sum_horizontal(PROBABILITIES).alias("total"))["total"]
    if bool(((total - 1).abs() > 1e-3).any()):
        query, pin = rows.row(int((total - 1).abs().arg_max() or 0))[:2]
        raise InputError(
            f"qrels: query {query!r}, pin {pin!r}: p1…p5 must sum to 1. Adjudicate again"
        )
    return rows


def join_texts(
    rows: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    text_features: Sequence[str],
) -> pl.DataFrame:
    """`rows` with `query` and `pin` texts added, in their order.

    Raises:
        InputError: A query or Pin of `rows` is not in its table.
    """
    wanted = pins.join(rows.select("pin_id").unique(), on="pin_id", how="semi")
    pin_texts = render_pins(wanted, pick_features(text_features)).rename({"text": "pin"})
    query_texts = queries.select("query_id", pl.col("text").alias("query"))
    joined = rows.join(query_texts, on="query_id", how="left", maintain_order="left").join(
        pin_texts, on="pin_id", how="left", maintain_order="left"
    )
    for column, key, table in (("query", "query_id", "queries"), ("pin", "pin_id", "pins")):
        missing = joined.filter(pl.col(column).is_null())[key].unique().sort()
        if len(missing):
            raise InputError(
                f"{key} {missing[0]!r} is not in {table} ({len(missing)} missing). "
                f"Give the {table} that these pairs were made from"
            )
    return joined
