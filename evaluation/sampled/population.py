"""Which queries a sample can speak for: those of which something could have been drawn.

A query of which by chance nothing was drawn counts with its estimate, 0, and that is what keeps a
total unbiased. One of which nothing could be drawn must not count at all: a draw in two countries
of four says nothing of the others. Drawn pairs do not tell the two apart, the design does:

1. The frame, where it is given (`annotation sample --frame FILE`): its queries.
2. Else the strata, where their names are made of columns of the queries (`US × home × low`, as
   `annotation sample` makes them): queries whose values are those of a stratum that has samples. A
   part that no column has (a class of popularity) is not looked at, and the one stratum `all` is of
   all queries. A stratum that was drawn from has samples whatever chance brings.
3. Else the locales: queries whose country (or language, where there is no country) has samples.
   This is the one rule under which chance can leave out what could be drawn, if a country has but a
   few queries.
4. Without a table of queries nothing is known of them, and all count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from evaluation.sampled.variance import Bools
from relevance.errors import InputError

BETWEEN, WHOLE = " × ", "all"
"""What the parts of a stratum's name are joined by, and the name of the one stratum of all."""

_KEY = ("query_id", "pin_id")
_LOCALE = ("country", "language")


def population_of(
    ids: pl.Series,
    strata: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    frame: pl.DataFrame | None = None,
) -> Bools:
    """(Q,) whether something could have been drawn of each query.

    Args:
        ids: (Q,) query ids, each once.
        strata: query_id and stratum of every sample, graded or not.
        queries: Table `queries`.
        frame: query_id and pin_id of every pair that could be drawn, as `checked_frame` gives it.
    """
    drawn = ids.is_in(strata["query_id"].unique().implode())
    if frame is not None:
        inside = drawn | ids.is_in(frame["query_id"].unique().implode())
        return inside.to_numpy().astype(np.bool_)
    if queries is None or (strata["stratum"] == WHOLE).all():
        return np.ones(len(ids), dtype=np.bool_)
    known = _as_text(queries)
    found = _by_parts(strata, known)
    if found is None:
        found = _by_locale(strata, known)
    if found is None:
        return np.ones(len(ids), dtype=np.bool_)
    return (drawn | ids.is_in(found.implode())).to_numpy().astype(np.bool_)


def checked_frame(frame: pl.DataFrame | None) -> pl.DataFrame | None:
    """query_id and pin_id, as text, of every pair that could be drawn.

    Rows that say that they could not (inclusion_probability or probability of 0) are left out.

    Raises:
        InputError: A column is missing, or there is no pair.
    """
    if frame is None:
        return None
    missing = [name for name in _KEY if name not in frame.columns]
    if missing:
        raise InputError(f"the candidates have no column {missing[0]!r}. Give query_id and pin_id")
    for name in ("inclusion_probability", "probability"):
        if name in frame.columns:
            frame = frame.filter(pl.col(name).fill_null(1) > 0)
    if frame.is_empty():
        raise InputError(
            "the candidates have no pair that could be drawn. Give what "
            "`annotation sample --frame FILE` wrote"
        )
    return frame.select(pl.col(name).cast(pl.String) for name in _KEY)


def _as_text(queries: pl.DataFrame) -> pl.DataFrame:
    """The queries, every plain column as text; country and language first."""
    plain = [
        name
        for name in queries.columns
        if name != "query_id" and not (queries[name].dtype.is_nested())
    ]
    first = [name for name in _LOCALE if name in plain]
    names = [*first, *(name for name in plain if name not in first)]
    texts = [pl.col(name).cast(pl.String, strict=False).fill_null("") for name in names]
    return queries.select(pl.col("query_id").cast(pl.String), *texts)


def _by_parts(strata: pl.DataFrame, queries: pl.DataFrame) -> pl.Series | None:
    """Ids of the queries of the strata; None if no part of their names is a column's value."""
    parts = pl.col("stratum").str.split(BETWEEN)
    named = strata.select(pl.col("query_id").cast(pl.String), parts).unique()
    named = named.filter(pl.col("stratum").list.join(BETWEEN) != "")
    if named.is_empty():
        return None
    columns = _columns_of(named.join(queries, on="query_id", how="inner"))
    if not columns:
        return None
    found = []
    for n_parts in named["stratum"].list.len().unique().to_list():
        own = {place: name for place, name in columns.items() if place < n_parts}
        some = named.filter(pl.col("stratum").list.len() == n_parts)
        there = some.select(
            pl.col("stratum").list.get(place).alias(name) for place, name in own.items()
        ).unique()
        if not own:
            return None
        found.append(queries.join(there, on=list(own.values()), how="semi")["query_id"])
    return pl.concat(found).unique()


def _columns_of(drawn: pl.DataFrame) -> dict[int, str]:
    """Place of a part → the column whose value it is in every drawn query that has the part."""
    found: dict[int, str] = {}
    if drawn.is_empty():
        return found
    names = [name for name in drawn.columns if name not in ("query_id", "stratum")]
    for place in range(max(drawn["stratum"].list.len().to_list())):
        part = pl.col("stratum").list.get(place, null_on_oob=True)
        for name in names:
            if name in found.values():
                continue
            if drawn.select((part == pl.col(name)).all()).item():  # nulls are not looked at
                found[place] = name
                break
    return found


def _by_locale(strata: pl.DataFrame, queries: pl.DataFrame) -> pl.Series | None:
    """Ids of the queries of the countries, or languages, that have samples; None without any."""
    column = _first(_LOCALE, queries)
    if column is None:
        return None
    drawn = queries.filter(pl.col("query_id").is_in(strata["query_id"].unique().implode()))
    return queries.filter(pl.col(column).is_in(drawn[column].unique().implode()))["query_id"]


def _first(names: Sequence[str], queries: pl.DataFrame) -> str | None:
    """The first column of these that has a value."""
    there = (n for n in names if n in queries.columns and (queries[n] != "").any())
    return next(there, None)
