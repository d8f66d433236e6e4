from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevance.errors import InputError
from relevance.records import TABLES
from relevance.tables import read_table, write_table
from relevance.world import LANGUAGES, World, WorldConfig, make_world, tiny, true_grades_of

FRAMES = {
    "queries": "queries",
    "pins": "pins",
    "pairs": "pairs",
    "truth": "qrels",
    "query_embeddings": "query_embeddings",
    "pin_embeddings": "pin_embeddings",
    "runs_production": "runs",
    "runs_candidate": "runs",
    "sessions": "sessions",
}
SCRIPT = """
import hashlib
from relevance.world import make_world, tiny
world = make_world(tiny(seed=5))
for name in NAMES:
    print(name, hashlib.sha256(getattr(world, name).write_json().encode()).hexdigest())
"""


def frames(world: World) -> dict[str, pl.DataFrame]:
    return {
        field.name: value
        for field in dataclasses.fields(world)
        if isinstance(value := getattr(world, field.name), pl.DataFrame)
    }


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    first, again, other = (frames(make_world(tiny(seed))) for seed in (3, 3, 4))
    for name, frame in first.items():
        assert frame.equals(again[name]), name
        assert not frame.equals(other[name]), name


def test_the_world_does_not_depend_on_the_hash_seed_of_the_process() -> None:
    script = SCRIPT.replace("NAMES", repr(sorted(FRAMES)))
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert next(iter(printed)).count("\n") == len(FRAMES)


@pytest.mark.parametrize(("name", "kind"), FRAMES.items())
def test_every_table_keeps_its_contract(small: World, tmp_path: Path, name: str, kind: str) -> None:
    frame = getattr(small, name)
    write_table(frame, tmp_path / "table.parquet", kind)
    read = read_table(tmp_path / "table.parquet", kind)
    assert read.height == frame.height
    key = list(TABLES[kind].key)
    if key:
        assert frame.select(key).is_unique().all()
        assert frame.select(key).null_count().sum_horizontal().item() == 0
    declared = {column.name: column for column in TABLES[kind].columns}
    for column in declared.values():
        assert column.optional or column.name in frame.columns


def test_pairs_truth_and_runs_are_of_the_same_pairs(small: World) -> None:
    keys = ["query_id", "pin_id"]
    expected = small.pairs.select(keys).sort(keys)
    for name in ("truth", "runs_production", "runs_candidate"):
        assert getattr(small, name).select(keys).sort(keys).equals(expected), name
    assert set(small.pairs["query_id"]) == set(small.queries["query_id"])
    assert small.pairs.group_by("query_id").len()["len"].unique().to_list() == [20]
    joined = small.pairs.join(small.queries.select("query_id", "country"), on="query_id").join(
        small.pins.select("pin_id", pin_country="country"), on="pin_id"
    )
    assert joined.height == small.pairs.height
    assert (joined["country"] == joined["pin_country"]).all()


def test_sizes_are_those_of_the_configuration(world: World) -> None:
    counts = dict(world.queries.group_by("country").len().iter_rows())
    assert counts == dict(world.config.queries)
    assert world.pins.height == world.config.pins
    assert world.pairs.height == sum(counts.values()) * world.config.candidates
    assert world.sessions["unit_id"].n_unique() == world.config.users


def test_every_grade_has_its_share_in_every_country(world: World) -> None:
    graded = world.truth.join(world.queries.select("query_id", "country"), on="query_id")
    for (country,), rows in graded.group_by("country"):
        shares = np.bincount(rows["grade"], minlength=6)[1:] / rows.height
        assert shares.min() > 0.11, country
        assert shares.max() < 0.30, country
    with_good = world.truth.filter(pl.col("grade") >= 4)["query_id"].n_unique()
    assert with_good == world.queries.height


def test_truth_is_the_rule_applied_to_the_attributes(small: World) -> None:
    again = true_grades_of(small, small.truth)
    assert again["grade"].equals(small.truth["grade"])


def test_every_language_is_there_in_its_own_script(world: World) -> None:
    marks = {"fr": "[éèêàçœ]", "es": "[ñáéíóú]", "ja": "[\u3041-\u30ff\u4e00-\u9fff]"}
    assert set(world.queries["language"]) == set(LANGUAGES.values())
    for language, pattern in marks.items():
        queries = world.queries.filter(language=language)["text"].str.contains(pattern)
        titles = world.pins.filter(language=language)["title"].str.contains(pattern)
        least = 1.0 if language == "ja" else 0.2
        assert queries.mean() >= least, language
        assert titles.mean() >= least, language
    english = world.pins.filter(language="en")
    assert not english["title"].str.contains(marks["ja"]).any()
    foreign = world.pins.filter(pl.col("country") != "US")
    assert 0.1 < (foreign["language"] == "en").mean() < 0.2
    assert (world.pins.filter(country="US")["language"] == "en").all()


def test_texts_are_clean(world: World) -> None:
    fields = [c.name for c in TABLES["pins"].columns if c.name not in ("pin_id", "image")]
    texts = [world.queries["text"], *(world.pins[field].drop_nulls() for field in fields)]
    broken = re.compile(r"[_{}|%]|  |^\s|\s$|\bNone\b")
    for text in texts:
        found = [value for value in text if broken.search(value.replace(" | ", " "))]
        assert not found[:3]
        assert (text.str.len_chars() > 0).all()
    captions = world.pins["image_caption"].drop_nulls()
    assert captions.str.contains(r"^[a-z ',]+$").all()  # English everywhere
    assert not captions.str.contains(r"\ba [aeiou]").any()


def test_queries_of_a_country_differ_and_hardly_repeat_what_they_ask(world: World) -> None:
    assert world.queries.select("country", "text").is_unique().all()
    assert world.queries["traffic"].min() >= 50
    assert world.queries["shopping_interest"].is_between(0, 1).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), queries=st.integers(1, 12), candidates=st.integers(5, 25))
def test_any_tiny_world_is_whole(seed: int, queries: int, candidates: int) -> None:
    config = WorldConfig(
        seed=seed,
        queries={"FR": queries, "JP": 3},
        pins=8 * candidates,
        candidates=candidates,
        users=40,
        sessions_per_user=2.0,
    )
    world = make_world(config)
    assert world.pins.height == config.pins
    own = world.pins.group_by("country").len().min()["len"].item()
    assert world.pairs.height >= min(candidates, own) * (queries + 3)
    assert world.truth["grade"].is_between(1, 5).all()
    assert world.queries["query_id"].is_unique().all()
    for name in ("query_embeddings", "pin_embeddings"):
        vectors = np.stack(getattr(world, name)["search"].to_numpy())
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert vectors.dtype == np.float32
    assert world.true_lift["all"] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": {"UK": 5}}, "'UK'"),
        ({"queries": {}}, "at least one country"),
        ({"queries": {"US": 0}}, "at least one country"),
        ({"candidates": 4}, "at least 5 candidates"),
        ({"pins": 100}, "8 times as many Pins"),
        ({"users": 10}, "20 users"),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        WorldConfig(**changes)  # type: ignore[arg-type]


def test_shares_add_up() -> None:
    assert sum(WorldConfig().shares(4001).values()) == 4001
    assert WorldConfig(queries={"US": 1, "JP": 1}).shares(10) == {"US": 5, "JP": 5}
