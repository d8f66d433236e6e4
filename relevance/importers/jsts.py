"""JSTS, the Japanese semantic textual similarity data of JGLUE: pairs of picture captions.

A folder with `train-v1.3.json`, `valid-v1.3.json` and `test-v1.3.json` (any version; one JSON
object a line).

This is similarity, not relevance: people said how alike two captions are in meaning, from 0 to 5,
and there is no searcher. It stands in for graded Japanese data: sentence 1 is taken as the query,
sentence 2 as the title of the Pin. What a model does here says that it can learn five grades of
Japanese text, and nothing about search.

- Grades: the mean rating x of several people → the nearest of 1–5 to x·4/5 + 1. A pair of texts
  that occurs more than once (18 rows) has the mean of its ratings. How many people rated each is
  not published.
- Queries: one for each distinct sentence 1; language ja. `split` is the file that it is in, the one
  for evaluation where it is in several (test, then valid, then train), so that a query is learned
  from or tested on, never both. `pictures` are the ids of the pictures that its pairs describe,
  blanks between: some are in several of the published files.
- Pins: one for each distinct sentence 2.

Source: github.com/yahoojapan/JGLUE `datasets/jsts-v1.3`; Kurihara et al. 2022. Licence:
CC BY-SA 4.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from relevance.errors import MissingInputError, TableError
from relevance.formats import read_text
from relevance.importers.five import nearest_five

SPLITS = ("test", "valid", "train")
"""Names of the files; where a sentence is in several, the first of these counts."""

HIGHEST = 5.0
FROM = "download datasets/jsts-v1.3 of github.com/yahoojapan/JGLUE"


def read(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables queries, pins, pairs and qrels of a JSTS folder.

    Raises:
        MissingInputError: A file is not in the folder.
        TableError: A file is broken, or a rating is not from 0 to 5.
    """
    rows = [row for split in SPLITS for row in _rows(_file(folder, split), split)]
    frame = pl.DataFrame(rows, schema=_ROW, orient="row", infer_schema_length=None)
    rated = frame.group_by("query", "pin", maintain_order=True).agg(pl.col("rating").mean())
    queries = frame.group_by("query", maintain_order=True).agg(
        pl.col("split").first(),
        pictures=pl.col("pictures").list.explode().unique().sort().str.join(" "),
    )
    queries = _numbered(queries, "query_id", "jsts-q")
    pins = _numbered(rated.select(pl.col("pin").unique(maintain_order=True)), "pin_id", "jsts-p")
    qrels = (
        rated.join(queries, on="query", maintain_order="left")
        .join(pins, on="pin", maintain_order="left")
        .select(
            "query_id",
            "pin_id",
            pl.col("rating").pipe(nearest_five, highest=HIGHEST).alias("grade"),
            method=pl.lit("human"),
        )
    )
    return {
        "queries": queries.select(
            "query_id", "split", "pictures", text="query", language=pl.lit("ja")
        ),
        "pins": pins.select("pin_id", title="pin"),
        "pairs": qrels.select("query_id", "pin_id"),
        "qrels": qrels,
    }


_ROW: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "query": pl.String,
    "pin": pl.String,
    "rating": pl.Float64,
    "split": pl.String,
    "pictures": pl.List(pl.String),
}


def _file(folder: Path, split: str) -> Path:
    found = sorted(path for path in folder.glob(f"{split}-v*.json*") if path.is_file())
    if not found:
        raise MissingInputError(folder / f"{split}-v1.3.json", FROM)
    return found[-1]


def _rows(path: Path, split: str) -> list[tuple[str, str, float, str, list[str]]]:
    rows = []
    for number, line in enumerate(read_text(path, FROM).split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(json.loads(line), split))
        except json.JSONDecodeError as error:
            raise TableError(
                f"not JSON ({error.msg})", path=path, line=number, way_out="Download it again"
            ) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TableError(
                f"not a pair of JSTS ({type(error).__name__}: {error})",
                path=path,
                line=number,
                way_out="A pair has sentence1, sentence2, yjcaptions_id and a label from 0 to 5",
            ) from None
    if not rows:
        raise TableError("it holds no pairs", path=path, way_out="Download it again")
    return rows


def _row(pair: dict[str, Any], split: str) -> tuple[str, str, float, str, list[str]]:
    rating = float(pair["label"])
    if not 0 <= rating <= HIGHEST:
        raise ValueError(f"label must be from 0 to 5, got {pair['label']}")
    first, second = pair["sentence1"].strip(), pair["sentence2"].strip()
    if not first or not second:
        raise ValueError("a sentence is empty")
    return first, second, rating, split, _pictures(pair["yjcaptions_id"])


def _pictures(captions_id: str) -> list[str]:
    """`10005_480798-10996-92616` (pictures, then captions) → `["10005", "480798"]`."""
    return captions_id.partition("-")[0].split("_")


def _numbered(frame: pl.DataFrame, key: str, prefix: str) -> pl.DataFrame:
    """The frame with ids `prefix`00001… in its order."""
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(5)
    return frame.with_columns((pl.lit(prefix) + number).alias(key))
