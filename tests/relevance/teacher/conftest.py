"""A tiny random BERT, carried by a package as the real bases are, and a little data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from relevance.files import hash_file
from relevance.teacher.bases import BASES, Base, Package, Shape

THINGS = "red blue green oak pine desk chair lamp sofa table rug small large cheap modern old"
TAGS = "a the for with picture searched boards about link page : | ·"
WORDS = [*THINGS.split(), *TAGS.split()]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package folder `tiny_weights` with config, tokenizer and random weights."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("site") / "tiny_weights"
    vocabulary = {word: at for at, word in enumerate([*SPECIAL, *WORDS])}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def tiny_base(tiny_package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Base]:
    """The base `tiny`, registered while the test runs."""
    base = Base(
        name="tiny",
        hub="nobody/tiny",
        shape=Shape(layers=3, width=16, heads=2, feed=32, vocabulary=40),
        parameters=5_000,
        languages="en",
        licence="Apache-2.0",
        opening=("<s>",),
        between=("</s>", "</s>"),
        closing=("</s>",),
        padding="<pad>",
        token_types=True,
        max_tokens=64,
        package=Package(
            name="tiny_weights",
            extra="demo-models",
            files={
                name: hash_file(tiny_package / name)
                for name in ("model.safetensors", "tokenizer.json", "config.json")
            },
        ),
    )
    monkeypatch.syspath_prepend(str(tiny_package.parent))
    monkeypatch.setitem(BASES, "tiny", base)  # type: ignore[arg-type]
    yield base
    sys.modules.pop("tiny_weights", None)


@pytest.fixture(scope="session")
def tables() -> dict[str, pl.DataFrame]:
    """Queries, Pins and qrels: a Pin is relevant if it shares the query's words."""
    colours, things = ("red", "blue", "green", "modern"), ("desk", "chair", "lamp", "sofa")
    queries = [
        (f"q{i}{j}", f"{colour} {thing}", "US")
        for i, colour in enumerate(colours)
        for j, thing in enumerate(things[:2])
    ]
    pins = [
        (f"p{i}{j}", f"{colour} {thing}", "a small table with the lamp" if j % 2 else None)
        for i, colour in enumerate(colours)
        for j, thing in enumerate(things)
    ]
    qrels = [
        (query, pin, 1 + 2 * (text.split()[0] in title) + 2 * (text.split()[1] in title))
        for query, text, _ in queries
        for pin, title, _ in pins
    ]
    return {
        "queries": pl.DataFrame(queries, schema=["query_id", "text", "country"], orient="row"),
        "pins": pl.DataFrame(pins, schema=["pin_id", "title", "description"], orient="row"),
        "qrels": pl.DataFrame(qrels, schema=["query_id", "pin_id", "grade"], orient="row"),
    }
