"""Provenance beside tables and model folders."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path

import pytest

from relevance.files import atomic, fingerprint, hash_file
from relevance.provenance import (
    hash_query,
    provenance_path,
    read_provenance,
    seen_queries,
    write_provenance,
)


def test_where_it_lives(tmp_path: Path) -> None:
    assert provenance_path(tmp_path / "x.parquet") == tmp_path / "x.json"
    assert provenance_path(tmp_path / "teacher") == tmp_path / "teacher" / "provenance.json"


def test_what_it_says(tmp_path: Path) -> None:
    seen = [hash_query(name) for name in ("b", "a", "é")]
    write_provenance(
        tmp_path / "x.csv",
        command="gradewise demo",
        inputs={"qrels": "ab12"},
        config={"epochs": 2, "größe": "ü"},
        seed=7,
        seen_queries=seen,
    )
    read = read_provenance(tmp_path / "x.csv")
    assert read is not None
    assert read.pop("made_at").endswith("+00:00")
    assert read == {
        "version": metadata.version("gradewise"),
        "command": "gradewise demo",
        "inputs": {"qrels": "ab12"},
        "config": {"epochs": 2, "größe": "ü"},
        "seed": 7,
        "seen_queries": sorted(seen),
    }
    assert seen_queries(tmp_path / "x.csv") == frozenset(seen)
    assert "größe" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_a_file_without_one(tmp_path: Path) -> None:
    assert read_provenance(tmp_path / "x.csv") is None
    assert seen_queries(tmp_path / "x.csv") == frozenset()


def test_a_model_folder(tmp_path: Path) -> None:
    (tmp_path / "teacher").mkdir()
    write_provenance(tmp_path / "teacher", command="train", seen_queries=["x"])
    assert json.loads((tmp_path / "teacher" / "provenance.json").read_text())["inputs"] == {}
    assert seen_queries(tmp_path / "teacher") == {"x"}


def test_query_hashes_are_stable_and_do_not_show_the_id() -> None:
    assert hash_query("q1") == hashlib.sha256(b"q1").hexdigest()[:16]
    assert len(hash_query("a long id of a query")) == 16
    assert hash_query("q1") != hash_query("q2")


def test_atomic_leaves_the_old_file_when_something_fails(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    before = hash_file(path)
    with pytest.raises(UnicodeEncodeError), atomic(path) as half:  # noqa: PT012
        half.write_text("half")
        half.write_text("\ud800")
    assert hash_file(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.txt"]


def test_fingerprints_tell_files_apart_however_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"")
    assert fingerprint(path) == "99aa06d3014798d86001c324468d497f"  # XXH3, 128 bits, of nothing
    path.write_bytes(b"twelve bytes")
    whole = fingerprint(path)
    monkeypatch.setattr("relevance.files._BUFFER", 5)
    assert fingerprint(path) == whole
    path.write_bytes(b"twelve bites")
    assert fingerprint(path) != whole
