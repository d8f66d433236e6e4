from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from relevance.errors import ModelError, SettingsError
from relevance.provenance import hash_query, seen_queries
from relevance.results import Row
from relevance.teacher.bases import BASES, Base
from relevance.teacher.model import load_teacher, read_settings
from relevance.teacher.train import (
    CHECKPOINT,
    TeacherConfig,
    train_teacher,
)

Tables = dict[str, pl.DataFrame]
CONFIG = TeacherConfig(
    base="tiny",
    epochs=3,
    batch_size=16,
    learning_rate=3e-3,
    head_learning_rate=1e-2,
    max_tokens=32,
    validation_share=0.25,
    checkpoint_steps=2,
    precision="fp32",
    threads=1,
)


class KilledError(Exception):
    """Stands for a kill."""


def _train(tables: Tables, out: Path, config: TeacherConfig = CONFIG, **options: Any) -> Path:
    return train_teacher(tables["qrels"], tables["queries"], tables["pins"], out, config, **options)


def _killer(at: int) -> Any:
    def progress(done: int, total: int, what: str = "") -> None:
        if what.startswith("loss") and done == at:
            raise KilledError

    return progress


def _weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model.safetensors")


@pytest.fixture
def trained(tiny_base: Base, tables: Tables, tmp_path: Path) -> Path:
    return _train(tables, tmp_path / "trained")


def test_a_model_folder_is_whole_and_loads(trained: Path, tables: Tables) -> None:
    assert {path.name for path in trained.iterdir()} == {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "gradewise.json",
        "provenance.json",
        "README.md",
    }
    loaded = load_teacher(trained)
    assert loaded.settings.base == "tiny"
    assert not loaded.model.training
    assert len(loaded.settings.history) == CONFIG.epochs
    losses = [entry["loss"] for entry in loaded.settings.history]
    assert losses[-1] < losses[0] < 2.5


def test_every_query_is_marked_as_seen(trained: Path, tables: Tables) -> None:
    assert seen_queries(trained) == {hash_query(q) for q in tables["queries"]["query_id"]}


def test_the_card_names_base_data_and_losses(trained: Path) -> None:
    card = (trained / "README.md").read_text()
    assert "nobody/tiny" in card
    assert "- Layers used: all" in card
    assert "- training: 96 pairs of 6 queries" in card
    assert "- validation: 32 pairs of 2 queries" in card
    assert "| 3 |" in card


@pytest.mark.parametrize("at", [1, 6, 7, 18])
def test_killed_and_resumed_it_ends_with_the_same_weights(
    trained: Path, tables: Tables, tmp_path: Path, at: int
) -> None:
    out = tmp_path / "killed"
    with pytest.raises(KilledError):
        _train(tables, out, progress=_killer(at))
    assert not (out / "gradewise.json").exists()
    _train(tables, out, resume=True)
    assert not (out / CHECKPOINT).exists()
    whole, resumed = _weights(trained), _weights(out)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert read_settings(out) == read_settings(trained)


def test_the_seed_decides(trained: Path, tables: Tables, tmp_path: Path) -> None:
    again = _train(tables, tmp_path / "trained2")
    other = _train(tables, tmp_path / "other", replace(CONFIG, seed=1))
    assert torch.equal(_weights(trained)["head.weight"], _weights(again)["head.weight"])
    assert not torch.equal(_weights(trained)["head.weight"], _weights(other)["head.weight"])


def test_a_finished_folder_is_not_trained_again(trained: Path, tables: Tables) -> None:
    before = (trained / "model.safetensors").stat().st_mtime_ns
    assert _train(tables, trained, resume=True) == trained
    assert (trained / "model.safetensors").stat().st_mtime_ns == before


def test_work_on_other_inputs_is_never_passed_off_as_ours(
    trained: Path, tables: Tables, tmp_path: Path
) -> None:
    other = replace(CONFIG, epochs=1)
    with pytest.raises(ModelError, match="of other inputs or settings"):
        _train(tables, trained, other, resume=True)
    _train(tables, trained, other, resume=True, replace_stale=True)
    assert len(read_settings(trained).history) == 1

    half = tmp_path / "half"
    with pytest.raises(KilledError):
        _train(tables, half, progress=_killer(5))
    fewer = tables | {"qrels": tables["qrels"].head(100)}
    with pytest.raises(ModelError, match=r"checkpoint\.safetensors was made from other inputs"):
        _train(fewer, half, resume=True)
    _train(fewer, half, resume=True, replace_stale=True)


