"""A tiny random teacher of a real base, which workers in other processes can load, and tables."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from relevance.scaleout.cluster import Connection, quiet

WORDS = tuple("red blue green oak desk chair lamp sofa table rug small large modern old".split())  # noqa: SIM905


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a teacher with random weights: MiniLM's architecture, 2 layers of width 32."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    from relevance.teacher.bases import find_base
    from relevance.teacher.encode import PairEncoder
    from relevance.teacher.model import Settings, Teacher, save_teacher, write_settings
    from relevance.teacher.tuning import FULL

    base = find_base("all-MiniLM-L6-v2")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    model = Teacher(
        BertModel(config, add_pooling_layer=False).eval(), base=base, tuning=FULL.resolve(base)
    )
    tokenizer = Tokenizer(
        models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_teacher(folder, model, PairEncoder(tokenizer, base, 64))
    write_settings(folder, Settings(base.name, 64, ("title", "description")))
    return folder


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of pairs (1,200), queries and Pins, some Pins of equal texts."""
    rng = random.Random(0)
    queries = [(f"q{at:03d}", " ".join(rng.choices(WORDS, k=2))) for at in range(40)]
    pins = [
        (f"p{at:03d}", " ".join(rng.choices(WORDS, k=rng.choice((1, 2, 30)))), rng.choice(WORDS))
        for at in range(200)
    ]
    keys = [(query, pin) for query, _ in queries for pin, *_ in rng.sample(pins, 30)]
    folder = tmp_path_factory.mktemp("tables")
    frames = {
        "pairs": pl.DataFrame(keys, schema=["query_id", "pin_id"], orient="row"),
        "queries": pl.DataFrame(queries, schema=["query_id", "text"], orient="row"),
        "pins": pl.DataFrame(pins, schema=["pin_id", "title", "description"], orient="row"),
    }
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in frames}


@pytest.fixture(scope="session")
def nodes() -> Iterator[Any]:
    """A cluster of a head without cores and two nodes of one core each."""
    with quiet():
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        small = {"object_store_memory": 80 * 2**20}
        # Else Ray takes a quarter of a minute to see that a node has gone.
        soon = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": soon, **small}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            cluster.add_node(num_cpus=1, **small)
    yield cluster
    with quiet():
        cluster.shutdown()


@pytest.fixture(scope="session")
def connection(nodes: Any) -> Iterator[Connection]:
    """This process, connected to that cluster."""
    with Connection(nodes.address) as connected:
        yield connected
