"""The Movie Search Ranking Dataset (MSRD), as the elasticsearch-labs project ships it.

A folder with `movies-judgments.tsv` (query, movie, grade) and `movies-corpus.jsonl`, each of which
may be zipped (`.gz`).

- Grades: 0, 1 → 1, 5. Between them there is none, so AUROC@2 to AUROC@5 are the same figure.
- Queries: ids as they are (`qid:5141`), each text once; language en, the searcher's country is not
  known.
- Pins: title, and the overview as description; genres and tags are the `board_titles`, year and
  director the `link_title`, actors the `link_description`. Popularity, votes, budget and the
  address of the poster are left out: they are not text.
- Pairs and qrels: every judgment whose movie is in the corpus. The others (374 in the published
  file) are set aside and counted. How many people judged a pair is not published.

The judgments are read with quoting off: a quotation mark in a query is a quotation mark.

Source: github.com/elastic/elasticsearch-labs `notebooks/search/sample_data/learning-to-rank/`, made
from github.com/metarank/msrd. Licence: CC BY-SA 4.0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from relevance.errors import TableError
from relevance.formats import read_text
from relevance.importers.five import FIVE_OF
from relevance.importers.set_aside import Outcome, Rejected

GRADE_OF = dict(zip(("0", "1"), FIVE_OF[2], strict=True))
COLUMNS = ("query_id", "query", "doc_id", "grade")
NO_DOCUMENT = "judgments of a movie that is not in the corpus"
FROM = (
    "download notebooks/search/sample_data/learning-to-rank/ of github.com/elastic/"
    "elasticsearch-labs"
)


def read(folder: Path) -> Outcome:
    """The tables queries, pins, pairs and qrels of an MSRD folder, and what was set aside.

    Raises:
        MissingInputError: A file is not in the folder.
        TableError: A file is broken, or no judged movie is in the corpus.
    """
    pins = _pins(_file(folder, "movies-corpus.jsonl"))
    path = _file(folder, "movies-judgments.tsv")
    judged = _judged(path)
    known = judged.join(pins, on="pin_id", how="semi", maintain_order="left")
    if known.is_empty():
        raise TableError(
            "no judged movie is in the corpus",
            path=path,
            way_out="Take both files from the same release",
        )
    unknown = judged.join(pins, on="pin_id", how="anti", maintain_order="left")
    qrels = known.select("query_id", "pin_id", "grade", method=pl.lit("human"))
    queries = known.select("query_id", "text", language=pl.lit("en"))
    return Outcome(
        {
            "queries": queries.unique("query_id", maintain_order=True),
            "pins": pins,
            "pairs": qrels.select("query_id", "pin_id"),
            "qrels": qrels,
        },
        [
            Rejected(line, "doc_id", pin_id, NO_DOCUMENT)
            for line, pin_id in unknown.select("line", "pin_id").rows()
        ],
    )


def _file(folder: Path, name: str) -> Path:
    """The file of that name, or where it would be if it were zipped."""
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"


def _judged(path: Path) -> pl.DataFrame:
    """line, query_id, text, pin_id and grade of every judgment."""
    lines = read_text(path, FROM).rstrip("\n").split("\n")
    if tuple(lines[0].rstrip("\r").split("\t")) != COLUMNS:
        raise TableError(
            f"the header must be {', '.join(COLUMNS)}, with tabs between them",
            path=path,
            line=1,
            value=lines[0][:80],
            way_out="Download it again",
        )
    cells = pl.Series(lines[1:], dtype=pl.String).str.strip_chars_end("\r").str.split("\t")
    ragged = (cells.list.len() != len(COLUMNS)).arg_true()
    if len(ragged):
        raise TableError(
            f"a row has {len(COLUMNS)} cells, this one {len(cells[ragged[0]])}",
            path=path,
            line=ragged[0] + 2,
            way_out="Download it again",
        )
    wide = cells.list.to_struct(fields=list(COLUMNS)).struct.unnest()
    frame = wide.with_row_index("line", offset=2).rename({"query": "text", "doc_id": "pin_id"})
    for column, faulty, said in (
        ("grade", ~pl.col("grade").is_in(list(GRADE_OF)), "grade must be 0 or 1"),
        ("query_id", pl.col("query_id") == "", "the id of the query is empty"),
        ("doc_id", ~pl.struct("query_id", "pin_id").is_first_distinct(), "a movie is judged twice"),
        ("query", pl.col("text").n_unique().over("query_id") > 1, "a query has two texts"),
    ):
        _refuse(frame.filter(faulty), path, column, said)
    grade = pl.col("grade").replace_strict(GRADE_OF, return_dtype=pl.Int64)
    return frame.with_columns(grade, pl.col("text").str.strip_chars())


def _refuse(wrong: pl.DataFrame, path: Path, column: str, said: str) -> None:
    """Raises `TableError` with the first of the wrong rows, if there are any."""
    if wrong.height:
        ours = {"query": "text", "doc_id": "pin_id"}.get(column, column)
        raise TableError(
            said,
            path=path,
            line=wrong["line"][0],
            column=column,
            value=wrong[ours][0],
            way_out="Fix it, or download the file again",
        )


def _pins(path: Path) -> pl.DataFrame:
    rows = []
    for number, line in enumerate(read_text(path, FROM).split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_pin(json.loads(line)))
        except json.JSONDecodeError as error:
            raise TableError(
                f"not JSON ({error.msg})", path=path, line=number, way_out="Download it again"
            ) from None
        except (KeyError, TypeError, AttributeError) as error:
            raise TableError(
                f"not a movie ({type(error).__name__}: {error})",
                path=path,
                line=number,
                way_out="A movie has id and title, and may have overview, genres, actors, …",
            ) from None
    pins = pl.DataFrame(rows, schema=dict.fromkeys(_PIN, pl.String), infer_schema_length=None)
    again = pins.with_row_index().filter(pl.col("pin_id").is_duplicated())
    if again.height:
        raise TableError(
            "a movie is in the corpus twice",
            path=path,
            column="id",
            value=again["pin_id"][0],
            way_out="Keep one of them",
        )
    return pins


_PIN = ("pin_id", "title", "description", "board_titles", "link_title", "link_description")


def _pin(movie: dict[str, Any]) -> dict[str, str | None]:
    return {
        "pin_id": str(movie["id"]),
        "title": movie["title"].strip() or None,
        "description": (movie.get("overview") or "").strip() or None,
        "board_titles": _joined(*(movie.get("genres") or ()), *(movie.get("tags") or ())),
        "link_title": _joined(movie.get("year"), movie.get("director")),
        "link_description": _joined(*(movie.get("actors") or ())),
    }


def _joined(*parts: object) -> str | None:
    """What there is, ` · ` between; None if there is nothing."""
    return " · ".join(text for part in parts if part and (text := str(part).strip())) or None
