"""The same tests over every row of BASES, each with a tiny random model of its family."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch

from relevance.teacher.bases import BASES, Base
from relevance.teacher.encode import Encoder, open_encoder
from relevance.teacher.model import (
    Settings,
    Teacher,
    load_teacher,
    new_teacher,
    save_teacher,
    write_settings,
)
from relevance.teacher.predict import predict_logits
from relevance.teacher.tuning import Tuning
from relevance.teacher.weights import Weights, prepare_weights
from tests.relevance.teacher.families import full_parameters, register_tiny

TEXTS = [
    ("red desk", "red desk"),
    ("red desk", "a small blue chair with the old lamp"),
    ("modern sofa", "modern sofa"),
    ("modern sofa", "green table"),
    ("blue lamp", "a blue lamp for the oak desk and the pine table in red and green"),
    ("blue lamp", "red chair"),
]
GRADES = torch.tensor([4, 0, 4, 0, 4, 0])


@pytest.fixture(params=list(BASES), scope="module")
def tiny(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Base]:
    with pytest.MonkeyPatch.context() as patch:
        torch.set_num_threads(1)
        folder = tmp_path_factory.mktemp("family")
        yield from register_tiny(
            BASES[request.param], folder / "cache", patch, site=folder / "site"
        )


def _mostly_slow(*fast: str, without: str = "") -> pytest.MarkDecorator:
    """Every row, the ones not named among the slow tests; `without` has no layers."""
    names = [name for name in BASES if name != without]
    rows = [name if name in fast else pytest.param(name, marks=pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("tiny", rows, indirect=True, scope="module")


@pytest.fixture(scope="module")
def weights(tiny: Base) -> Weights:
    return prepare_weights(tiny)


@pytest.fixture(scope="module")
def encoder(weights: Weights) -> Encoder:
    return open_encoder(weights.folder, weights.base, 64)


def _logits(teacher: Teacher, encoder: Encoder, texts: list[tuple[str, str]]) -> torch.Tensor:
    pairs = encoder.encode([query for query, _ in texts], [pin for _, pin in texts])
    with torch.inference_mode():
        return teacher.eval()(**encoder.batch(pairs))


def _train(teacher: Teacher, encoder: Encoder, *, bf16: bool, steps: int = 15) -> list[float]:
    """Losses of a few steps on all six pairs."""
    pairs = encoder.encode([query for query, _ in TEXTS], [pin for _, pin in TEXTS])
    trained = [weight for weight in teacher.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=3e-3)
    losses = []
    for step in range(steps):
        torch.manual_seed(step)
        teacher.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            logits = teacher(**encoder.batch(pairs))
        loss = torch.nn.functional.cross_entropy(logits, GRADES)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def _save(folder: Path, teacher: Teacher, encoder: Encoder, weights: Weights) -> Path:
    save_teacher(folder, teacher, encoder)
    settings = Settings(
        base=weights.base.name,
        max_tokens=64,
        text_features=("title",),
        tuning=dataclasses.asdict(teacher.tuning),
        weights_sha256=weights.sha256,
    )
    write_settings(folder, settings)
    return folder


def _state(teacher: Teacher) -> Mapping[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in teacher.state_dict().items()}


def _changed(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize("name", [n for n, base in BASES.items() if base.family != "embeddings"])
def test_a_row_counts_the_weights_that_transformers_counts(name: str) -> None:
    assert BASES[name].parameters == full_parameters(BASES[name])


def test_full_tuning_learns_and_comes_back_from_its_folder(
    weights: Weights, encoder: Encoder, tmp_path: Path
) -> None:
    teacher = new_teacher(weights, dropout=0.1, seed=1)
    before = _state(teacher)
    losses = _train(teacher, encoder, bf16=False)
    assert losses[-1] < 0.8 * losses[0]
    base = weights.base
    changed = _changed(before, _state(teacher))
    assert {"head.weight", "head.bias"} < changed
    assert not any(name.startswith(f"encoder.{base.word_embeddings}.") for name in changed)
    logits = _logits(teacher, encoder, TEXTS)
    loaded = load_teacher(_save(tmp_path, teacher, encoder, weights))
    again = _logits(loaded.model, loaded.encoder, TEXTS)
    torch.testing.assert_close(again, logits, rtol=1e-5, atol=1e-5)
    assert logits.dtype == torch.float32
    assert logits.shape == (6, 5)


def test_padding_and_batches_change_nothing(weights: Weights, encoder: Encoder) -> None:
    teacher = new_teacher(weights, seed=1)
    together = _logits(teacher, encoder, TEXTS)
    alone = torch.cat([_logits(teacher, encoder, [pair]) for pair in TEXTS])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    pairs = encoder.encode([query for query, _ in TEXTS], [pin for _, pin in TEXTS])
    for tokens in (1, 40, 4096):
        found = torch.from_numpy(predict_logits(teacher, encoder, pairs, batch_tokens=tokens))
        torch.testing.assert_close(found.float(), alone, rtol=1e-4, atol=1e-5)


def test_training_in_bf16_learns_too(weights: Weights, encoder: Encoder) -> None:
    teacher = new_teacher(weights, seed=1, precision="bf16")
    losses = _train(teacher, encoder, bf16=weights.base.autocast)
    assert losses[-1] < 0.8 * losses[0]
    whole = teacher.to(torch.bfloat16)
    assert torch.isfinite(_logits(whole, encoder, TEXTS)).all()


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_lora_trains_adapters_and_head_only(
    weights: Weights, encoder: Encoder, tmp_path: Path, precision: str
) -> None:
    bf16 = precision == "bf16"
    teacher = new_teacher(weights, tuning=Tuning(kind="lora", rank=4), seed=1, precision=precision)
    before = _state(teacher)
    losses = _train(teacher, encoder, bf16=bf16)
    assert losses[-1] < 0.8 * losses[0]
    _assert_adapted(teacher, before)
    logits = _logits(teacher, encoder, TEXTS)
    loaded = load_teacher(_save(tmp_path, teacher, encoder, weights))
    again = _logits(loaded.model, loaded.encoder, TEXTS)
    close = {"rtol": 0.05, "atol": 0.05} if bf16 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(again, logits, **close)
    assert not [name for name in loaded.model.state_dict() if "lora_" in name]


@_mostly_slow("llama-3-8b", "mdeberta-v3-base")
def test_qlora_trains_adapters_beside_four_bit_weights(
    weights: Weights, encoder: Encoder, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    base = weights.base
    teacher = new_teacher(weights, tuning=Tuning(kind="qlora", rank=4), seed=1, precision="bf16")
    before = _state(teacher)
    losses = _train(teacher, encoder, bf16=True)
    assert losses[-1] < 0.8 * losses[0]
    _assert_adapted(teacher, before)
    if base.family == "embeddings":
        return
    _assert_quantised(teacher)
    logits = _logits(teacher, encoder, TEXTS)
    loaded = load_teacher(_save(tmp_path, teacher, encoder, weights))
    _assert_quantised(loaded.model)
    torch.testing.assert_close(
        _logits(loaded.model, loaded.encoder, TEXTS), logits, rtol=0.05, atol=0.05
    )


def _assert_adapted(teacher: Teacher, before: Mapping[str, torch.Tensor]) -> None:
    """Every trained weight changed, no other did; of sentence vectors, none is in the model."""
    changed = _changed(before, _state(teacher))
    trained = {name for name, weight in teacher.named_parameters() if weight.requires_grad}
    assert changed == trained
    if teacher.tuning.adapts:
        assert {name for name in trained if "lora_" not in name} == {"head.weight", "head.bias"}
        assert any("lora_A" in name for name in trained)


def _assert_quantised(teacher: Teacher) -> None:
    from bitsandbytes.nn import Linear4bit

    matrices = [module for module in teacher.encoder.modules() if isinstance(module, Linear4bit)]
    layers = teacher.encoder.config.num_hidden_layers
    assert len(matrices) >= 4 * layers
    for matrix in matrices:
        assert matrix.weight.dtype == torch.uint8
        assert matrix.weight.quant_state.quant_type == "nf4"
        assert matrix.weight.quant_state.nested


@_mostly_slow("t5-base", "llama-3-8b", without="search-embeddings")
def test_checkpointing_computes_each_layer_twice(weights: Weights, encoder: Encoder) -> None:
    calls = {}
    for checkpointing in (False, True):
        tuning = Tuning(kind="lora", rank=2, checkpointing=checkpointing)
        teacher = new_teacher(weights, tuning=tuning, seed=1)
        seen: list[int] = []
        stack = teacher.encoder.get_submodule(weights.base.layers)
        names = ("attention", "SelfAttention", "self_attn")
        parts = stack[1].named_modules()
        first = next(part for name, part in parts if name.rpartition(".")[2] in names)
        first.register_forward_pre_hook(lambda *_, seen=seen: seen.append(1))
        losses = _train(teacher, encoder, bf16=False, steps=3)
        calls[checkpointing] = (len(seen), losses)
    assert [count for count, _ in calls.values()] == [3, 6]
    assert calls[True][1] == pytest.approx(calls[False][1], rel=1e-5)
