"""Landing a data set in a workspace: all of it or nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relevance.errors import InputError, TableError
from relevance.importers import IMPORTERS, Importer, import_tables
from relevance.provenance import read_provenance
from relevance.workspace import Workspace

QUERIES = pl.DataFrame({"query_id": ["q"], "text": ["lamp"]})
QRELS = pl.DataFrame({"query_id": ["q"], "pin_id": ["p"], "grade": [5]})


def importer(**tables: pl.DataFrame) -> Importer:
    return Importer("fake", "a fake", "folder", lambda path: tables)


def test_registry_names() -> None:
    assert {name: one.name for name, one in IMPORTERS.items()} == {name: name for name in IMPORTERS}
    assert all(one.source in {"folder", "file"} and one.about for one in IMPORTERS.values())


def test_tables_and_provenance(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    fake = importer(queries=QUERIES, qrels=QRELS)
    import_tables(fake, source, tmp_path / "deep" / "ws", command="import fake")
    workspace = Workspace(tmp_path / "deep" / "ws")
    assert workspace.read("qrels").height == 1
    provenance = read_provenance(workspace.path("queries"))
    assert provenance is not None
    assert provenance["command"] == "import fake"
    assert list(provenance["inputs"]) == ["a.txt"]
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["ws"]


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    root = tmp_path / "ws"
    import_tables(importer(queries=QUERIES), source, root, command="one")
    with pytest.raises(InputError, match=r"holds queries already\. Add --overwrite"):
        import_tables(importer(queries=QUERIES, qrels=QRELS), source, root, command="two")
    assert not Workspace(root).has("qrels")
    import_tables(
        importer(queries=QUERIES, qrels=QRELS), source, root, command="three", overwrite=True
    )
    assert Workspace(root).has("qrels")


def test_a_broken_table_lands_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    bad = importer(queries=QUERIES, qrels=QRELS.with_columns(grade=9))
    with pytest.raises(TableError, match="grade must be 1-5, got 9"):
        import_tables(bad, source, tmp_path / "ws", command="x")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
