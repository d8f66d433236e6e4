from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from typer.testing import CliRunner, Result

from app.cli import app
from relevance.errors import GradewiseError, InputError, SettingsError
from relevance.files import hash_file
from relevance.provenance import hash_query, seen_queries
from relevance.tables import write_table
from relevance.teacher.bases import BASES, Base, Package, Shape
from relevance.teacher.train import CHECKPOINT

COLOURS = ("red", "blue", "green", "black", "white", "pink")


def _run(verb: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["teacher", verb, *map(str, arguments)])


def _write_tables(folder: Path) -> None:
    queries = pl.DataFrame(
        {"query_id": [f"q-{c}" for c in COLOURS], "text": COLOURS, "country": ["US"] * 6}
    )
    pins = pl.DataFrame({"pin_id": [f"p-{c}" for c in COLOURS], "title": COLOURS})
    qrels = queries.select("query_id").join(pins.select("pin_id"), how="cross")
    same = pl.col("query_id").str.slice(2) == pl.col("pin_id").str.slice(2)
    qrels = qrels.with_columns(grade=pl.when(same).then(5).otherwise(1))
    for name, frame in (("queries", queries), ("pins", pins), ("qrels", qrels)):
        write_table(frame, folder / f"{name}.csv", name)
    write_table(qrels.select("query_id", "pin_id"), folder / "pairs.csv", "pairs")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables, and a base `tiny` with random weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    torch.set_num_threads(1)
    package = tmp_path / "site" / "tiny_command_weights"
    words = {word: at for at, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *COLOURS])}
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(words), intermediate_size=8, **sizes)
    BertModel(config, add_pooling_layer=False).save_pretrained(package)
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(package / "tokenizer.json"))
    base = Base(
        name="tiny",
        hub="nobody/tiny",
        parameters=1_000,
        shape=Shape(layers=1, width=8, heads=2, feed=8, vocabulary=len(words)),
        languages="en",
        licence="Apache-2.0",
        opening=("<s>",),
        between=("</s>",),
        closing=("</s>",),
        padding="<pad>",
        package=Package(
            name="tiny_command_weights",
            extra="demo-models",
            files={n: hash_file(package / n) for n in ("model.safetensors", "tokenizer.json")},
        ),
    )
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setitem(BASES, "tiny", base)  # type: ignore[arg-type]
    _write_tables(tmp_path)
    return tmp_path


def _train(folder: Path, *more: object) -> Result:
    tables = [p for n in ("qrels", "queries", "pins") for p in (f"--{n}", folder / f"{n}.csv")]
    fast = ["--base", "tiny", "--epochs", 2, "--batch-size", 4, "--threads", 1]
    return _run("train", *tables, *fast, "--out", folder / "model", *more)


def _label(folder: Path, *more: object) -> Result:
    tables = [p for n in ("pairs", "queries", "pins") for p in (f"--{n}", folder / f"{n}.csv")]
    places = ["--model", folder / "model", "--out", folder / "labels", "--threads", 1]
    return _run("label", *tables, *places, *more)


def test_train_then_label(folder: Path) -> None:
    assert _train(folder).exit_code == 0
    settings = json.loads((folder / "model" / "gradewise.json").read_text())
    metrics = settings["history"][-1]["metrics"]
    assert {"accuracy", "AUROC@4"} <= {figure["metric"] for figure in metrics}
    result = _label(folder, "--shard-pairs", 10)
    assert result.exit_code == 0, result.output
    shards = sorted((folder / "labels").glob("*.parquet"))
    labels = pl.concat([pl.read_parquet(shard) for shard in shards])
    assert (len(shards), labels.height, labels.n_unique(["query_id", "pin_id"])) == (4, 36, 36)
    assert seen_queries(folder / "labels") == {hash_query(f"q-{c}") for c in COLOURS}
    assert "36 pairs (36 distinct)" in result.output


def test_what_is_there_is_not_replaced_unasked(folder: Path) -> None:
    assert _train(folder).exit_code == 0
    result = _train(folder)
    assert isinstance(result.exception, SettingsError)
    assert "--resume to continue it or --overwrite to replace" in str(result.exception)
    assert isinstance(_train(folder, "--resume", "--overwrite").exception, SettingsError)
    before = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    assert _train(folder, "--resume").exit_code == 0
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == before
    assert _train(folder, "--overwrite", "--seed", 1).exit_code == 0
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns > before


def test_a_killed_training_resumes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from relevance.teacher import fit

    real, steps = fit.Fit._take_step, []

    def dies(self: fit.Fit, batch: list[int]) -> float:
        steps.append(1)
        if len(steps) == 10:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(fit.Fit, "_take_step", dies)
    assert _train(folder, "--checkpoint-steps", 3).exit_code != 0
    assert (folder / "model" / CHECKPOINT).exists()
    assert _train(folder, "--checkpoint-steps", 3, "--resume").exit_code == 0
    assert len(steps) == 17  # 16 steps, of which the tenth was tried twice and no other


def test_labels_of_another_model_need_overwrite(folder: Path) -> None:
    assert _train(folder).exit_code == 0
    assert _label(folder).exit_code == 0
    assert _train(folder, "--overwrite", "--seed", 5).exit_code == 0
    assert isinstance(_label(folder).exception, InputError)
    assert _label(folder, "--overwrite", "--name", "second").exit_code == 0
    shard = pl.read_parquet(folder / "labels" / "shard-00000.parquet")
    assert shard["model"].unique().to_list() == ["second"]


def test_folds_write_predictions_beside_the_model(folder: Path) -> None:
    assert _train(folder, "--folds", 2).exit_code == 0
    predictions = pl.read_parquet(folder / "model" / "predictions.parquet")
    assert predictions.height == 36
    assert (folder / "model" / "gradewise.json").exists()


def test_bases_in_every_format(folder: Path) -> None:
    text = _run("bases")
    assert text.exit_code == 0
    assert "multilingual-e5-small" in text.output
    rows = json.loads(_run("bases", "--format", "json").output)
    tiny = next(row for row in rows if row["name"] == "tiny")
    assert tiny["weights"] == "package tiny_command_weights"
    assert _run("bases", "--format", "csv").output.startswith("name,parameters,")
    assert _run("bases", "--format", "markdown").output.startswith("| name |")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--base", "tinny"], "Did you mean 'tiny'"),
        (["--precision", "fp8"], "precision must be one of"),
        (["--layers", 9], "layers must be 1 to 1"),
    ],
)
def test_a_wrong_option_is_one_line(folder: Path, more: list[Any], message: str) -> None:
    error = _train(folder, *more).exception
    assert isinstance(error, GradewiseError)
    assert message in str(error)


def test_help_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, app.commands.teacher; "
        "print([m for m in ('torch', 'transformers', 'polars', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
