"""Quepid: the CSV of a case's ratings or of a book's judgements (see `relevance.dialects.quepid`).

- Grades: the case's own scale, usually 0-3, see `relevance.importers.five`.
- Queries: each text is one; `query_id` is the text.
- Pins: not in the export, which has document ids only.
- Pairs: every document of a query, rated or not.
- A case gives qrels, a book (a column a judge) judgments, for `gradewise annotation adjudicate`.

Source: github.com/o19s/quepid, "Export" of a case or a book.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relevance.dialects.quepid import JUDGE, RATING
from relevance.errors import TableError
from relevance.formats import read_text
from relevance.grades import TREC, GradeScale
from relevance.importers.five import to_five
from relevance.tables import read_table

FROM = "Quepid: open the case or the book, then Export"


def read(path: Path, scale: GradeScale | None = None) -> dict[str, pl.DataFrame]:
    """The tables queries, pairs and either qrels or judgments of a Quepid file.

    Args:
        path: The file.
        scale: The scale of its ratings; None to take it from them.

    Raises:
        MissingInputError: The file is not there.
        TableError: It is not a Quepid export, or broken.
        InputError: It has too many grades.
    """
    header = read_text(path, FROM).lstrip().partition("\n")[0].lower()
    if "query" not in header or "docid" not in header:
        raise TableError(
            "this is not Quepid's export, which begins with query,docid",
            path=path,
            line=1,
            value=header,
            way_out="Export the ratings of a case, or the judgements of a book, as CSV",
        )
    case = RATING in header and not any(name in header for name in JUDGE)
    table = "qrels" if case else "judgments"
    graded = to_five(read_table(path, table, scale=scale or TREC), scale, path)
    if case:
        graded = graded.select("query_id", "pin_id", "grade", method=pl.lit("human"))
    return {
        "queries": read_table(path, "queries"),
        "pairs": read_table(path, "pairs"),
        table: graded,
    }
