"""Groups of queries (`all`, each country, …) and the rows of the long table over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import REPLICATES, Estimate, Statistic, combine, estimate_all
from evaluation.metrics import Measure
from relevance.errors import InputError, did_you_mean
from relevance.results import Row

ALL, MEAN, TRAFFIC, UNKNOWN = "all", "(mean)", "(traffic)", "(unknown)"


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that are evaluated together.

    Attributes:
        slice: Column split by, or `all`.
        name: Value of the column, or `all`.
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
    """The group of all queries, then the groups of each column, by name.

    Args:
        query_ids: Ids of the coded queries; the code is the position.
        queries: The `queries` table; needed if `by` is given.
        by: Column or columns of `queries` to split by, one after the other.
        judged: (Q,) whether a query has grades; `(unknown)` is left out if none of its queries has.

    Raises:
        InputError: `by` without queries, an unknown column, or no id in common.
    """
    groups = [Group(ALL, ALL, np.arange(len(query_ids)))]
    columns = [by] if isinstance(by, str) else list(by or ())
    if not columns:
        return groups
    if queries is None:
        raise InputError(f"to split by {columns[0]!r} the queries table is needed: --queries FILE")
    coded = query_ids.to_frame("query_id").with_row_index("code")
    joined = coded.join(queries, on="query_id", how="left", maintain_order="left")
    if coded.join(queries, on="query_id", how="semi").is_empty():
        raise InputError(
            f"no query id of the grades is in the queries table (such as {query_ids[0]!r}). "
            "Give the queries table of the same data"
        )
    for column in columns:
        if column not in queries.columns or column == "query_id":
            hint = did_you_mean(column, queries.columns)
            raise InputError(
                f"the queries table has no column {column!r} to split by.{hint} "
                f"It has: {', '.join(c for c in queries.columns if c != 'query_id')}"
            )
        if queries[column].is_null().all():
            raise InputError(
                f"column {column!r} of the queries table is empty. Fill it, or split by another one"
            )
        groups += _groups_by(joined, queries, column)
    known = np.ones(len(query_ids), dtype=bool) if judged is None else judged
    return [group for group in groups if group.name != UNKNOWN or known[group.queries].any()]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a group's figure is made from.

    Attributes:
        statistic: Over the group's queries; None if the metric cannot be computed at all.
        n: Units it rests on.
        n_undefined: Units left out because the metric is undefined there.
        notes: Reason or thing to know → number of units, or None without a number.
    """

    statistic: Statistic | None
    n: int
    n_undefined: int = 0
    notes: Mapping[str, int | None] = field(default_factory=dict)


CellOf = Callable[[Measure, Group], Cell]


def tabulate(
    system: str,
    measures: Sequence[Measure],
    groups: Sequence[Group],
    cell_of: CellOf,
    *,
    level: float = 0.95,
    seed: int = 0,
    reps: int = REPLICATES,
) -> list[Row]:
    """Rows of one system: a block a metric, each with all, the groups, then `(mean)`, `(traffic)`.

    Args:
        system: Name of the system or model.
        measures: What to show, in order.
        groups: As `groups_of` gives them.
        cell_of: What a metric's figure in a group is made from.
        level: Confidence level of the intervals.
        seed: Seed of the resampling.
        reps: Number of resamplings.
    """
    cells = {(m, g.key): cell_of(m, g) for g in groups for m in measures}
    estimates: dict[tuple[Measure, str], Estimate] = {}
    for group in groups:
        made = [(m, s) for m in measures if (s := cells[m, group.key].statistic) is not None]
        found = estimate_all([s for _, s in made], seed=seed, key=group.key, reps=reps)
        estimates |= {(m, group.key): e for (m, _), e in zip(made, found, strict=True)}
    rows: list[Row] = []
    for measure in measures:
        for group in groups:
            cell = cells[measure, group.key]
            estimate = estimates.get((measure, group.key))
            rows.append(_row(measure, group, cell, estimate, system=system, level=level))
            if _is_last(group, groups):
                block = [g for g in groups if g.slice == group.slice]
                rows += _totals(measure, block, cells, estimates, system=system, level=level)
    return rows


