"""BERT's forward pass over pairs laid end to end, without padding.

Matrices see all tokens of a batch as one long (tokens, width) input, attention sees the pairs of
one length as one block, so nothing is computed for padding and no mask is needed. Norms, softmax
and the sum of the layers (the residual stream) are float32 whatever the matrices are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import embedding, layer_norm

from relevance.teacher.encode import Encoded
from relevance.teacher.engines.ops import Linear
from relevance.teacher.model import Teacher

MODEL_TYPES = ("bert", "xlm-roberta", "roberta")
"""`config.model_type` of what is laid out like BERT."""


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm."""

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Rows of mean 0 and variance 1, scaled and shifted."""
        return layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's weights; queries, keys and values are one matrix, queries scaled already."""

    qkv: Linear
    out: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    norm: Norm


@dataclass(frozen=True, slots=True)
class Packed:
    """Pairs laid end to end, longest first.

    Attributes:
        ids: Token ids, (tokens,).
        positions: Place of each token in its pair, from 0.
        types: 0 for the query's side, 1 for the Pin's.
        lengths: Tokens of each pair, falling.
        blocks: (length, pairs) of the runs of equally long pairs.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor
    lengths: torch.Tensor
    blocks: Sequence[tuple[int, int]]


def pack(pairs: Sequence[Encoded]) -> Packed:
    """`pairs` laid end to end; they come longest first."""
    lengths = torch.tensor([len(pair) for pair in pairs])
    ends = lengths.cumsum(0)
    places = torch.arange(int(ends[-1])) - (ends - lengths).repeat_interleave(lengths)
    boundaries = torch.tensor([pair.boundary for pair in pairs]).repeat_interleave(lengths)
    sizes, counts = torch.unique_consecutive(lengths, return_counts=True)
    return Packed(
        ids=torch.tensor([one for pair in pairs for one in pair.ids]),
        positions=places,
        types=(places >= boundaries).long(),
        lengths=lengths,
        blocks=list(zip(sizes.tolist(), counts.tolist(), strict=True)),
    )


def fits(teacher: Teacher) -> bool:
    """Whether a teacher's encoder is one that `Bert` computes."""
    encoder: Any = getattr(teacher, "encoder", None)
    config: Any = getattr(encoder, "config", None)
    if getattr(config, "model_type", "") not in MODEL_TYPES or config.is_decoder:
        return False
    plain = all(
        type(part) is nn.Linear
        for part in encoder.encoder.modules()
        if hasattr(part, "in_features")
    )
    return plain and config.hidden_act == "gelu"


class Bert:
    """A teacher's forward pass over packed pairs.

    Args:
        teacher: One that `fits`; its weights are copied in the order that multiplies fastest.
        dtype: What matrices are multiplied in.
        rows: Tokens that a batch usually has.
    """

    def __init__(self, teacher: Teacher, *, dtype: torch.dtype, rows: int) -> None:
        encoder: Any = teacher.encoder
        config = encoder.config
        self.heads: int = config.num_attention_heads
        self.dtype = dtype
        self.pooling = teacher.pooling
        self._tables = encoder.embeddings
        self._first = 0 if config.model_type == "bert" else config.pad_token_id + 1
        self._typed = encoder.base_model_prefix == "bert" and config.type_vocab_size > 1
        self._norm = _norm(encoder.embeddings.LayerNorm)
        self._layers = [_layer(part, self.heads, dtype, rows) for part in encoder.encoder.layer]
        self._head = teacher.head

    def __call__(self, packed: Packed, *, typed: bool) -> torch.Tensor:
        """Logits of the five grades, float32, (pairs, 5).

        Args:
            packed: At least one pair.
            typed: Whether query and Pin have different token types.
        """
        x = self._embed(packed, typed=typed)
        for layer in self._layers:
            x = self._through(layer, x, packed)
        head = self._head
        return nn.functional.linear(self._pool(x, packed), head.weight.float(), head.bias.float())

    def _embed(self, packed: Packed, *, typed: bool) -> torch.Tensor:
        tables = self._tables
        x = embedding(packed.ids, tables.word_embeddings.weight).float()
        x = x + embedding(packed.positions + self._first, tables.position_embeddings.weight)
        kinds = tables.token_type_embeddings.weight
        return self._norm(x + (embedding(packed.types, kinds) if typed else kinds[0]))

    def _through(self, layer: Layer, x: torch.Tensor, packed: Packed) -> torch.Tensor:
        """One layer, (tokens, width) → (tokens, width), float32."""
        mixed = self._attend(layer.qkv(x.to(self.dtype)), packed.blocks)
        x = layer.attention_norm(x + layer.out(mixed))
        return layer.norm(x + layer.down(layer.up.gelu(x.to(self.dtype))))

    def _attend(self, qkv: torch.Tensor, blocks: Sequence[tuple[int, int]]) -> torch.Tensor:
        """(tokens, 3 · width) → (tokens, width); every pair attends to itself alone."""
        out = qkv.new_empty(len(qkv), qkv.shape[1] // 3)
        start = 0
        for length, count in blocks:
            stop = start + length * count
            part = qkv[start:stop].view(count, length, 3, self.heads, -1)
            queries, keys, values = (
                one.reshape(count * self.heads, length, -1)
                for one in part.permute(2, 0, 3, 1, 4).contiguous()
            )
            weights = torch.bmm(queries, keys.transpose(1, 2)).softmax(-1)
            mixed = torch.bmm(weights, values).view(count, self.heads, length, -1)
            out[start:stop].view(count, length, self.heads, -1).copy_(mixed.transpose(1, 2))
            start = stop
        return out

    def _pool(self, x: torch.Tensor, packed: Packed) -> torch.Tensor:
        """(tokens, width) → (pairs, width)."""
        ends = packed.lengths.cumsum(0)
        if self.pooling == "first":
            return x[ends - packed.lengths]
        if self.pooling == "last":
            return x[ends - 1]
        parts = (
            part.view(count, length, -1).mean(1)
            for part, (length, count) in zip(
                torch.split(x, [length * count for length, count in packed.blocks]),
                packed.blocks,
                strict=True,
            )
        )
        return torch.cat(list(parts))


def _norm(module: Any) -> Norm:
    return Norm(module.weight.detach().float(), module.bias.detach().float(), module.eps)


def _layer(part: Any, heads: int, dtype: torch.dtype, rows: int) -> Layer:
    attention = part.attention.self
    scale = (attention.query.out_features // heads) ** -0.5
    three = (attention.query, attention.key, attention.value)
    scales = (scale, 1.0, 1.0)
    weight = torch.cat([one.weight * by for one, by in zip(three, scales, strict=True)])
    bias = torch.cat([one.bias * by for one, by in zip(three, scales, strict=True)])

    def made(module: Any) -> Linear:
        return Linear(module.weight, module.bias, dtype=dtype, rows=rows)

    return Layer(
        qkv=Linear(weight, bias, dtype=dtype, rows=rows),
        out=made(part.attention.output.dense),
        attention_norm=_norm(part.attention.output.LayerNorm),
        up=made(part.intermediate.dense),
        down=made(part.output.dense),
        norm=_norm(part.output.LayerNorm),
    )
