"""Every format × every table that it can hold: what is written reads back as far as it goes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from relevance.grades import TREC
from relevance.importers.five import FIVE_OF
from relevance.records import TABLES
from relevance.tables import read_table, write_table
from relevance.writing import ENDINGS, FORMATS

QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
FILLED = TEXT.filter(bool)
WORD = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
NAME = st.text(st.characters(categories=["L"]), min_size=1, max_size=6).map("judge {}".format)
NUMBER = st.floats(-1e9, 1e9)
SHARE = st.floats(0.01, 1)

COLUMNS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "queries": {
        "text": FILLED,
        "country": st.none() | FILLED,
        "language": st.none() | FILLED,
        "segment": st.none() | FILLED,
        "traffic": st.none() | st.floats(0, 1e9),
    },
    "pins": {"title": st.none() | FILLED, "description": st.none() | FILLED},
    "pairs": {},
    "samples": {"inclusion_probability": SHARE, "stratum": FILLED, "draw": st.just("pool")},
    "judgments": {"annotator": NAME, "grade": st.integers(-2, 9)},
    "qrels": {"grade": st.integers(-2, 9)},
    "runs": {"score": NUMBER},
    "predictions": {f"p{k}": st.just(0.2) for k in range(1, 6)} | {"model": FILLED},
    "sessions": {"unit_id": FILLED, "variant": FILLED, "fulfilled": st.none() | NUMBER},
}
KEYS = {
    "queries": ("query_id",),
    "pins": ("pin_id",),
    "judgments": ("query_id", "pin_id", "annotator"),
    "sessions": (),
}
HELD = [(name, table) for name in FORMATS for table in FORMATS[name] if table in COLUMNS]


def safe(text: str) -> str:
    """A query that Quepid's escape of formulas does not change."""
    return text.removeprefix(" ") or "q"


@st.composite
def frames(draw: st.DrawFn, name: str, table: str) -> pl.DataFrame:
    ids = WORD if name == "trec" else FILLED.map(safe) if name == "quepid" else FILLED
    key = KEYS.get(table, ("query_id", "pin_id"))
    columns = {column: ids for column in key if column.endswith("_id")} | COLUMNS[table]
    row = st.fixed_dictionaries(columns)
    unique = None if not key else lambda cells: tuple(cells[column] for column in key)
    rows = draw(st.lists(row, min_size=1, max_size=5, unique_by=unique))
    numbers = {"traffic": pl.Float64, "fulfilled": pl.Float64}
    texts = dict.fromkeys(("country", "language", "segment", "title", "description"), pl.String)
    overrides = {c: t for c, t in (numbers | texts).items() if c in columns}
    return pl.DataFrame(rows, schema_overrides=overrides)


@pytest.mark.parametrize(("name", "table"), HELD, ids=str)
@QUICK
@given(data=st.data())
def test_what_is_written_reads_back(
    name: str, table: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    frame = data.draw(frames(name, table))
    path = tmp_path_factory.mktemp("formats") / "file"
    write_table(frame, path, table, to=name)
    read = read_table(path, table, scale=TREC)
    key = [column for column in TABLES[table].key if column in frame.columns]
    order = key or frame.columns
    assert_frame_equal(read.select(frame.columns).sort(order), frame.sort(order), check_exact=True)


def test_every_format_is_tried() -> None:
    assert {name for name, _ in HELD} == set(FORMATS)
    assert set(ENDINGS.values()) <= set(FORMATS)


@pytest.mark.parametrize("name", ["beir", "pytrec", "quepid", "trec"])
def test_zipped_files_of_other_tools(name: str, tmp_path: Path) -> None:
    qrels = pl.DataFrame({"query_id": ["q"], "pin_id": ["p"], "grade": [4]})
    write_table(qrels, tmp_path / "qrels.gz", "qrels", to=name)
    assert (tmp_path / "qrels.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert read_table(tmp_path / "qrels.gz", "qrels")["grade"].to_list() == [4]


def test_the_page_tells_every_format_ending_and_mapping() -> None:
    text = (Path(__file__).parents[3] / "docs/formats.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    told = {name for row in rows for name in row[0].strip("| ").split(", ")}
    assert set(FORMATS) <= told
    assert all(f"`{ending}`" in text for ending in ENDINGS)
    for n_levels, five in FIVE_OF.items():
        levels, grades = (", ".join(map(str, some)) for some in (range(n_levels), five))
        assert f"| {levels} | {grades} |" in text
