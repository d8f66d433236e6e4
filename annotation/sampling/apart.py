"""Keeps what is measured on and what is trained on apart, by query.

A figure from pairs that a model was trained on flatters the model; two Pins of one query tell of
each other, so the wall stands between queries, not only between pairs.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from annotation.sampling.frame import Frame
from relevance.errors import InputError

MEASURED = ("measure",)
TRAINED = ("training",)
OTHER_SIDE = {"measure": TRAINED, "training": MEASURED}
"""Draws whose queries a draw must keep away from. `pool` is work for any use and on neither side;
gold questions and repeats measure people."""


def kept_apart(frame: Frame, samples: pl.DataFrame | None, draw: str) -> Frame:
    """The frame without queries that were drawn for the other side; a note counts them.

    Args:
        frame: The candidates.
        samples: Table `samples` as it is; None = there is none.
        draw: What is to be drawn.

    Raises:
        InputError: Nothing is left.
    """
    others = OTHER_SIDE.get(draw, ())
    if samples is None or not others:
        return frame
    taken = samples.filter(pl.col("draw").is_in(others)).select("query_id").unique()
    return without(frame, taken["query_id"], f"drawn for {' and '.join(others)}")


def without(frame: Frame, query_ids: pl.Series, why: str) -> Frame:
    """The frame without some queries; a note counts them and says why.

    Raises:
        InputError: Nothing is left.
    """
    rows = frame.rows.join(query_ids.to_frame("query_id"), on="query_id", how="anti")
    lost = frame.rows["query_id"].n_unique() - rows["query_id"].n_unique()
    if not lost:
        return frame
    if rows.is_empty():
        raise InputError(
            f"all {lost:,} queries of the candidates were {why}. Take runs of other queries: what "
            "is measured on must not be trained on"
        )
    return replace(
        frame,
        rows=rows.sort("query_id", "pin_id"),
        notes=(*frame.notes, f"{lost:,} queries left out: {why}"),
    )


def check_apart(samples: pl.DataFrame) -> None:
    """Refuses samples in which a query is both measured on and trained on.

    Raises:
        InputError: There is such a query; it is named.
    """
    sides = [
        samples.filter(pl.col("draw").is_in(draws)).select("query_id").unique()
        for draws in (MEASURED, TRAINED)
    ]
    both = sides[0].join(sides[1], on="query_id").sort("query_id")
    if both.height:
        raise InputError(
            f"{both.height:,} queries would be measured on and trained on, such as "
            f"{both['query_id'][0]!r}. Draw one of the two again, without --append"
        )
