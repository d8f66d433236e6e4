"""Labels under damaged captions: the same teacher, the same pairs, and no query it has seen."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from relevance.captions import perturb
from relevance.errors import InputError
from relevance.provenance import hash_query, seen_queries
from relevance.teacher.bases import Base
from relevance.teacher.caption_noise import CLEAN, Damage, damaged_labels, held_out, unseen_by
from relevance.teacher.config import TeacherConfig
from relevance.teacher.labelling import LabelConfig, label_pairs
from relevance.teacher.train import train_teacher

Tables = dict[str, pl.DataFrame]
KEYS = ["query_id", "pin_id"]
PLAIN = LabelConfig(precision="fp32", threads=1)


@pytest.fixture
def pictured(tables: Tables) -> Tables:
    """The tables, each Pin with a caption that names its thing."""
    caption = pl.lit("a ") + pl.col("title").str.split(" ").list.last()
    return {**tables, "pins": tables["pins"].with_columns(image_caption=caption)}


def trained(made: Tables, out: Path, **settings: object) -> tuple[Path, pl.DataFrame]:
    learned, tested = held_out(made["qrels"], folds=3, seed=0)
    config = TeacherConfig(
        base="tiny", epochs=1, batch_size=16, max_tokens=32, threads=1, precision="fp32",
        **settings,  # type: ignore[arg-type]
    )  # fmt: skip
    return train_teacher(learned, made["queries"], made["pins"], out / "model", config), tested


def damaged(
    model: Path, tested: pl.DataFrame, made: Tables, out: Path, kind: str = "drop"
) -> list[Damage]:
    return list(
        damaged_labels(
            model, tested, made["queries"], made["pins"], out / "labels", kind=kind,
            perturb=lambda pins, share: perturb(pins, kind=kind, share=share),  # type: ignore[arg-type]
            shares=(0.5, 1.0), config=PLAIN,
        )
    )  # fmt: skip


def test_each_share_labels_the_pairs_again_with_other_captions(
    tiny_base: Base, pictured: Tables, tmp_path: Path
) -> None:
    model, tested = trained(pictured, tmp_path)
    found = damaged(model, tested, pictured, tmp_path)
    assert [each.name for each in found] == [CLEAN, "drop 50%", "drop 100%"]
    assert [each.n_changed for each in found] == [0, 8, 16]
    for each in found:
        assert each.predictions.select(KEYS).sort(KEYS).equals(tested.select(KEYS).sort(KEYS))
        assert each.predictions["model"].unique().to_list() == [each.name]
    bare = pictured["pins"].drop("image_caption")
    oracle = label_pairs(
        tested, pictured["queries"], bare, model, tmp_path / "oracle", config=PLAIN
    )
    assert found[2].predictions["p5"].to_list() == pytest.approx(oracle["p5"].to_list())
    assert found[0].predictions["p5"].to_list() != pytest.approx(oracle["p5"].to_list())


def test_labels_that_are_there_are_not_made_again(
    tiny_base: Base, pictured: Tables, tmp_path: Path
) -> None:
    model, tested = trained(pictured, tmp_path)
    first = damaged(model, tested, pictured, tmp_path, "shuffle")
    shards = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("shard-*.parquet")}
    again = damaged(model, tested, pictured, tmp_path, "shuffle")
    assert len(shards) == 3
    assert {path: path.stat().st_mtime_ns for path in shards} == shards
    for old, new in zip(first, again, strict=True):
        assert new.predictions.equals(old.predictions)


def test_queries_are_held_out_and_seen_ones_left_out(
    tiny_base: Base, pictured: Tables, tmp_path: Path
) -> None:
    model, tested = trained(pictured, tmp_path)
    assert {hash_query(q) for q in tested["query_id"]}.isdisjoint(seen_queries(model))
    assert unseen_by(model, pictured["qrels"]).sort(KEYS).equals(tested.sort(KEYS))
    known = pictured["qrels"].join(tested, on="query_id", how="anti")
    with pytest.raises(InputError, match="has seen all"):
        unseen_by(model, known)


def test_a_teacher_that_reads_no_captions_cannot_be_damaged(
    tiny_base: Base, pictured: Tables, tmp_path: Path
) -> None:
    model, tested = trained(pictured, tmp_path, text_features=("title",))
    with pytest.raises(InputError, match="trained without image_caption"):
        damaged(model, tested, pictured, tmp_path)


def test_without_captions_it_says_how_to_make_them(
    tiny_base: Base, tables: Tables, tmp_path: Path
) -> None:
    model, tested = trained(tables, tmp_path)
    with pytest.raises(InputError, match="gradewise data captions"):
        damaged(model, tested, tables, tmp_path)
