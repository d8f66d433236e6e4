"""Every engine gives the teacher's own logits, whatever the family, the order and the batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from relevance.errors import SettingsError
from relevance.teacher.bases import BASES, find_base
from relevance.teacher.encode import Encoded, open_encoder
from relevance.teacher.engines import ENGINES, drift, gate, open_engine
from relevance.teacher.engines.bert import fits, pack
from relevance.teacher.engines.ops import Linear, prepacks
from relevance.teacher.engines.packed import PackedEngine
from relevance.teacher.model import LoadedTeacher, Settings, new_teacher
from relevance.teacher.predict import predict_logits, softmax
from relevance.teacher.tuning import Tuning
from relevance.teacher.weights import prepare_weights
from tests.relevance.teacher.families import register_tiny

PACKED = {
    "multilingual-bert-base",
    "xlm-roberta-large",
    "multilingual-e5-small",
    "all-MiniLM-L6-v2",
}
PINS = ["", "oak", "a small oak desk", "blue lamp for the old table " * 30]
QUERIES = ["red desk", "🦄", "modern sofa with a lamp", ""]


@pytest.fixture(params=list(BASES), scope="module")
def teacher(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoadedTeacher]:
    folder = tmp_path_factory.mktemp("family")
    with pytest.MonkeyPatch.context() as patch:
        torch.set_num_threads(1)
        site = folder / "site"
        for _ in register_tiny(BASES[request.param], folder / "cache", patch, site=site):
            yield _teacher(request.param)


def _teacher(name: str, tuning: Tuning | None = None) -> LoadedTeacher:
    weights = prepare_weights(find_base(name))
    made = new_teacher(weights, tuning=tuning or Tuning(), seed=3).eval()
    torch.nn.init.normal_(made.head.weight, std=0.5)
    encoder = open_encoder(weights.folder, weights.base, 96)
    settings = Settings(base=name, max_tokens=96, text_features=("title",))
    return LoadedTeacher(made, encoder, settings)


def _pairs(teacher: LoadedTeacher) -> list[Encoded]:
    texts = [(query, pin) for query in QUERIES for pin in PINS]
    return teacher.encoder.encode([query for query, _ in texts], [pin for _, pin in texts])


def test_torch_gives_the_models_own_logits(teacher: LoadedTeacher) -> None:
    pairs = _pairs(teacher)
    engine = open_engine("torch", teacher, precision="fp32", threads=1)
    assert isinstance(engine, PackedEngine) == (teacher.settings.base in PACKED)
    own = predict_logits(teacher.model, teacher.encoder, pairs)
    np.testing.assert_allclose(engine.logits(pairs), own, rtol=1e-4, atol=1e-5)
    assert engine.logits([]).shape == (0, 5)


def test_order_and_batches_change_nothing(teacher: LoadedTeacher) -> None:
    pairs = _pairs(teacher)
    engine = open_engine("torch", teacher, precision="fp32", threads=1)
    whole = engine.logits(pairs)
    order = np.random.default_rng(0).permutation(len(pairs))
    shuffled = engine.logits([pairs[at] for at in order], batch_tokens=64)
    np.testing.assert_allclose(shuffled, whole[order], rtol=1e-4, atol=1e-5)
    alone = np.concatenate([engine.logits([pair], batch_tokens=1) for pair in pairs])
    np.testing.assert_allclose(alone, whole, rtol=1e-4, atol=1e-5)


def test_bf16_stays_close(teacher: LoadedTeacher) -> None:
    pairs = _pairs(teacher)
    exact, fast = (
        softmax(open_engine("torch", teacher, precision=precision, threads=1).logits(pairs))
        for precision in ("fp32", "bf16")
    )
    assert drift(exact, fast).largest < 0.1


def test_adapters_are_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "all-MiniLM-L6-v2"
    next(register_tiny(BASES[name], tmp_path / "cache", monkeypatch, site=tmp_path))
    adapted = _teacher("all-MiniLM-L6-v2", Tuning(kind="lora", rank=2))
    with torch.no_grad():
        for name, weight in adapted.model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.3)
    assert not fits(adapted.model)
    pairs = _pairs(adapted)
    found = open_engine("torch", adapted, precision="fp32", threads=1).logits(pairs)
    own = predict_logits(adapted.model, adapted.encoder, pairs)
    np.testing.assert_allclose(found, own, rtol=1e-5, atol=1e-6)


def test_unknown_engines_are_told() -> None:
    with pytest.raises(SettingsError, match=r"engine 'torhc' is unknown. Did you mean 'torch'"):
        open_engine("torhc", None)  # type: ignore[arg-type]
    assert "torch" in ENGINES


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_packing_keeps_every_token_and_its_place(lengths: list[int]) -> None:
    lengths = sorted(lengths, reverse=True)
    pairs = [Encoded(tuple(range(10 * at, 10 * at + size)), 1) for at, size in enumerate(lengths)]
    packed = pack(pairs)
    assert packed.ids.tolist() == [one for pair in pairs for one in pair.ids]
    assert packed.positions.tolist() == [at for size in lengths for at in range(size)]
    assert packed.types.tolist() == [int(at >= 1) for size in lengths for at in range(size)]
    assert [size for size, count in packed.blocks for _ in range(count)] == lengths


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("private", [True, False])
def test_prepacked_matrices_multiply_as_plain_ones(
    dtype: torch.dtype, private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not private:
        monkeypatch.setattr("relevance.teacher.engines.ops.prepacks", lambda dtype: False)
    elif not prepacks(dtype):
        pytest.skip(f"this torch does not prepack {dtype} matrices")
    torch.manual_seed(0)
    x, weight, bias = torch.randn(7, 12), torch.randn(5, 12), torch.randn(5)
    made = Linear(weight, bias, dtype=dtype, rows=7)
    plain = torch.nn.functional.linear(x, weight, bias)
    close = {"rtol": 0.05, "atol": 0.1} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(made(x.to(dtype)).float(), plain, **close)
    torch.testing.assert_close(
        made.gelu(x.to(dtype)).float(), torch.nn.functional.gelu(plain), **close
    )


def test_drift_is_measured_and_gated() -> None:
    exact = np.array([[0.6, 0.4], [0.5, 0.5]])
    found = drift(exact, np.array([[0.4, 0.6], [0.5, 0.5]]))
    assert (found.n, found.flips) == (2, 0.5)
    assert (found.mean, found.largest) == (pytest.approx(0.1), pytest.approx(0.2))
    assert "a probability in a thousand moves by 0.2" in (gate(found) or "")
    assert gate(drift(exact, exact)) is None
    assert gate(drift(exact, np.full((2, 2), np.nan)))
    tight = np.tile([[0.5001, 0.4999]], (100, 1))
    moved = np.where(np.arange(100)[:, None] < 2, tight[:, ::-1], tight)
    assert "2.0% of the best grades change" in (gate(drift(tight, moved)) or "")
    assert drift(exact[:0], exact[:0]).n == 0
