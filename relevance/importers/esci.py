"""Amazon Shopping Queries (ESCI), US part, as the chorus-opensearch-edition project ships it.

A folder with `judgments.json` (queries with rated products) and `products.jsonl` (or `.jsonl.gz`).

- Grades: Irrelevant, Complement, Substitute, Exact (rating 0, 1, 10, 100) → 1, 2, 4, 5. No product
  has grade 3, so AUROC@3 equals AUROC@4.
- Queries: `esci-001`… in the order of the file; country US, language en (a few are Spanish).
- Pins: title and description as they are; the bullet points are the `link_description`, brand and
  colour the `link_title`, the category path the `board_titles`. There is no picture.
- Pairs and qrels: all judged products of each query; how many people judged is not published.

Source: github.com/o19s/chorus-opensearch-edition `sample-data/`; Reddy et al. 2022,
arXiv 2206.06588. Licence: Apache-2.0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from relevance.errors import TableError
from relevance.formats import read_text

GRADE_OF_RATING = {0.0: 1, 1.0: 2, 10.0: 4, 100.0: 5}
FROM = "download sample-data of github.com/o19s/chorus-opensearch-edition"


def read(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables queries, pins, pairs and qrels of an ESCI folder.

    Raises:
        MissingInputError: A file is not in the folder.
        TableError: A file is broken, or a judged product is not among the products.
    """
    judgments = folder / "judgments.json"
    products = folder / "products.jsonl"
    if not products.exists():
        products = folder / "products.jsonl.gz"
    pins = _pins(products)
    queries, qrels = _judged(judgments)
    unknown = qrels.join(pins, on="pin_id", how="anti")
    if unknown.height:
        raise TableError(
            "a judged product is not in products.jsonl",
            path=judgments,
            line=_line_of(judgments, unknown["pin_id"][0]),
            value=unknown["pin_id"][0],
            way_out="Take both files from the same release",
        )
    pairs = qrels.select("query_id", "pin_id")
    return {"queries": queries, "pins": pins, "pairs": pairs, "qrels": qrels}


def _judged(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    text = read_text(path, FROM)
    try:
        groups = json.loads(text)["judgmentRatings"]
        rows = [
            (f"esci-{number:03}", str(group["query"]), str(item["docId"]), item["rating"])
            for number, group in enumerate(groups, 1)
            for item in group["ratings"]
        ]
    except json.JSONDecodeError as error:
        raise TableError(
            f"not JSON ({error.msg})", path=path, line=error.lineno, way_out="Download it again"
        ) from None
    except (KeyError, TypeError) as error:
        raise TableError(
            f"not an ESCI judgment list ({type(error).__name__}: {error})",
            path=path,
            way_out="It needs judgmentRatings with query and ratings (docId, rating)",
        ) from None
    if not rows:
        raise TableError("it holds no judgments", path=path, way_out="Download it again")
    grades = [_grade(path, pin_id, rating) for _, _, pin_id, rating in rows]
    frame = pl.DataFrame(
        {
            "query_id": [row[0] for row in rows],
            "text": [row[1] for row in rows],
            "pin_id": [row[2] for row in rows],
            "grade": grades,
        }
    )
    _refuse_repeats(path, frame)
    queries = frame.select("query_id", "text").unique(maintain_order=True)
    queries = queries.with_columns(country=pl.lit("US"), language=pl.lit("en"))
    return queries, frame.select("query_id", "pin_id", "grade", method=pl.lit("human"))


def _grade(path: Path, pin_id: str, rating: object) -> int:
    try:
        return GRADE_OF_RATING[float(str(rating))]
    except (KeyError, ValueError):
        raise TableError(
            f"the rating of {pin_id} must be 0, 1, 10 or 100",
            path=path,
            line=_line_of(path, pin_id),
            value=rating,
            way_out="Fix it, or download the file again",
        ) from None


def _refuse_repeats(path: Path, frame: pl.DataFrame) -> None:
    """Raises `TableError` if a query's list names a product twice, or a query has two lists."""
    again = frame.filter(~pl.struct("text", "pin_id").is_first_distinct())
    if again.height:
        text, pin_id = again.select("text", "pin_id").row(0)
        raise TableError(
            f"query {text!r} has this product twice",
            path=path,
            line=_line_of(path, pin_id),
            value=pin_id,
            way_out="Keep one of them",
        )


def _line_of(path: Path, pin_id: str) -> int:
    """The first line of a file that names a product."""
    text = read_text(path, FROM)
    return text.count("\n", 0, max(text.find(f'"{pin_id}"'), 0)) + 1


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
                f"not a product ({type(error).__name__}: {error})",
                path=path,
                line=number,
                way_out="A product has asin and title, and may have description, bullet_points, …",
            ) from None
    return pl.DataFrame(rows, schema=dict.fromkeys(_PIN, pl.String), infer_schema_length=None)


_PIN = ("pin_id", "title", "description", "board_titles", "link_title", "link_description")


def _pin(product: dict[str, Any]) -> dict[str, str | None]:
    named = (product.get("brand"), product.get("color"))
    return {
        "pin_id": str(product["asin"]),
        "title": product["title"].strip() or None,
        "description": (product.get("description") or "").strip() or None,
        "board_titles": " · ".join(product.get("category") or ()) or None,
        "link_title": " · ".join(word.strip() for word in named if word) or None,
        "link_description": (product.get("bullet_points") or "").strip() or None,
    }
