"""How much memory a base needs, from its sizes.

Bytes beside what Python and its libraries take (some 0.5 GB), for batches of 2,048 tokens when
labelling and of 1,024 (16 pairs of 64) when training:

- labelling: 2 a weight (bf16), and one layer's values for every token of a batch;
- LoRA: 2 a frozen weight (bf16), 16 an adapter's weight (itself, its gradient and two moments, in
  float32), and of every layer what the gradient needs of every token;
- qLoRA: 4.127 *bits* a weight of the layers (nf4, doubly quantised scales: Dettmers et al. 2023,
  section 3) and 2 bytes a word embedding, the same for adapters, one matrix as it is multiplied
  (float32), and, since layers are computed again for the gradient, one layer's values and the
  inputs of the others.

A token keeps, for the gradient, of each adapted matrix its input three times (dropped out in
float32, its mask, and again in bf16: 7 bytes a number), the queries, keys, values and outputs of
attention (bf16) and about six float32 vectors around norms and activations. Where attention has to
write its scores down ("eager"), six of them a head and pair of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

from relevance.teacher.base import Base

LABEL_TOKENS = 2048
TRAIN_TOKENS = 1024
PAIR_TOKENS = 64
RANK = 16

_BF16, _FP32, _NF4 = 2.0, 4.0, 4.127 / 8


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a base needs; see the module for what is counted.

    Attributes:
        inference: Labelling, weights in bf16.
        lora: Training adapters, frozen weights in bf16.
        qlora: Training adapters, frozen weights in 4 bits.
    """

    inference: float
    lora: float
    qlora: float


def estimate_memory(base: Base) -> Memory:
    """What a base needs with all its layers; with sentence vectors, the vectors' table alone."""
    if base.family == "embeddings":
        # The table is kept in 8 bits; the network over it is some megabytes.
        table = float(base.parameters) + 12 * _vector_net(base)
        return Memory(table, table, table)
    words = base.shape.vocabulary * base.shape.width
    layers = base.parameters - words
    adapters = 16.0 * RANK * base.shape.layers * _ends(base)
    stored = _BF16 if base.autocast_4bit else _FP32
    inputs = TRAIN_TOKENS * base.shape.layers * base.shape.width * _FP32
    largest = base.shape.width * base.shape.feed * _FP32
    return Memory(
        inference=_BF16 * base.parameters + LABEL_TOKENS * _forward(base),
        lora=_BF16 * base.parameters + adapters + TRAIN_TOKENS * base.shape.layers * _kept(base),
        qlora=stored * words
        + _NF4 * layers
        + adapters
        + inputs
        + TRAIN_TOKENS * _kept(base)
        + largest,
    )


def _vector_net(base: Base) -> int:
    return 4 * base.shape.width * 256 + 256 * 256


def _matrices(base: Base) -> tuple[tuple[int, int], ...]:
    """(inputs, outputs) of the matrices of a layer."""
    shape = base.shape
    narrow = shape.width * (shape.key_heads or shape.heads) // shape.heads
    up = 2 if shape.gated else 1
    return (
        (shape.width, shape.width),
        (shape.width, narrow),
        (shape.width, narrow),
        (shape.width, shape.width),
        *(((shape.width, shape.feed),) * up),
        (shape.feed, shape.width),
    )


def _ends(base: Base) -> int:
    """Inputs and outputs of a layer's matrices in all: an adapter of rank 1 has so many weights."""
    return sum(inputs + outputs for inputs, outputs in _matrices(base))


def _forward(base: Base) -> float:
    """Bytes a token of one layer without gradient: what is alive at its widest place."""
    shape = base.shape
    wide = (2 if shape.gated else 1) + 1
    return _BF16 * (4 * shape.width + wide * shape.feed) + _scores(base)


def _kept(base: Base) -> float:
    """Bytes a token and layer that the gradient needs."""
    shape = base.shape
    adapted = 7.0 * sum(inputs for inputs, _ in _matrices(base))
    attention = _BF16 * 4 * shape.width
    between = _FP32 * 6 * shape.width + _BF16 * (3 if shape.gated else 2) * shape.feed
    return adapted + attention + between + _scores(base)


def _scores(base: Base) -> float:
    """Bytes a token of attention scores that are written down."""
    return 6 * _FP32 * base.shape.heads * PAIR_TOKENS if base.attention == "eager" else 0.0
