from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevance.errors import InputError, TableError
from relevance.teacher.labelling import planning, spool, texts
from relevance.teacher.labelling.planning import Inputs, plan, read_plan, shard_pairs_for
from relevance.teacher.labelling.spool import Spool, bucket_of

FEATURES = ("title", "description")
Tables = dict[str, pl.DataFrame]


def _plan(tables: Tables, folder: Path, shard_pairs: int | None = 100) -> planning.Plan:
    inputs = Inputs.of(tables["pairs"], tables["queries"], tables["pins"], FEATURES)
    return plan(inputs, FEATURES, folder, shard_pairs=shard_pairs)


def _shards(made: planning.Plan) -> list[pl.DataFrame]:
    return [pl.read_parquet(made.source(number)) for number in range(len(made.shards))]


def _joined(tables: Tables) -> pl.DataFrame:
    """The pairs with their texts, in memory."""
    from relevance.teacher.pairs import join_texts

    keys = tables["pairs"].select("query_id", "pin_id").sort("query_id", "pin_id")
    return join_texts(keys, tables["queries"], tables["pins"], FEATURES)


def test_every_pair_once_with_its_texts_and_equal_texts_in_one_shard(
    tables: Tables, tmp_path: Path
) -> None:
    made = _plan(tables, tmp_path / "plan")
    shards = _shards(made)
    assert len(shards) == 12
    assert pl.concat(shards).sort("query_id", "pin_id").equals(_joined(tables))
    for shard, planned in zip(shards, made.shards, strict=True):
        assert shard.select("query_id", "pin_id").equals(
            shard.select("query_id", "pin_id").sort("query_id", "pin_id")
        )
        assert planned.pairs == shard.height
        assert planned.distinct == shard.select("query", "pin").n_unique()
    assert made.distinct == _joined(tables).select("query", "pin").n_unique() < made.pairs == 1200
    assert read_plan(tmp_path / "plan") == made
    assert sorted(path.name for path in (tmp_path / "plan").iterdir()) == sorted(
        ["plan.json", *(f"shard-{number:05d}.parquet" for number in range(12))]
    )


