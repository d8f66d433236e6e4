"""The ESCI importer on a small folder in its format, and on the real one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from relevance.errors import MissingInputError, TableError
from relevance.importers import esci

LAMP = {
    "asin": "B01",
    "title": " Brass lamp ",
    "description": "",
    "bullet_points": "Warm light\nTwo sizes",
    "brand": "Lux",
    "color": "Gold",
    "category": ["Home", "Lamps"],
}
BULB = {"asin": "B02", "title": "Bulb", "description": "A bulb", "brand": None, "category": []}
RUG = {"asin": "B03", "title": "Rug", "color": "Red"}


def rated(*ratings: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"docId": pin, "rating": rating} for pin, rating in ratings]


def make(folder: Path, groups: list[dict[str, Any]] | None = None, zipped: bool = True) -> Path:
    groups = groups or [
        {"query": "lamp", "ratings": rated(("B01", "100.000"), ("B02", "1.000"), ("B03", "0"))},
        {"query": "gold lamp", "ratings": rated(("B01", "10.000"))},
    ]
    (folder / "judgments.json").write_text(json.dumps({"judgmentRatings": groups}, indent=1))
    lines = "".join(json.dumps(product) + "\n" for product in (LAMP, BULB, RUG)).encode()
    name = "products.jsonl" + (".gz" if zipped else "")
    (folder / name).write_bytes(gzip.compress(lines) if zipped else lines)
    return folder


@pytest.mark.parametrize("zipped", [True, False])
def test_tables(tmp_path: Path, zipped: bool) -> None:
    tables = esci.read(make(tmp_path, zipped=zipped))
    assert tables["queries"].rows() == [
        ("esci-001", "lamp", "US", "en"),
        ("esci-002", "gold lamp", "US", "en"),
    ]
    assert tables["qrels"].rows() == [
        ("esci-001", "B01", 5, "human"),
        ("esci-001", "B02", 2, "human"),
        ("esci-001", "B03", 1, "human"),
        ("esci-002", "B01", 4, "human"),
    ]
    assert tables["pairs"].rows() == [row[:2] for row in tables["qrels"].rows()]
    assert tables["pins"].rows() == [
        ("B01", "Brass lamp", None, "Home · Lamps", "Lux · Gold", "Warm light\nTwo sizes"),
        ("B02", "Bulb", "A bulb", None, None, None),
        ("B03", "Rug", None, None, "Red", None),
    ]


def test_unknown_rating(tmp_path: Path) -> None:
    make(tmp_path, [{"query": "lamp", "ratings": rated(("B01", "100"), ("B02", "50"))}])
    with pytest.raises(TableError, match=r"judgments.json line 11: the rating of B02 must be 0, 1"):
        esci.read(tmp_path)


def test_unknown_product(tmp_path: Path) -> None:
    make(tmp_path, [{"query": "lamp", "ratings": rated(("B01", "100"), ("B09", "100"))}])
    with pytest.raises(TableError, match=r"line 11: a judged product is not in .*, got 'B09'"):
        esci.read(tmp_path)


def test_product_twice(tmp_path: Path) -> None:
    make(tmp_path, [{"query": "lamp", "ratings": rated(("B01", "100"), ("B01", "0"))}])
    with pytest.raises(TableError, match=r"query 'lamp' has this product twice, got 'B01'"):
        esci.read(tmp_path)


def test_no_judgments(tmp_path: Path) -> None:
    make(tmp_path, [{"query": "lamp", "ratings": []}])
    with pytest.raises(TableError, match="it holds no judgments"):
        esci.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"judgmentRatings": [\n{"query": "a", ', r"judgments.json line 2: not JSON"),
        ("[]", r"not an ESCI judgment list \(TypeError"),
        ('{"judgments": []}', r"not an ESCI judgment list \(KeyError"),
        ('{"judgmentRatings": [{"query": "a"}]}', r"not an ESCI judgment list \(KeyError"),
    ],
)
def test_broken_judgments(tmp_path: Path, text: str, message: str) -> None:
    make(tmp_path)
    (tmp_path / "judgments.json").write_text(text)
    with pytest.raises(TableError, match=message):
        esci.read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"asin": "B0', r"products.jsonl line 2: not JSON"),
        ('{"asin": "B04"}', r"products.jsonl line 2: not a product \(KeyError: 'title'\)"),
        ("[]", r"products.jsonl line 2: not a product"),
    ],
)
def test_broken_products(tmp_path: Path, line: str, message: str) -> None:
    make(tmp_path)
    (tmp_path / "products.jsonl").write_text(json.dumps(LAMP) + "\n" + line)
    with pytest.raises(TableError, match=message):
        esci.read(tmp_path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"products.jsonl.gz not found.*chorus-opensearch"):
        esci.read(tmp_path)


def test_truncated_gzip(tmp_path: Path) -> None:
    make(tmp_path)
    path = tmp_path / "products.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(TableError, match="the gzip file is truncated or damaged"):
        esci.read(tmp_path)


@pytest.mark.data
def test_the_real_data(data_dir: Path) -> None:
    tables = esci.read(data_dir / "esci-us")
    assert {name: frame.height for name, frame in tables.items()} == {
        "queries": 150,
        "pins": 6764,
        "pairs": 6678,
        "qrels": 6678,
    }
    counts = dict(tables["qrels"]["grade"].value_counts().rows())
    assert counts == {5: 3389, 4: 1898, 2: 305, 1: 1086}
    per_query = tables["qrels"].group_by("query_id").len()["len"]
    assert (per_query.min(), per_query.max()) == (40, 78)
