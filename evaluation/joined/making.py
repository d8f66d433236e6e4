"""Makes a joined table of runs and grades, so that their ids are matched once and not each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from evaluation.joined.file import DISTINCT, OWN
from evaluation.ranking import named, systems_of
from evaluation.ranking.coding import Coded, code_queries, codes_of, with_text_ids
from evaluation.ranking.ordering import order_run, order_values
from relevance.errors import InputError
from relevance.files import atomic


def join_tables(
    runs: pl.DataFrame, qrels: pl.DataFrame, queries: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Runs and grades side by side: every returned Pin and, for every system, every judged one.

    Scores become 32-bit floats, as which they are compared (minus the rank, where a query has no
    score). The posterior p1…pK comes along if the qrels have one.

    Args:
        runs: A `runs` table, of one system or several.
        qrels: A `qrels` table.
        queries: A `queries` table; its columns but the text are repeated in each row.

    Returns:
        Rows by system, query and rank, the judged Pins that were not returned last.

    Raises:
        InputError: As `code_queries` and `order_run`; a column of the queries has a taken name.
    """
    coded = code_queries(qrels, [runs])
    posterior = [c for c in coded.qrels.columns if c[:1] == "p" and c[1:].isdigit()]
    grades = coded.qrels.select("query_id", "pin_id", "grade", *posterior)
    grades = grades.with_columns(grades["grade"].shrink_dtype())
    parts = [
        _one(with_text_ids(run), coded, grades).with_columns(system=pl.lit(system))
        for system, run in systems_of(named(runs))
    ]
    joined = pl.concat(parts, how="diagonal")
    return joined if queries is None else _with_queries(joined, queries)


def write_joined(frame: pl.DataFrame, path: Path) -> None:
    """Writes a table of `join_tables` as Parquet, all or nothing; pairs are known to be distinct.

    Raises:
        InputError: The file's ending is another one.
    """
    if path.suffix != ".parquet":
        raise InputError(f"a joined table is written as Parquet, got {path.name}. Call it .parquet")
    with atomic(path) as temporary:
        frame.write_parquet(temporary, metadata={DISTINCT: "yes"})


def _one(run: pl.DataFrame, coded: Coded, grades: pl.DataFrame) -> pl.DataFrame:
    """One system's returned Pins in order, and the judged Pins that it did not return."""
    ordered = order_run(run, coded)
    values, _ = order_values(run, codes_of(run["query_id"], coded.ids), len(coded.ids))
    judgment = pl.Series(ordered.judgment)
    returned = run.select("query_id", "pin_id")[ordered.rows].with_columns(
        score=pl.Series(values[ordered.rows])
    )
    known = grades.drop("query_id", "pin_id")[judgment.set(judgment < 0, None)]
    left = np.ones(grades.height, dtype=bool)
    left[ordered.judgment[ordered.judgment >= 0]] = False
    both = pl.concat([returned.hstack(known), grades.filter(left)], how="diagonal")
    return both.sort("query_id", maintain_order=True)


def _with_queries(joined: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    kept = [c for c in queries.columns if c not in ("query_id", "text")]
    kept = [c for c in kept if queries[c].null_count() < queries.height]
    taken = set(kept) & {*OWN, *joined.columns}
    if taken:
        raise InputError(
            f"the queries table has a column {min(taken)!r}, which means something else in a "
            "joined table. Rename it"
        )
    return joined.join(
        queries.select("query_id", *kept), on="query_id", how="left", maintain_order="left"
    )