def test_an_unfinished_folder_does_not_load(
    tables: Tables, tiny_base: Base, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        _train(tables, tmp_path / "half", progress=_killer(3))
    with pytest.raises(ModelError, match=r"no finished teacher .*--resume"):
        load_teacher(tmp_path / "half")


def test_damaged_weights_are_named(trained: Path) -> None:
    (trained / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"is damaged .*Train the model again"):
        load_teacher(trained)


def test_word_embeddings_and_chosen_layers_stay_as_they_were(
    tiny_base: Base, tiny_package: Path, tables: Tables, tmp_path: Path
) -> None:
    out = _train(tables, tmp_path / "frozen", replace(CONFIG, epochs=1, frozen_layers=1))
    before, after = load_file(tiny_package / "model.safetensors"), _weights(out)
    for name, old in before.items():
        new = after[f"encoder.{name}"].float()
        frozen = name.startswith(("embeddings.", "encoder.layer.0."))
        assert torch.equal(new, old) == frozen, name


def test_word_embeddings_are_trained_only_if_asked(
    tiny_base: Base, tiny_package: Path, tables: Tables, tmp_path: Path
) -> None:
    name = "embeddings.word_embeddings.weight"
    before = load_file(tiny_package / "model.safetensors")[name]
    for frozen in (True, False):
        config = replace(CONFIG, epochs=1, frozen_embeddings=frozen)
        out = _train(tables, tmp_path / str(frozen), config)
        assert torch.equal(_weights(out)[f"encoder.{name}"], before) == frozen


def test_upper_layers_can_be_left_out(tiny_base: Base, tables: Tables, tmp_path: Path) -> None:
    out = _train(tables, tmp_path / "low", replace(CONFIG, epochs=1, layers=2))
    assert not any("layer.2." in name for name in _weights(out))
    load_teacher(out)
    lower = replace(tiny_base, kept_layers=1)
    BASES["tiny"] = lower  # type: ignore[index]
    assert not any("layer.1." in n for n in _weights(_train(tables, tmp_path / "row")))
    with pytest.raises(SettingsError, match="layers must be 1 to 3 for tiny, got 4"):
        _train(tables, tmp_path / "high", replace(CONFIG, layers=4))


def test_evaluate_is_asked_every_epoch_about_validation_queries_only(
    tiny_base: Base, tables: Tables, tmp_path: Path
) -> None:
    asked: list[pl.DataFrame] = []

    def evaluate(predictions: pl.DataFrame) -> list[Row]:
        asked.append(predictions)
        return [Row(metric="accuracy", value=0.25, n=predictions.height)]

    out = _train(tables, tmp_path / "evaluated", evaluate=evaluate)
    assert len(asked) == CONFIG.epochs
    assert all(frame["query_id"].n_unique() == 2 for frame in asked)
    total = asked[0].select(pl.sum_horizontal("p1", "p2", "p3", "p4", "p5"))
    np.testing.assert_allclose(total.to_numpy(), 1)
    metrics = read_settings(out).history[0]["metrics"]
    row = {"metric": "accuracy", "slice": "all", "group": "all", "value": 0.25, "n": 32}
    assert metrics == [row]
    assert "| 0.2500 |" in (out / "README.md").read_text()


def test_bf16_autocast_trains(tiny_base: Base, tables: Tables, tmp_path: Path) -> None:
    out = _train(tables, tmp_path / "bf16", replace(CONFIG, precision="bf16"))
    history = read_settings(out).history
    assert history[-1]["loss"] < history[0]["loss"]


def test_few_queries_are_all_trained_on(tiny_base: Base, tables: Tables, tmp_path: Path) -> None:
    few = tables | {"qrels": tables["qrels"].filter(pl.col("query_id") <= "q11")}
    out = _train(few, tmp_path / "few", replace(CONFIG, epochs=1))
    assert read_settings(out).temperature == 1.0
    assert "- validation: 0 pairs of 0 queries" in (out / "README.md").read_text()


def test_the_stored_settings_are_readable(trained: Path) -> None:
    stored = json.loads((trained / "gradewise.json").read_text())
    assert stored["temperature"] == pytest.approx(read_settings(trained).temperature)
    (trained / "gradewise.json").write_text(json.dumps(stored | {"format": 99}))
    with pytest.raises(ModelError, match="format 99 is not 1"):
        read_settings(trained)
