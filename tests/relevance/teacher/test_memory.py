"""What `teacher bases` says of memory, against arithmetic by hand and against real models."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from app.cli import app
from relevance.teacher.bases import BASES, find_base
from relevance.teacher.memory import estimate_memory


def test_eight_billion_weights_by_hand() -> None:
    memory = estimate_memory(find_base("llama-3-8b"))
    assert memory.inference == pytest.approx(2 * 7.505e9, rel=0.02)  # 2 bytes a weight, and little
    layers, words = 6.98e9, 128_256 * 4096
    assert memory.qlora > 4.127 / 8 * layers + 2 * words
    assert memory.qlora < 8e9 < 16e9 < memory.lora


@pytest.mark.parametrize(
    "name", [name for name, base in BASES.items() if base.family != "embeddings"]
)
def test_four_bits_need_less_to_train_and_labelling_less_than_training(name: str) -> None:
    base = find_base(name)
    memory = estimate_memory(base)
    assert 0 < memory.inference < memory.lora
    assert memory.qlora < memory.lora
    assert memory.inference > 2 * base.parameters


def test_the_command_tells_it_in_every_format() -> None:
    rows = json.loads(CliRunner().invoke(app, ["teacher", "bases", "--format", "json"]).stdout)
    assert [row["name"] for row in rows] == list(BASES)
    (llama,) = (row for row in rows if row["name"] == "llama-3-8b")
    assert llama["qLoRA"].endswith(" GB")
    assert "HF_TOKEN" in llama["weights"]
    assert not [row for row in rows if "/root" in row["weights"] or "cache/" in row["weights"]]
    for form in ("text", "csv", "markdown"):
        out = CliRunner().invoke(app, ["teacher", "bases", "--format", form]).output
        assert "SmolLM2-135M" in out
