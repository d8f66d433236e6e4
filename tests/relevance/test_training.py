from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from relevance.errors import ModelError, SettingsError
from relevance.training import (
    autocast,
    cores,
    epoch_batches,
    fast_precision,
    hash_rows,
    learning_rate,
    length_batches,
    load_checkpoint,
    read_checkpoint_state,
    reseed,
    resolve_precision,
    save_checkpoint,
    threads,
)


@given(st.lists(st.integers(1, 60), max_size=80), st.integers(1, 200))
def test_length_batches_hold_everything_once_within_the_budget(
    lengths: list[int], tokens: int
) -> None:
    batches = length_batches(lengths, tokens=tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= tokens


def test_epoch_batches_follow_the_seed_and_the_epoch_and_lose_nothing() -> None:
    lengths = list(np.random.default_rng(0).integers(5, 90, 203))
    first = epoch_batches(lengths, size=8, seed=3, epoch=0)
    assert first == epoch_batches(lengths, size=8, seed=3, epoch=0)
    assert first != epoch_batches(lengths, size=8, seed=3, epoch=1)
    assert first != epoch_batches(lengths, size=8, seed=4, epoch=0)
    assert sorted(index for batch in first for index in batch) == list(range(203))
    spread = np.mean([np.ptp([lengths[i] for i in batch]) for batch in first])
    assert spread < 20  # unsorted batches of 8 spread over some 68


def test_learning_rate_rises_then_falls_to_almost_nothing() -> None:
    rates = [learning_rate(step, 100, peak=2.0, warmup=0.1) for step in range(100)]
    assert rates[9] == max(rates) == 2.0
    assert rates[0] == pytest.approx(0.2)
    assert rates[-1] == pytest.approx(2.0 / 90)
    assert learning_rate(0, 1, peak=1.0, warmup=0.1) == 1.0


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with threads(1) as count:
        assert count == torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    assert cores() >= 1


def test_precision_is_measured_or_forced() -> None:
    assert resolve_precision("auto") == fast_precision()
    assert resolve_precision("bf16") == "bf16"
    with pytest.raises(SettingsError, match="one of auto, bf16, fp32, got 'fp8'"):
        resolve_precision("fp8")


def test_autocast_computes_in_bf16_only_if_asked() -> None:
    x = torch.ones(2, 2)
    with autocast("bf16"):
        assert (x @ x).dtype == torch.bfloat16
    with autocast("fp32"):
        assert (x @ x).dtype == torch.float32


def test_reseed_depends_on_seed_and_step_alone() -> None:
    def draw(seed: int, step: int) -> float:
        reseed(seed, step)
        return float(torch.rand(1))

    assert draw(1, 2) == draw(1, 2)
    assert len({draw(1, 2), draw(1, 3), draw(2, 2), draw(12, 3)}) == 4


def _model_and_optimizer() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    return model, torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)


def _learn(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()


def test_a_checkpoint_continues_to_the_same_weights(tmp_path: Path) -> None:
    model, optimizer = _model_and_optimizer()
    _learn(model, optimizer, 3)
    save_checkpoint(tmp_path / "c.safetensors", model, optimizer, {"step": 3})
    _learn(model, optimizer, 4)

    other, its_optimizer = _model_and_optimizer()
    assert read_checkpoint_state(tmp_path / "c.safetensors") == {"step": 3}
    load_checkpoint(tmp_path / "c.safetensors", other, its_optimizer, steps=3)
    _learn(other, its_optimizer, 4)
    assert torch.equal(model.weight, other.weight)
    assert torch.equal(model.bias, other.bias)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{broken}")
    with pytest.raises(ModelError, match=r"c\.safetensors: checkpoint is damaged .*--overwrite"):
        read_checkpoint_state(tmp_path / "c.safetensors")


def test_hash_rows_sees_values_and_ignores_absent_columns() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert hash_rows(frame, ["a"]) == hash_rows(frame, ["a", "nothing"])
    assert hash_rows(frame, ["a", "b"]) != hash_rows(frame.with_columns(b=pl.lit("x")), ["a", "b"])
