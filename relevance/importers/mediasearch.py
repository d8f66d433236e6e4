"""Wikimedia Commons image search: the MySQL dump of `ratedSearchResult` (media-search-signal-test).

- Grades: -1 bad, 0 so-so, 1 good → 1, 3, 5. Rows without a rating (NULL) are left out.
- Queries: one for each search term and language, `en:Big_Ben`; the text has blanks for underscores.
  Language is the dump's column; the country of a searcher is not known.
- Pins: one for each file; the title is the file's name, cleaned: no extension, blanks for
  underscores. That is all the text there is.
- Pairs and qrels: every rated result. One person rated each.

Source: github.com/cormacparle/media-search-signal-test `sql/`. Licence: MIT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from relevance.errors import TableError
from relevance.formats import read_text

GRADE_OF_RATING = {"-1": 1, "0": 3, "1": 5}
TABLE = "ratedSearchResult"
WANTED = ("searchTerm", "language", "result", "rating")
FROM = "download sql/ of github.com/cormacparle/media-search-signal-test"

_TOKEN = re.compile(
    r"\s*(?:'(?P<text>(?:[^'\\]|\\.|'')*)'|(?P<bare>NULL|-?\d+(?:\.\d+)?)|(?P<mark>[(),;]))",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "", "b": "\b", "Z": "\x1a"}


def read(path: Path) -> dict[str, pl.DataFrame]:
    """The tables queries, pins, pairs and qrels of a dump.

    Raises:
        MissingInputError: The file is not there.
        TableError: It is not such a dump, breaks off, or holds a rating that is not -1, 0 or 1.
    """
    text = read_text(path, FROM)
    rows = [row for row in _rows(text, path) if row.rating]
    if not rows:
        raise TableError(
            f"no row of {TABLE} has a rating", path=path, way_out="Give the dump of that table"
        )
    frame = pl.DataFrame(
        {
            "line": [row.line for row in rows],
            "query_id": [f"{row.language}:{'_'.join(row.term.split())}" for row in rows],
            "text": [" ".join(row.term.replace("_", " ").split()) for row in rows],
            "language": [row.language for row in rows],
            "pin_id": ["_".join(row.result.split()) for row in rows],
            "title": [clean_name(row.result) for row in rows],
            "grade": [_grade(path, row) for row in rows],
        }
    )
    _refuse_repeats(path, frame)
    return {
        "queries": frame.select("query_id", "text", "language").unique("query_id"),
        "pins": frame.select("pin_id", "title").unique("pin_id"),
        "pairs": frame.select("query_id", "pin_id"),
        "qrels": frame.select(
            "query_id", "pin_id", "grade", n_judgments=pl.lit(1), method=pl.lit("human")
        ),
    }


def clean_name(name: str) -> str:
    """A file's name as words: `Big_Ben-Window View.jpg` → `Big Ben-Window View`."""
    stem = re.sub(r"\.[A-Za-z0-9]{2,5}$", "", name.removeprefix("File:").strip())
    return " ".join(stem.replace("_", " ").split()) or name


class _Rated(NamedTuple):
    """A row of the dump; NULL is an empty cell."""

    line: int
    term: str
    language: str
    result: str
    rating: str


def _rows(text: str, path: Path) -> Iterator[_Rated]:
    """Every inserted row."""
    created = _columns(text, path)
    starts = re.compile(rf"^INSERT INTO `?{TABLE}`?\s*(?:\(([^)]*)\))?\s*VALUES", re.MULTILINE)
    at, line = 0, 1
    while (insert := starts.search(text, at)) is not None:
        named = re.findall(r"\w+", insert[1]) if insert[1] else created
        places = [named.index(name) for name in WANTED]
        line += text.count("\n", at, insert.end())
        at = insert.end()
        for end, cells in _tuples(text, at, path):
            if len(cells) != len(named):
                raise TableError(
                    f"the table has {len(named)} columns, this row {len(cells)}",
                    path=path,
                    line=text.count("\n", 0, end) + 1,
                    way_out="Dump the table again",
                )
            line += text.count("\n", at, end)
            at = end
            yield _Rated(line, *(cells[place] for place in places))


def _columns(text: str, path: Path) -> list[str]:
    """Names of the table's columns from its CREATE TABLE statement."""
    found = re.search(rf"^CREATE TABLE `?{TABLE}`? \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
    names = re.findall(r"^\s*`(\w+)`", found[1], re.MULTILINE) if found else []
    for name in WANTED:
        if name not in names:
            raise TableError(
                f"this is no dump of {TABLE} with the columns {', '.join(WANTED)}",
                path=path,
                way_out="Make it with mysqldump, CREATE TABLE included",
            )
    return names


def _tuples(text: str, at: int, path: Path) -> Iterator[tuple[int, list[str]]]:
    """End offset and cells of each (…) of a statement, up to its semicolon."""
    cells: list[str] | None = None
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            rest = text[at:].lstrip()
            raise TableError(
                "the INSERT statement cannot be read" if rest else "the dump breaks off here",
                path=path,
                line=text.count("\n", 0, at) + 1,
                value=rest[:40] or None,
                way_out="Dump or download it again",
            )
        at = token.end()
        mark = token["mark"]
        if mark == "(":
            cells = []
        elif mark == ")" and cells is not None:
            yield at, cells
            cells = None
        elif mark == ";" and cells is None:
            return
        elif mark is None and cells is not None:
            cells.append(_unescape(token["text"]) if token["bare"] is None else _bare(token))


def _bare(token: re.Match[str]) -> str:
    return "" if token["bare"] == "NULL" else token["bare"]


def _unescape(cell: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]) if found[1] else "'", cell)


def _grade(path: Path, row: _Rated) -> int:
    if row.rating not in GRADE_OF_RATING:
        raise TableError(
            "rating must be -1, 0 or 1",
            path=path,
            line=row.line,
            column="rating",
            value=row.rating,
            way_out="Fix the row in the database and dump it again",
        )
    return GRADE_OF_RATING[row.rating]


def _refuse_repeats(path: Path, frame: pl.DataFrame) -> None:
    again = frame.filter(~pl.struct("query_id", "pin_id").is_first_distinct())
    if again.height:
        line, query_id, pin_id = again.select("line", "query_id", "pin_id").row(0)
        raise TableError(
            f"{query_id} has {pin_id} twice",
            path=path,
            line=line,
            way_out="Keep one of the two rows",
        )
