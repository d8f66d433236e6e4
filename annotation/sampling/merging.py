"""One table of several draws: a draw added to those that there were."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from annotation.sampling.apart import check_apart
from annotation.sampling.pooling import PAIR

KEY = [*PAIR, "draw"]


def merged(old: pl.DataFrame | None, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Table `samples` of the earlier draws and the new ones, in key order.

    A pair that was drawn before for the same purpose stays as it was, but with the probability and
    stratum of the new draw: given the earlier draw, that is what it was counted in with.

    Args:
        old: The samples that there are; None = none.
        parts: Rows of `samples` of the new draws, each pair and draw once.

    Raises:
        InputError: A query would be measured on and trained on.
    """
    new = pl.concat(parts, how="diagonal_relaxed")
    if old is not None:
        own = new.select(*KEY, "inclusion_probability", "stratum")
        kept = old.update(own, on=KEY, how="left")
        new = pl.concat([kept, new.join(old, on=KEY, how="anti")], how="diagonal_relaxed")
    if "judged" in new.columns:
        new = new.with_columns(pl.col("judged").fill_null(value=False))
    check_apart(new)
    return new.sort(KEY)
