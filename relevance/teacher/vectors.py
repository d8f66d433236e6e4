"""The embeddings-only baseline: frozen vectors of query and Pin, and a small network over them.

It is the paper's SearchSAGE row with what is at hand: no token of the query ever meets one of the
Pin, so it shows what reading them together is worth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from relevance.errors import ModelError, SettingsError
from relevance.teacher.base import Base
from relevance.teacher.encode import Encoded

Embed = Callable[[list[str]], NDArray[np.float32]]
"""Texts → unit vectors of shape (texts, width)."""


def _use_multilingual(texts: list[str]) -> NDArray[np.float32]:
    from relevance.student.encoders import encode_texts

    return np.asarray(encode_texts(texts), dtype=np.float32)


EMBEDDERS: Mapping[str, Embed] = {"usem3": _use_multilingual}
"""Layout of a package with sentence vectors → what computes them."""


class VectorEncoder:
    """Turns pairs of texts into pairs of sentence vectors.

    Args:
        base: A row of family `"embeddings"`.
        max_tokens: Kept for the model folder; a vector is one token whatever the text's length.

    Raises:
        ModelError: Nothing computes the base's vectors.
    """

    def __init__(self, base: Base, max_tokens: int) -> None:
        layout = base.package.layout if base.package else ""
        if layout not in EMBEDDERS:
            raise ModelError(
                f"{base.name}: nothing computes its sentence vectors. "
                "Its row needs a package of one of these layouts: " + ", ".join(EMBEDDERS)
            )
        self.base = base
        self.max_tokens = max_tokens
        self._embed = EMBEDDERS[layout]

    def encode(self, queries: Sequence[str], pins: Sequence[str]) -> list[Encoded]:
        """The vectors of (queries[i], pins[i]); each distinct text is read once."""
        if not queries:
            return []
        texts = list(dict.fromkeys([*queries, *pins]))
        vectors = dict(zip(texts, self._embed(texts), strict=True))
        return [
            Encoded((), 0, vectors[query].tobytes() + vectors[pin].tobytes())
            for query, pin in zip(queries, pins, strict=True)
        ]

    def batch(self, pairs: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """`query` and `pin`, each of shape (pairs, width)."""
        both = np.stack([np.frombuffer(pair.vectors, dtype=np.float32) for pair in pairs])
        query, pin = np.split(both, 2, axis=1)
        return {"query": torch.from_numpy(query.copy()), "pin": torch.from_numpy(pin.copy())}

    def save(self, folder: Path) -> None:
        """Writes nothing: the vectors come from the package that the settings name by hash."""


@dataclass(slots=True)
class VectorConfig:
    """Sizes of a `VectorNet`.

    Attributes:
        width: Of a sentence vector.
        hidden_size: Of what the head reads.
    """

    width: int
    hidden_size: int = 256

    def save_pretrained(self, folder: Path) -> None:
        """Writes config.json, as transformers' configs do."""
        (folder / "config.json").write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> VectorConfig:
        """The config of a model folder.

        Raises:
            ModelError: It is missing or damaged.
        """
        path = folder / "config.json"
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{path} is damaged ({error}). Train the model again") from error


class VectorNet(nn.Module):
    """Query vector, Pin vector, their product and their distance → one state a pair.

    Args:
        config: Sizes.
        dropout: Between the two layers, while training.
    """

    def __init__(self, config: VectorConfig, dropout: float = 0.1) -> None:
        super().__init__()
        self.config = config
        self.inner = nn.Linear(4 * config.width, config.hidden_size)
        self.outer = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: torch.Tensor, pin: torch.Tensor) -> Any:
        """`last_hidden_state` of shape (pairs, 1, hidden)."""
        dtype = self.inner.weight.dtype
        query, pin = query.to(dtype), pin.to(dtype)
        # A product of unit vectors is of size 1/width: scaled, so that all four parts weigh alike.
        scale = self.config.width**0.5
        parts = torch.cat(
            [scale * query, scale * pin, scale**2 * query * pin, scale * (query - pin).abs()], dim=1
        )
        state = nn.functional.gelu(self.inner(parts))
        state = nn.functional.gelu(self.outer(self.dropout(state)))
        return SimpleNamespace(last_hidden_state=state.unsqueeze(1))


def new_vector_net(base: Base, layers: int | None) -> VectorNet:
    """A fresh network over a base's vectors.

    Raises:
        SettingsError: `layers` is given.
    """
    if layers is not None:
        raise SettingsError(f"{base.name} has no layers to keep. Leave --layers out")
    return VectorNet(VectorConfig(base.shape.width))
