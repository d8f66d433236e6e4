"""The nested JSON of pytrec_eval, BEIR and ranx: `{query: {document: grade or score}}`.

It holds qrels, or the run of one system (whose name the file does not tell).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from relevance.dialects import Read
from relevance.dialects.trec import with_scores
from relevance.errors import InputError, TableError
from relevance.records import Table

VALUE = {"qrels": "grade", "runs": "score"}
"""What the numbers are, by table."""

_NESTED = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\{')
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"\s*(:)?|[{}\[\]]')
_WAY_OUT = 'Give {"query": {"document": number}}'


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a repeated key is seen."""


def read(text: str, path: Path, table: Table) -> Read | None:
    """The rows of a nested JSON object, or None if the text is not one.

    Raises:
        TableError: It is broken JSON or holds no document at all.
    """
    if table.name not in VALUE or not _NESTED.match(text):
        return None
    try:
        queries = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # JSONL, the rows of which begin with an object
            return None
        raise TableError(
            f"not JSON ({error.msg}, column {error.colno})",
            path=path,
            line=error.lineno,
            way_out=_WAY_OUT,
        ) from None
    except RecursionError:
        raise TableError("the JSON is nested too deeply", path=path, way_out=_WAY_OUT) from None
    if not all(isinstance(documents, _Pairs) for _, documents in queries):
        return None
    rows = [(query, pin, value) for query, documents in queries for pin, value in documents]
    if not rows:
        raise TableError("no query has a document", path=path, way_out=_WAY_OUT)
    query_ids, pin_ids, values = zip(*rows, strict=True)
    frame = pl.DataFrame(
        {"query_id": query_ids, "pin_id": pin_ids, VALUE[table.name]: _cells(values)}
    )

    @cache
    def places() -> list[int]:
        return list(_leaf_lines(text))

    return Read("pytrec", frame, lambda wanted: [places()[row] for row in wanted])


def _cells(values: Sequence[Any]) -> pl.Series:
    """Numbers as such; anything else as the text that it is in JSON, for the checks to refuse."""
    kinds = set(map(type, values))
    try:
        if kinds <= {int, float}:
            return pl.Series(values, dtype=pl.Int64 if kinds == {int} else pl.Float64)
    except (OverflowError, TypeError):
        pass
    return pl.Series(
        [value if value is None else json.dumps(value) for value in values], dtype=pl.String
    )


def _leaf_lines(text: str) -> Iterator[int]:
    """The line of each document's key, in order."""
    depth, line, at = 0, 1, 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
        elif depth == 2 and token[1]:
            line += text.count("\n", at, token.start())
            at = token.start()
            yield line


def write_qrels(frame: pl.DataFrame) -> bytes:
    """The qrels as nested JSON, a query a line."""
    return _nested(frame, "grade")


def write_runs(frame: pl.DataFrame) -> bytes:
    """The run of one system as nested JSON, a query a line; a missing score is minus the rank."""
    if "system" in frame.columns and frame["system"].n_unique() > 1:
        shown = ", ".join(map(str, frame["system"].unique().sort().to_list()[:4]))
        raise InputError(f"nested JSON holds one system, this run has {shown}. Use .csv")
    return _nested(with_scores(frame), "score")


def _nested(frame: pl.DataFrame, value: str) -> bytes:
    lines = [
        json.dumps(query, ensure_ascii=False)
        + ": "
        + json.dumps(dict(zip(group["pin_id"], group[value], strict=True)), ensure_ascii=False)
        for (query,), group in frame.group_by("query_id", maintain_order=True)
    ]
    return ("{" + ",\n".join(lines) + "}\n").encode()


WRITERS = {"qrels": write_qrels, "runs": write_runs}
"""Table → what makes nested JSON of it."""
