"""The cross-encoder: a pretrained encoder that reads query and Pin together, and a five-way head.

A model folder holds model.safetensors (encoder and head), config.json (the encoder's, as
transformers writes it), tokenizer.json, gradewise.json (`Settings`), provenance.json and README.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from relevance.errors import ModelError, SettingsError
from relevance.files import atomic
from relevance.grades import GRADES
from relevance.teacher.bases import Base, find_base
from relevance.teacher.encode import PairEncoder, read_tokenizer
from relevance.teacher.weights import Weights

SETTINGS = "gradewise.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What a model folder says of its model.

    Attributes:
        base: Name of the base.
        max_tokens: Longest input it was trained with.
        text_features: Names of the text features it reads.
        temperature: Logits are divided by it before the softmax.
        source: Where the base's weights came from.
        note: What to know about the base.
        identity: Hash of the inputs and the configuration it was trained with.
        history: One entry an epoch: loss, validation loss, metrics.
        format: Version of this layout.
    """

    base: str
    max_tokens: int
    text_features: tuple[str, ...]
    temperature: float = 1.0
    source: str = ""
    note: str = ""
    identity: str = ""
    history: tuple[Mapping[str, Any], ...] = field(default=())
    format: int = FORMAT


class Teacher(nn.Module):
    """Encoder, pooling and head.

    Args:
        encoder: Any transformers encoder that returns `last_hidden_state`.
        pooling: `"mean"`, `"first"` or `"last"` (of the tokens that are not padding).
        dropout: Of the pooled state, while training.
    """

    def __init__(self, encoder: nn.Module, *, pooling: str, dropout: float = 0.0) -> None:
        super().__init__()
        width: int = encoder.config.hidden_size  # type: ignore[union-attr, assignment]
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, len(GRADES))

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Logits of the five grades, float32, of shape (pairs, 5)."""
        states = self.encoder(**inputs).last_hidden_state.float()  # (B, T, H)
        mask = inputs["attention_mask"].unsqueeze(-1).float()  # (B, T, 1)
        if self.pooling == "mean":
            pooled = (states * mask).sum(1) / mask.sum(1)
        elif self.pooling == "first":
            pooled = states[:, 0]
        else:
            last = (mask.squeeze(-1) * torch.arange(1, mask.shape[1] + 1)).argmax(1)
            pooled = states[torch.arange(len(states)), last]
        with torch.autocast("cpu", enabled=False):
            weight, bias = self.head.weight.float(), self.head.bias.float()
            return nn.functional.linear(self.dropout(pooled), weight, bias)


@dataclass(frozen=True, slots=True)
class LoadedTeacher:
    """A trained teacher, ready to label."""

    model: Teacher
    encoder: PairEncoder
    settings: Settings


def new_teacher(
    weights: Weights, *, dropout: float, layers: int | None, frozen_layers: int, seed: int
) -> Teacher:
    """A teacher on pretrained weights with a fresh head; word embeddings are frozen, in bf16.

    Args:
        weights: Folder of the base.
        dropout: Of the head.
        layers: Layers to keep, the lowest ones; None for all.
        frozen_layers: So many of the lowest layers are frozen too, with all embeddings.
        seed: Of the head.
    """
    base = weights.base
    with _quiet_transformers():
        import transformers

        kind = getattr(transformers, base.model_class)
        encoder = kind.from_pretrained(
            weights.folder,
            dtype=torch.float32,
            attn_implementation=base.attention,
            **dict.fromkeys(base.dropouts, 0.0),
            **base.model_options,
        )
    _keep_layers(encoder, base, layers)
    torch.manual_seed(seed)
    teacher = Teacher(encoder, pooling=base.pooling, dropout=dropout)
    encoder.get_submodule(base.word_embeddings).requires_grad_(False).to(torch.bfloat16)
    if frozen_layers:
        encoder.get_submodule(base.word_embeddings.split(".", maxsplit=1)[0]).requires_grad_(False)
        encoder.get_submodule(base.layers)[:frozen_layers].requires_grad_(False)
    return teacher


def _keep_layers(encoder: Any, base: Base, layers: int | None) -> None:
    """Takes the layers above the lowest `layers` out of an encoder and its config."""
    stack = encoder.get_submodule(base.layers)
    if layers is None:
        return
    if not 1 <= layers <= len(stack):
        raise SettingsError(
            f"layers must be 1 to {len(stack)} for {base.name}, got {layers}. Give another --layers"
        )
    del stack[layers:]
    encoder.config.num_hidden_layers = layers


def save_teacher(folder: Path, teacher: Teacher, encoder: PairEncoder) -> None:
    """Writes a model folder's weights, config and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / "model.safetensors") as temporary:
        tensors = {name: value.contiguous() for name, value in teacher.state_dict().items()}
        save_file(tensors, temporary, metadata={"format": "pt"})
        temporary.chmod(0o644)
    teacher.encoder.config.save_pretrained(folder)  # type: ignore[union-attr, operator]
    encoder.tokenizer.save(str(folder / "tokenizer.json"))


def write_settings(folder: Path, settings: Settings) -> None:
    """Writes gradewise.json, which marks a whole folder: write it last."""
    with atomic(folder / SETTINGS) as temporary:
        text = json.dumps(dataclasses.asdict(settings), indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n")


def read_settings(folder: Path) -> Settings:
    """What a model folder says of itself.

    Raises:
        ModelError: It is not a teacher's folder, not finished, or of another version.
    """
    path = folder / SETTINGS
    if not path.exists():
        raise ModelError(
            f"{folder} holds no finished teacher ({SETTINGS} is missing). "
            "Make it with: gradewise teacher train --out DIR, or finish it with --resume"
        )
    try:
        values = json.loads(path.read_text())
        if values["format"] != FORMAT:
            raise ModelError(f"{path}: format {values['format']} is not {FORMAT}. Train it again")
        values["text_features"] = tuple(values["text_features"])
        values["history"] = tuple(values["history"])
        return Settings(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error}). Train the model again") from error


def load_teacher(folder: Path) -> LoadedTeacher:
    """The trained teacher of a model folder, in float32 (word embeddings as stored).

    Raises:
        ModelError: A file is missing, damaged or does not fit.
    """
    settings = read_settings(folder)
    base = find_base(settings.base)
    with _quiet_transformers():
        import transformers

        kind = getattr(transformers, base.model_class)
        try:
            config = transformers.AutoConfig.from_pretrained(folder)
            tensors = load_file(folder / "model.safetensors")
        except (OSError, ValueError, SafetensorError) as error:
            raise ModelError(f"{folder} is damaged ({error}). Train the model again") from error
        encoder = kind.from_config(config, attn_implementation=base.attention, **base.model_options)
    teacher = Teacher(encoder, pooling=base.pooling)
    try:
        teacher.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise ModelError(f"{folder}/model.safetensors does not fit its config: {error}") from error
    tokenizer = read_tokenizer(folder)
    return LoadedTeacher(
        teacher.eval(), PairEncoder(tokenizer, base, settings.max_tokens), settings
    )


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Keeps transformers off the network and off the terminal while the block runs."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers.utils import logging as chatter

    before = chatter.get_verbosity()
    chatter.set_verbosity(logging.ERROR)
    chatter.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("transformers").propagate = False
    try:
        yield
    finally:
        chatter.set_verbosity(before)
