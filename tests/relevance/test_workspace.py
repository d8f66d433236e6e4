"""Named tables in a folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relevance.errors import InputError, MissingInputError, TableError
from relevance.files import hash_file
from relevance.provenance import read_provenance, seen_queries
from relevance.results import Results, Row
from relevance.workspace import Workspace, kind_of

QRELS = pl.DataFrame({"query_id": ["b", "a"], "pin_id": ["p", "p"], "grade": [1, 5]})


def test_write_then_read(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    assert not workspace.has("qrels")
    path = workspace.write(
        "qrels",
        QRELS,
        command="test",
        inputs={"x": "1"},
        config={"a": 1},
        seed=3,
        seen_queries=["h"],
    )
    assert path == tmp_path / "ws" / "qrels.parquet"
    assert workspace.has("qrels")
    frame = workspace.read("qrels")
    assert frame.select("query_id", "grade").rows() == [("a", 5), ("b", 1)]
    assert "method" in frame.columns
    provenance = read_provenance(path)
    assert provenance is not None
    assert (provenance["command"], provenance["seed"]) == ("test", 3)
    assert seen_queries(path) == {"h"}


def test_variants_of_a_kind(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("qrels-truth", QRELS, command="test")
    assert workspace.read("qrels-truth").height == 2
    assert not workspace.has("qrels")
    assert kind_of("runs-candidate") == "runs"


def test_results_are_kept_as_they_are(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    frame = Results((Row(metric="P@8", value=0.5, n=3),)).to_frame()
    workspace.write("results-grades", frame, command="test")
    assert workspace.read("results-grades").equals(frame)


def test_a_missing_table_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"qrels.parquet not found.*gradewise x"):
        Workspace(tmp_path).read("qrels", made_by="gradewise x")


def test_a_name_that_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no table is called 'qrel-x'\. Did you mean 'qrels'"):
        Workspace(tmp_path).path("qrel-x")


def test_a_table_that_somebody_broke(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("qrels", QRELS.with_columns(grade=6), command="test")
    with pytest.raises(TableError, match=r"qrels.parquet line 1, column grade"):
        workspace.read("qrels")


def test_hashes_of_what_is_there(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = workspace.write("qrels", QRELS, command="test")
    assert workspace.hashes("qrels", "pairs") == {"qrels": hash_file(path)}
