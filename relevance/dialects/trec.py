"""TREC qrels (`topic 0 document grade`) and runs (`topic Q0 document rank score system`).

As in trec_eval, whatever follows the sixth word of a run's line is ignored (and counted in a
warning), while a qrels line has exactly four words.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import polars as pl

from relevance.dialects import Read
from relevance.errors import InputError, TableError
from relevance.records import Table

COLUMNS = {
    "qrels": ("query_id", "iteration", "pin_id", "grade"),
    "runs": ("query_id", "iteration", "pin_id", "rank", "score", "system"),
}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_REST = r"(?<rest>\s.*)?"

_log = logging.getLogger("gradewise")


def read(text: str, path: Path, table: Table) -> Read | None:
    """The rows of a TREC file of this table, or None if the first line is not one of it.

    Raises:
        TableError: A later line is not one.
    """
    if not looks_like(text.lstrip().partition("\n")[0], table):
        return None
    names = COLUMNS[table.name]
    rows = pl.Series(text.split("\n"), dtype=pl.String).str.strip_chars()
    kept = rows.str.len_bytes() > 0
    numbers = (kept.arg_true() + 1).to_list()
    pattern = "^" + r"\s+".join(rf"(?<{name}>\S+)" for name in names)
    pattern += (_REST if table.name == "runs" else "") + "$"
    cells = rows.filter(kept).str.extract_groups(pattern).struct.unnest()
    bad = cells[names[0]].is_null().arg_true()
    if len(bad):
        raise TableError(
            f"a TREC {table.name} line has {len(names)} columns ({' '.join(names)})",
            path=path,
            line=numbers[bad[0]],
            value=rows.filter(kept)[bad[0]],
            way_out="Remove blanks from ids, or give a CSV file with a header",
        )
    frame = cells.drop("iteration", "rest", strict=False)
    longer = cells.height - cells["rest"].null_count() if "rest" in cells.columns else 0
    if longer:
        _log.warning(
            "%s: what follows the sixth column is ignored, as trec_eval does (%d lines)",
            path,
            longer,
        )
    return Read("trec", frame, lambda wanted: [numbers[row] for row in wanted])


def looks_like(line: str, table: Table) -> bool:
    """Whether a line may be one of a TREC file of this table."""
    words = line.split()
    wanted = COLUMNS.get(table.name)
    if wanted is None or not {column.name for column in table.columns}.isdisjoint(words):
        return False
    longer = table.name == "runs" and len(words) > len(wanted)
    if longer:  # a header may be words with blanks, too
        return _NUMBER.fullmatch(words[3]) is not None and _NUMBER.fullmatch(words[4]) is not None
    return len(words) == len(wanted)


def write_qrels(frame: pl.DataFrame) -> bytes:
    """The qrels as lines `topic 0 document grade`."""
    return _words(frame.select("query_id", pl.lit("0").alias("0"), "pin_id", "grade"))


def write_runs(frame: pl.DataFrame) -> bytes:
    """The runs as lines of six words; what is missing is made up.

    Ranks follow the scores, scores the ranks (see `scores`), and the system is called `run`.
    """
    frame = with_scores(frame)
    if "system" not in frame.columns:
        frame = frame.with_columns(system=pl.lit(None, dtype=pl.String))
    place = pl.col("score").rank("ordinal", descending=True).over("system", "query_id")
    return _words(
        frame.select(
            "query_id",
            pl.lit("Q0").alias("Q0"),
            "pin_id",
            pl.coalesce("rank", place.cast(pl.Int64)).alias("rank"),
            "score",
            pl.col("system").fill_null("run"),
        )
    )


def with_scores(frame: pl.DataFrame) -> pl.DataFrame:
    """The runs with columns `rank` and `score`, a missing score being minus the rank."""
    absent = {"rank": pl.Int64, "score": pl.Float64}
    frame = frame.with_columns(
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in absent.items()
        if name not in frame.columns
    )
    return frame.with_columns(pl.coalesce("score", -pl.col("rank").cast(pl.Float64)).alias("score"))


def _words(frame: pl.DataFrame) -> bytes:
    texts = frame.select(pl.all().cast(pl.String).fill_null(""))
    for column in texts:
        spaced = column.str.contains(r"^$|\s")
        if spaced.any():
            raise InputError(
                f"{column.name} {column.filter(spaced)[0]!r} is empty or has blanks, which a TREC "
                "file cannot hold. Use .csv"
            )
    lines = texts.select(pl.concat_str(pl.all(), separator=" ")).to_series()
    return "".join(f"{line}\n" for line in lines).encode()


WRITERS = {"qrels": write_qrels, "runs": write_runs}
"""Table → what makes a TREC file of it."""
