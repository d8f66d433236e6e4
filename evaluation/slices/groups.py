"""Groups of queries: all of them, each country, each crossing of country and segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError, did_you_mean

ALL, MEAN, TRAFFIC, UNKNOWN = "all", "(mean)", "(traffic)", "(unknown)"
CROSSED = ":"


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that are evaluated together.

    Attributes:
        slice: Column split by, columns crossed (`country:segment`), or `all`.
        name: Value of the column, values of the columns (`US:home`), or `all`.
        queries: Codes of its queries, ascending.
        traffic: Searches of its queries in the period; None where unknown.
    """

    slice: str
    name: str
    queries: NDArray[np.int64]
    traffic: float | None = None

    @property
    def key(self) -> str:
        """Unique name, which also seeds its resampling."""
        return f"{self.slice}={self.name}"


def groups_of(
    query_ids: pl.Series,
    queries: pl.DataFrame | None,
    by: str | Sequence[str] | None,
    *,
    judged: NDArray[np.bool_] | None = None,
) -> list[Group]:
    """The group of all queries, then the groups of each column or crossing, by value.

    Args:
        query_ids: Ids of the coded queries; the code is the position.
        queries: The `queries` table; needed if `by` is given.
        by: What to split by, one after the other: a column of `queries` of any plain type, or
            columns joined by `:`. A query without a value, or without one of them, is `(unknown)`.
        judged: (Q,) whether a query has grades; `(unknown)` is left out if none of its queries has.

    Raises:
        InputError: `by` without queries, an unknown, empty or nested column, a name that is taken,
            a query twice in `queries`, or no id in common.
    """
    groups = [Group(ALL, ALL, np.arange(len(query_ids)))]
    wanted = list(dict.fromkeys([by] if isinstance(by, str) else by or ()))
    if not wanted:
        return groups
    if queries is None:
        raise InputError(f"to split by {wanted[0]!r} the queries table is needed: --queries FILE")
    rows = _rows_of(query_ids, queries)
    for name in wanted:
        groups += _groups_by(rows, queries, name, _columns_of(name, queries))
    known = np.ones(len(query_ids), dtype=bool) if judged is None else judged
    return [group for group in groups if group.name != UNKNOWN or known[group.queries].any()]


def total_weights(groups: Sequence[Group]) -> dict[str, list[float]]:
    """Weights of the groups in each total; `(traffic)` only where every group has some."""
    weights = {MEAN: [1.0] * len(groups)}
    traffic = [group.traffic for group in groups]
    known = [t for t in traffic if t is not None]
    if groups and len(known) == len(traffic) and sum(known) > 0:
        weights[TRAFFIC] = known
    return weights


def _rows_of(query_ids: pl.Series, queries: pl.DataFrame) -> NDArray[np.int64]:
    """(Q,) row of the queries table that each query has; -1 if it is not there."""
    ids = queries["query_id"]
    if ids.equals(query_ids):  # which are different
        return np.arange(len(ids))
    if ids.n_unique() < len(ids):
        twice = ids.filter(ids.is_duplicated())[0]
        raise InputError(f"the queries table has query {twice!r} twice. Keep one of the rows")
    found = query_ids.to_frame("query_id").join(
        queries.select("query_id").with_row_index("row"),
        on="query_id",
        how="left",
        maintain_order="left",
    )
    rows = found["row"].cast(pl.Int64).fill_null(-1).to_numpy()
    if len(rows) and (rows < 0).all():
        raise InputError(
            f"no query id of the grades is in the queries table (such as {query_ids[0]!r}). "
            "Give the queries table of the same data"
        )
    return rows.astype(np.int64)


def _columns_of(name: str, queries: pl.DataFrame) -> list[str]:
    """The columns that a name to split by stands for."""
    columns = [name] if name in queries.columns else name.split(CROSSED)
    for column in columns:
        if column not in queries.columns or column == "query_id":
            hint = did_you_mean(column, queries.columns)
            raise InputError(
                f"the queries table has no column {column!r} to split by.{hint} "
                f"It has: {', '.join(c for c in queries.columns if c != 'query_id')}"
            )
        kind = queries[column].dtype
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            raise InputError(
                f"column {column!r} of the queries table holds no plain values, but {kind}. "
                "Split by a column of text, numbers, dates or yes and no"
            )
        if queries[column].is_null().all():
            raise InputError(
                f"column {column!r} of the queries table is empty. Fill it, or split by another one"
            )
    if name == ALL:
        raise InputError(
            f"a column called {ALL!r} cannot be split by: the slice {ALL!r} is that of all queries "
            "together. Rename the column"
        )
    return columns


def _groups_by(
    rows: NDArray[np.int64], queries: pl.DataFrame, name: str, columns: Sequence[str]
) -> list[Group]:
    names, codes = _labels(queries, columns)
    taken = {MEAN, TRAFFIC} & set(names)
    if taken:
        raise InputError(
            f"column {name!r} of the queries table has the value {min(taken)!r}, which is what a "
            "total is called here. Rename the value"
        )
    unknown = names.index(UNKNOWN)
    code = np.where(rows < 0, unknown, codes[rows])
    ends = np.cumsum(np.bincount(code, minlength=len(names)))
    small = code.astype(np.min_scalar_type(len(names)))  # short integers are sorted by radix
    members = np.split(np.argsort(small, kind="stable").astype(np.int64), ends[:-1])
    traffic = _traffic(queries, codes, len(names))
    return [
        Group(name, label, inside, searches)
        for label, inside, searches in zip(names, members, traffic, strict=True)
        if len(inside)
    ]


def _labels(queries: pl.DataFrame, columns: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the groups by value, `(unknown)` last, and the position of each row's."""
    label = pl.concat_str([_text(queries, c, len(columns)) for c in columns], separator=CROSSED)
    labelled = queries.select(*columns, label.fill_null(UNKNOWN).alias("\0label"))
    distinct = labelled.unique().sort(columns, nulls_last=True)["\0label"].to_list()
    names = [*(name for name in dict.fromkeys(distinct) if name != UNKNOWN), UNKNOWN]
    codes = labelled["\0label"].cast(pl.Enum(names)).to_physical()
    return names, codes.to_numpy().astype(np.int64)


def _text(queries: pl.DataFrame, column: str, n_columns: int) -> pl.Expr:
    """A column's values as text, null where there is none; unmistakable beside others."""
    value = pl.col(column)
    if queries[column].dtype.is_float():
        value = value.fill_nan(None)
    text = value.cast(pl.String)
    text = pl.when(text != "").then(text)
    return text if n_columns == 1 else text.str.replace_all(CROSSED, "\\" + CROSSED, literal=True)


def _traffic(queries: pl.DataFrame, codes: NDArray[np.int64], n_groups: int) -> list[float | None]:
    """Searches of each group's queries; None where no query says."""
    if "traffic" not in queries.columns:
        return [None] * n_groups
    searches = queries["traffic"].cast(pl.Float64).to_numpy()
    known = ~np.isnan(searches)
    n = np.bincount(codes[known], minlength=n_groups)
    total = np.bincount(codes[known], weights=searches[known], minlength=n_groups)
    return [float(t) if k else None for t, k in zip(total, n, strict=True)]
