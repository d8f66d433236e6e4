from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from relevance.errors import MissingInputError, TableError
from relevance.teacher.labelling import sources
from relevance.teacher.labelling.sources import open_table

PAIRS = pl.DataFrame({"query_id": ["1", "2", "3"], "pin_id": ["a", "b", "c"]})


def _read(source: sources.TableSource) -> pl.DataFrame:
    return pl.concat(list(source.frames()))


def test_a_folder_of_files_of_any_format_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    (folder / "day=1").mkdir(parents=True)
    PAIRS[:1].write_parquet(folder / "day=1" / "part.parquet")
    PAIRS[1:2].write_csv(folder / "e.csv")
    (folder / "f.jsonl.gz").write_bytes(gzip.compress(PAIRS[2:].write_ndjson().encode()))
    (folder / "_SUCCESS").touch()
    (folder / ".hidden").write_text("x")
    (folder / "provenance.json").write_text("{}")
    source = open_table(folder, "pairs")
    assert source.rows() == 3
    assert _read(source).equals(PAIRS)
    assert source.places({"pin_id": "b"}) == [(str(folder / "e.csv"), 2)]


def test_parquet_is_read_in_bounded_frames_that_know_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FRAME_ROWS", 100)
    monkeypatch.setattr(sources, "_READ_ROWS", 40)
    frame = pl.DataFrame({"pin_id": [f"p{at}" for at in range(1000)], "title": "t", "image": "i"})
    frame.write_parquet(tmp_path / "pins.parquet", row_group_size=300)
    source = open_table(tmp_path / "pins.parquet", "pins", ["title", "description"])
    frames = list(source.frames())
    assert max(one.height for one in frames) < 140
    assert pl.concat(frames).equals(
        frame.select("pin_id", "title", pl.lit(None, pl.String).alias("description"))
    )
    place = (str(tmp_path / "pins.parquet"), 778)
    assert source.places({"pin_id": "p777"}) == [place]
    monkeypatch.setattr(sources, "FRAME_ROWS", 10**6)
    monkeypatch.setattr(sources, "FRAME_BYTES", 2000)
    assert max(one.height for one in source.frames()) < 200


def test_ids_are_text_and_names_of_beir_are_understood(tmp_path: Path) -> None:
    pl.DataFrame({"query-id": [1, 2], "corpus-id": ["a", "b"]}).write_parquet(tmp_path / "x")
    frame = _read(open_table(tmp_path / "x", "pairs"))
    assert frame.rows() == [("1", "a"), ("2", "b")]


def test_a_wrong_cell_is_named_with_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FRAME_ROWS", 10)
    monkeypatch.setattr(sources, "_READ_ROWS", 10)
    ids = [f"p{at}" if at != 25 else None for at in range(40)]
    path = tmp_path / "pairs.parquet"
    pl.DataFrame({"query_id": "q", "pin_id": ids}).write_parquet(path)
    with pytest.raises(
        TableError, match=r"pairs.parquet line 26, column pin_id: must not be empty"
    ):
        _read(open_table(path, "pairs"))


def test_what_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"no\.parquet not found"):
        open_table(tmp_path / "no.parquet", "pairs")
    with pytest.raises(TableError, match=r"the folder holds no file.*Put files of the table pairs"):
        open_table(tmp_path, "pairs")
    path = tmp_path / "pairs.parquet"
    PAIRS.write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match=r"pairs.parquet: the Parquet file is truncated"):
        _read(open_table(path, "pairs"))
    PAIRS.rename({"pin_id": "pinid"}).write_parquet(path)
    with pytest.raises(
        TableError, match=r"column pin_id .* is missing.*The file has: query_id, pinid"
    ):
        _read(open_table(path, "pairs"))


def test_a_table_without_rows_has_none(tmp_path: Path) -> None:
    PAIRS.clear().write_parquet(tmp_path / "none.parquet")
    source = open_table(tmp_path / "none.parquet", "pairs")
    assert (source.rows(), sum(frame.height for frame in source.frames())) == (0, 0)


def test_identity_changes_with_what_is_held_and_nothing_else(tmp_path: Path) -> None:
    PAIRS.write_parquet(tmp_path / "a.parquet")
    PAIRS.write_parquet(tmp_path / "b.parquet")
    first = open_table(tmp_path / "a.parquet", "pairs").identity()
    assert open_table(tmp_path / "b.parquet", "pairs").identity() == first
    PAIRS[:2].write_parquet(tmp_path / "b.parquet")
    assert open_table(tmp_path / "b.parquet", "pairs").identity() != first
    held = open_table(PAIRS, "pairs").identity()
    assert open_table(PAIRS.reverse().with_columns(more=pl.lit(1)), "pairs").identity() == held
    assert open_table(PAIRS[:2], "pairs").identity() != held
    assert open_table(PAIRS.with_columns(pin_id=pl.lit("z")), "pairs").identity() != held


def test_size_is_of_the_wanted_columns(tmp_path: Path) -> None:
    frame = pl.DataFrame({"pin_id": [f"{at}" for at in range(500)]})
    wide = frame.with_columns(image=pl.col("pin_id") + "x" * 500)
    frame.write_parquet(tmp_path / "thin.parquet")
    wide.write_parquet(tmp_path / "wide.parquet")
    thin, same = (open_table(tmp_path / f"{n}.parquet", "pins") for n in ("thin", "wide"))
    assert thin.size() == same.size() > 500
    group = pq.read_metadata(tmp_path / "wide.parquet").row_group(0)
    assert open_table(tmp_path / "wide.parquet", "pins", ["image"]).size() == sum(
        group.column(at).total_uncompressed_size for at in range(2)
    )