@pytest.mark.parametrize("bound", ["rows", "bytes", "deep", "skew"])
def test_small_bounds_give_the_same_plan(
    bound: str, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _shards(_plan(tables, tmp_path / "whole"))
    if bound == "rows":
        monkeypatch.setattr(texts, "HELD_ROWS", 20)
    elif bound == "bytes":
        monkeypatch.setattr(texts, "HELD_BYTES", 300)
    elif bound == "deep":  # two levels of dealing, of texts and of shards, and a flush a frame
        monkeypatch.setattr(texts, "HELD_ROWS", 5)
        for module in (texts, planning, spool):
            if hasattr(module, "FAN_OUT"):
                monkeypatch.setattr(module, "FAN_OUT", 3)
        monkeypatch.setattr(spool, "BUFFER_BYTES", 1)
    else:  # shards too large to be sorted at once
        monkeypatch.setattr(planning, "_HELD_ROWS", 10)
        monkeypatch.setattr(planning, "FAN_OUT", 4)
    made = _plan(tables, tmp_path / "parts")
    for one, other in zip(_shards(made), whole, strict=True):
        assert one.sort("query_id", "pin_id").equals(other)
    assert not (tmp_path / "parts" / "work").exists()


@pytest.mark.parametrize("held", [200, 5])
def test_a_pair_twice_is_named_with_both_places(
    held: int, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_HELD_ROWS", held)
    pairs = tables["pairs"].select("query_id", "pin_id")
    query, pin = pairs.row(4)
    folder = tmp_path / "pairs"
    folder.mkdir()
    pairs.write_parquet(folder / "a.parquet")
    pairs[4:5].write_parquet(folder / "b.parquet")
    inputs = Inputs.of(folder, tables["queries"], tables["pins"], FEATURES)
    pair = f"query '{query}', pin '{pin}'"
    message = rf"b\.parquet line 1: {pair} is there twice, first in .*a\.parquet line 5"
    with pytest.raises(TableError, match=message):
        plan(inputs, FEATURES, tmp_path / "plan", shard_pairs=100)
    twice = tables | {"pairs": pl.concat([pairs, pairs[4:5]])}
    with pytest.raises(TableError, match=r"pairs line 1201: .* is there twice, first in line 5"):
        _plan(twice, tmp_path / "plan")
    assert read_plan(tmp_path / "plan") is None


@pytest.mark.parametrize("held", [1000, 20])
def test_a_missing_or_repeated_query_or_pin_is_named(
    held: int, tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "HELD_ROWS", held)
    lacking = tables | {"pins": tables["pins"].filter(pl.col("pin_id") != "p0031")}
    with pytest.raises(InputError, match=r"pairs line \d+: pin_id 'p0031' is not in pins"):
        _plan(lacking, tmp_path / "plan")
    lacking = tables | {"queries": tables["queries"][:-2]}
    with pytest.raises(InputError, match=r"query_id 'q02[89]' is not in queries"):
        _plan(lacking, tmp_path / "plan")
    twice = tables | {"pins": pl.concat([tables["pins"], tables["pins"][7:8]])}
    with pytest.raises(
        TableError, match=r"pins line 201: pin_id=p0007 is there already \(pins line 8"
    ):
        _plan(twice, tmp_path / "plan")


def test_odd_texts_get_a_row(tmp_path: Path) -> None:
    pins = pl.DataFrame(
        {
            "pin_id": ["empty", "long", "emoji", "null"],
            "title": ["", "word " * 10_000, "🪴✨", None],
            "description": [None, "mot " * 10_000, None, None],
        }
    )
    queries = pl.DataFrame({"query_id": ["e", "z"], "text": ["🎉🎉", " "]})
    pairs = queries.select("query_id").join(pins.select("pin_id"), how="cross")
    made = _plan({"pairs": pairs, "queries": queries, "pins": pins}, tmp_path / "plan", 3)
    rows = pl.concat(_shards(made))
    assert rows.height == 8
    assert rows.null_count().sum_horizontal().item() == 0
    assert made.distinct == 6  # the empty Pin and the one of nulls are one text


def test_no_pair_is_one_empty_shard(tables: Tables, tmp_path: Path) -> None:
    made = _plan(tables | {"pairs": tables["pairs"].clear()}, tmp_path / "plan")
    assert (len(made.shards), made.pairs, made.distinct) == (1, 0, 0)


def test_an_unfinished_plan_is_none(tables: Tables, tmp_path: Path) -> None:
    made = _plan(tables, tmp_path / "plan")
    made.source(3).unlink()
    assert read_plan(tmp_path / "plan") is None
    _plan(tables, tmp_path / "plan")
    assert read_plan(tmp_path / "plan") is not None
    (tmp_path / "plan" / "plan.json").write_text("{")
    assert read_plan(tmp_path / "plan") is None


def test_shards_grow_before_there_are_too_many() -> None:
    sizes = [shard_pairs_for(n) for n in (10, 10**6, 10**9, 10**12)]
    assert sizes == [4096, 4096, 100_000, 131_072]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), unique=True, max_size=60),
    st.lists(st.integers(0, 3), min_size=10, max_size=10),
    st.integers(1, 70),
)
def test_any_pairs_are_dealt_once_and_texts_never_split(
    tmp_path_factory: pytest.TempPathFactory,
    keys: list[tuple[int, int]],
    titles: list[int],
    shard_pairs: int,
) -> None:
    tables = {
        "pairs": pl.DataFrame(
            [(f"q{q}", f"p{p}") for q, p in keys],
            schema={"query_id": pl.String, "pin_id": pl.String},
            orient="row",
        ),
        "queries": pl.DataFrame(
            {"query_id": [f"q{at}" for at in range(10)], "text": [f"t{at % 3}" for at in range(10)]}
        ),
        "pins": pl.DataFrame(
            {"pin_id": [f"p{at}" for at in range(10)], "title": [str(one) for one in titles]}
        ),
    }
    made = _plan(tables, tmp_path_factory.mktemp("plan") / "plan", shard_pairs)
    shards = _shards(made)
    rows = pl.concat(shards)
    assert sorted(rows.select("query_id", "pin_id").rows()) == sorted(tables["pairs"].rows())
    assert sum(shard.select("query", "pin").n_unique() for shard in shards) == (
        rows.select("query", "pin").n_unique()
    )


def test_a_spool_gives_back_what_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "BUFFER_BYTES", 200)
    frame = pl.DataFrame({"id": [f"{at}" for at in range(300)]})
    with Spool(tmp_path / "spool", 7) as one:
        for part in frame.iter_slices(50):
            one.add(part, bucket_of(["id"], 7, seed=1))
        one.seal()
        parts = [pl.concat(list(one.read(at))) for at in range(7)]
        assert [part.height for part in parts] == one.rows.tolist()
        assert all(part["id"].cast(pl.Int64).is_sorted() for part in parts)
        assert pl.concat(parts).sort(pl.col("id").cast(pl.Int64)).equals(frame)
    assert not (tmp_path / "spool").exists()