def note_of(notes: Mapping[str, int | None]) -> str:
    """`{"no_relevant": 3, "one_class": None, "missing": 0}` → `"no_relevant: 3; one_class"`."""
    parts = [
        key if count is None else f"{key}: {count}" for key, count in notes.items() if count != 0
    ]
    return "; ".join(parts)


def total_weights(groups: Sequence[Group]) -> dict[str, list[float]]:
    """Weights of the groups in each total; `(traffic)` only where every group has some."""
    weights = {MEAN: [1.0] * len(groups)}
    traffic = [group.traffic for group in groups]
    known = [t for t in traffic if t is not None]
    if groups and len(known) == len(traffic) and sum(known) > 0:
        weights[TRAFFIC] = known
    return weights


def _groups_by(joined: pl.DataFrame, queries: pl.DataFrame, column: str) -> list[Group]:
    label = pl.col(column).cast(pl.String).fill_null(UNKNOWN)
    traffic: dict[str, float | None] = {}
    if "traffic" in queries.columns:
        summed = queries.group_by(label.alias("group")).agg(
            pl.when(pl.col("traffic").is_null().all())
            .then(None)
            .otherwise(pl.col("traffic").sum())
            .alias("traffic")
        )
        traffic = dict(zip(summed["group"].to_list(), summed["traffic"].to_list(), strict=True))
    labels = joined.select(label.alias("group"))["group"]
    values = labels.to_numpy()
    return [
        Group(column, name, np.flatnonzero(values == name), traffic.get(name))
        for name in sorted(labels.unique().to_list(), key=lambda name: (name == UNKNOWN, name))
    ]


def _is_last(group: Group, groups: Sequence[Group]) -> bool:
    """Whether a group is the last of a column's groups."""
    return group.slice != ALL and group is [g for g in groups if g.slice == group.slice][-1]


def _row(
    measure: Measure,
    group: Group,
    cell: Cell,
    estimate: Estimate | None,
    *,
    system: str,
    level: float,
) -> Row:
    value = None if estimate is None or np.isnan(estimate.value) else estimate.value
    ends = estimate.interval(level) if estimate is not None else None
    notes = dict(cell.notes)
    if value is not None and ends is None:
        notes["one_query"] = None
    elif ends is not None and ends[0] == ends[1]:
        notes["no_variation"] = None
    return Row(
        metric=measure.text or repr(measure),
        slice=group.slice,
        group=group.name,
        system=system,
        value=value,
        ci_low=ends[0] if ends else None,
        ci_high=ends[1] if ends else None,
        n=cell.n,
        n_undefined=cell.n_undefined,
        note=note_of(notes),
    )


def _totals(
    measure: Measure,
    groups: Sequence[Group],
    cells: Mapping[tuple[Measure, str], Cell],
    estimates: Mapping[tuple[Measure, str], Estimate],
    *,
    system: str,
    level: float,
) -> list[Row]:
    """The `(mean)` and `(traffic)` rows over the groups in which the metric is defined."""
    known = [g for g in groups if not np.isnan(_value(estimates.get((measure, g.key))))]
    rows = []
    for name, weights in total_weights(known).items():
        n = sum(cells[measure, g.key].n for g in known)
        lost = sum(cells[measure, g.key].n_undefined for g in groups)
        notes: dict[str, int | None] = {
            "groups": len(known),
            "undefined_groups": len(groups) - len(known),
        }
        if not known:
            notes["no_group"] = None
        estimate = combine([estimates[measure, g.key] for g in known], weights) if known else None
        total = Group(groups[0].slice, name, np.array([], dtype=np.int64))
        cell = Cell(None, n, lost, notes)
        rows.append(_row(measure, total, cell, estimate, system=system, level=level))
    return rows


def _value(estimate: Estimate | None) -> float:
    return float("nan") if estimate is None else estimate.value
