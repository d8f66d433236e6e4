"""Folders on several file systems: the same behaviour on each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relevance.errors import InputError, MissingInputError
from relevance.scaleout.storage import Storage, as_uri, is_uri, open_storage

sys.path.insert(0, str(Path(__file__).parent))
from object_store import object_store


@pytest.fixture(params=["path", "file", "fsspec+file", "fsspec+memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "s3":
        with object_store() as (pattern, _):
            yield open_storage(pattern.format("labels"))
        return
    places = {
        "path": str(tmp_path / "labels"),
        "file": f"file://{tmp_path}/labels",
        "fsspec+file": f"fsspec+file://{tmp_path}/labels",
        "fsspec+memory": f"fsspec+memory://{tmp_path.name}/labels",
    }
    yield open_storage(places[request.param])


def _put(storage: Storage, name: str, data: bytes, room: Path) -> None:
    (room / "source").write_bytes(data)
    storage.publish(room / "source", name)


def test_what_is_published_is_there(storage: Storage, tmp_path: Path) -> None:
    assert storage.sizes() == {}
    assert not storage.has("a.parquet")
    data = bytes(range(256)) * 3000
    _put(storage, "a.parquet", data, tmp_path)
    _put(storage, "b.json", b"", tmp_path)
    assert storage.sizes() == {"a.parquet": len(data), "b.json": 0}
    assert storage.sizes(".json") == {"b.json": 0}
    assert storage.has("a.parquet")
    assert storage.read("a.parquet") == data
    assert storage.fetch("a.parquet", tmp_path / "copy").read_bytes() == data
    with storage.reading("a.parquet") as path:
        assert path.read_bytes() == data
    _put(storage, "a.parquet", b"new", tmp_path)  # replaced whole
    assert storage.read("a.parquet") == b"new"
    storage.remove("a.parquet")
    storage.remove("a.parquet")
    assert storage.sizes() == {"b.json": 0}


def test_nothing_appears_of_what_fails(storage: Storage) -> None:
    def write_half() -> None:
        with storage.writing("a.parquet") as path:
            path.write_bytes(b"half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        write_half()
    assert storage.sizes() == {}
    with storage.writing("a.parquet") as path:
        path.write_bytes(b"whole")
    assert storage.read("a.parquet") == b"whole"


def test_folders_in_folders(storage: Storage, tmp_path: Path) -> None:
    inner = storage.child("_plan")
    _put(inner, "shard", b"x", tmp_path)
    assert open_storage(inner.uri).read("shard") == b"x"
    assert storage.sizes() == {}
    inner.drop()
    inner.drop()
    assert inner.sizes() == {}


def test_a_missing_file(storage: Storage) -> None:
    with pytest.raises(MissingInputError, match=r"labels/gone not found") as raised:
        storage.read("gone")
    assert "secret" not in str(raised.value)


def test_uris() -> None:
    assert is_uri("s3://bucket/x")
    assert is_uri(Path("s3://bucket/x"))
    assert not is_uri("folder/file.parquet")
    assert not is_uri(r"C:\folder")
    assert as_uri(Path("gs://bucket/x")) == "gs://bucket/x"
    assert as_uri(Path("file:///x")) == "file:///x"
    assert as_uri("x") == str(Path("x").absolute())


def test_an_unknown_file_system() -> None:
    with pytest.raises(InputError, match=r"ftp9://host/x: no file system.*s3://"):
        open_storage("ftp9://host/x")
