"""A TREC collection: a folder with one qrels file, any runs, and a topics file.

Files are recognised by content, whatever they are called; others are left alone.

- qrels: lines of four words. Grades: see `relevance.importers.five`; below 0 counts as 0.
- Runs: lines of six words (or more, as in trec_eval); each file becomes `runs-NAME`.
- Queries: the titles of a topics file (`<top> … <num> Number: 301 … <title> …`) or a file of lines
  `topic<TAB>text`. Without one there is no queries table: TREC files hold ids only.
- Pins: none, for the same reason. Pairs: every judged pair.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from relevance.dialects import trec
from relevance.errors import InputError, MissingInputError, TableError
from relevance.formats import read_text
from relevance.grades import TREC, GradeScale
from relevance.importers.five import to_five
from relevance.records import TABLES
from relevance.tables import read_table

FROM = "your own hand: a folder with TREC qrels, runs and topics"

_TOP = re.compile(r"<top>(.*?)(?=<top>|\Z)", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*([^\s<]+)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:Topic:)?\s*([^<]*)", re.IGNORECASE)
_QUERY_LINE = re.compile(r"[^\s\t]+\t[^\t]+")


def read(folder: Path, scale: GradeScale | None = None) -> dict[str, pl.DataFrame]:
    """The tables of a TREC folder: pairs, qrels, queries where there are topics, and runs.

    Args:
        folder: The folder.
        scale: The scale of its grades; None to take it from them.

    Raises:
        MissingInputError: There is no such folder.
        TableError: A file is broken, or there is no qrels file.
        InputError: There are several qrels or topics files, or too many grades.
    """
    if not folder.is_dir():
        raise MissingInputError(folder, FROM)
    kinds = _kinds(folder)
    qrels_file = _only(kinds["qrels"], folder, "qrels")
    if qrels_file is None:
        raise TableError(
            "no file of the folder holds TREC qrels",
            path=folder,
            way_out="Put in the qrels: lines of topic 0 document grade",
        )
    graded = read_table(qrels_file, "qrels", scale=scale or TREC)
    qrels = to_five(graded, scale, qrels_file).select(
        "query_id", "pin_id", "grade", method=pl.lit("human")
    )
    tables = {"pairs": qrels.select("query_id", "pin_id"), "qrels": qrels}
    topics = _only(kinds["topics"], folder, "topics")
    if topics is not None:
        tables["queries"] = _topics(topics)
    for path in kinds["runs"]:
        name = re.sub(r"\W+", "-", path.name.removesuffix(".gz").removesuffix(".run")).strip("-")
        tables[f"runs-{name}"] = read_table(path, "runs")
    return tables


def _kinds(folder: Path) -> dict[str, list[Path]]:
    """The files of a folder by what they hold."""
    kinds: dict[str, list[Path]] = {"qrels": [], "runs": [], "topics": []}
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        try:
            text = read_text(path, FROM)
        except TableError:  # a picture, an archive: not ours
            continue
        kind = _kind(text)
        if kind:
            kinds[kind].append(path)
    return kinds


def _kind(text: str) -> str | None:
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    if _TOP.search(text):
        return "topics"
    for kind in ("runs", "qrels"):
        if all(trec.looks_like(line, TABLES[kind]) for line in lines[:20]):
            return kind
    return "topics" if all(_QUERY_LINE.fullmatch(line.strip()) for line in lines) else None


def _only(paths: list[Path], folder: Path, kind: str) -> Path | None:
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise InputError(f"{folder} holds several {kind} files: {names}. Leave one")
    return paths[0] if paths else None


def _topics(path: Path) -> pl.DataFrame:
    text = read_text(path, FROM)
    rows = []
    for top in _TOP.finditer(text):
        number, title = _NUMBER.search(top[1]), _TITLE.search(top[1])
        if number is None or title is None or not title[1].strip():
            raise TableError(
                "a topic needs <num> and <title>",
                path=path,
                line=text.count("\n", 0, top.start()) + 1,
                way_out="Write <top> <num> Number: 301 <title> the words of the query </top>",
            )
        rows.append((number[1], " ".join(title[1].split())))
    if not rows:
        cells = (line.strip().split("\t") for line in text.split("\n") if line.strip())
        rows = [(number, title.strip()) for number, title in cells]
    return pl.DataFrame(rows, schema=["query_id", "text"], orient="row")
