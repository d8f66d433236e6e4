"""The cross-encoder: a pretrained encoder that reads query and Pin together, and a five-way head.

A model folder holds model.safetensors (encoder and head), config.json (the encoder's, as
transformers writes it), tokenizer.json, gradewise.json (`Settings`), provenance.json and README.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from relevance.errors import ModelError
from relevance.files import atomic
from relevance.grades import GRADES
from relevance.teacher.backbone import build_backbone, plain_config, read_backbone
from relevance.teacher.bases import Base, find_base
from relevance.teacher.encode import Encoder, open_encoder
from relevance.teacher.tuning import (
    ADAPTER,
    FULL,
    Tuning,
    add_adapters,
    freeze,
    merge_adapters,
    read_tuning,
)
from relevance.teacher.weights import Weights, prepare_weights

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
        tuning: Fields of the `Tuning` it was trained with; empty for full fine-tuning.
        weights_sha256: Hash of the base's weights it started from; adapters fit no others.
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
    tuning: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""
    history: tuple[Mapping[str, Any], ...] = field(default=())
    format: int = FORMAT


class Teacher(nn.Module):
    """Encoder, pooling and head.

    Args:
        encoder: Any transformers encoder or decoder that returns `last_hidden_state`.
        base: How it pools, and whether autocast suits it.
        tuning: Resolved; what is trained of it.
        dropout: Of the pooled state, while training.
        precision: `"bf16"` where the encoder's frozen matrices are kept in it: then it computes
            under autocast whoever calls it, since its other weights are float32.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        base: Base,
        tuning: Tuning,
        dropout: float = 0.0,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        width: int = encoder.config.hidden_size  # type: ignore[union-attr, assignment]
        self.encoder = encoder
        self.pooling = base.pooling
        self.tuning = tuning
        self._mixed = tuning.kind == "lora" and precision == "bf16"
        self._castable = base.autocast_4bit if tuning.kind == "qlora" else base.autocast
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, len(GRADES))

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Logits of the five grades, float32, of shape (pairs, 5), wherever the weights are."""
        device = self.head.weight.device
        inputs = {name: values.to(device) for name, values in inputs.items()}
        with self._autocast(device):
            states = self.encoder(**inputs).last_hidden_state.float()  # (B, T, H)
        pooled = self._pool(states, inputs.get("attention_mask"))
        with _no_autocast(device):
            weight, bias = self.head.weight.float(), self.head.bias.float()
            return nn.functional.linear(self.dropout(pooled), weight, bias)

    def _autocast(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        """Autocast as the caller has it, unless the weights need it or cannot bear it."""
        if not self._castable:
            return _no_autocast(device)
        if self._mixed:
            return torch.autocast(device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def _pool(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """One state a pair, (B, H), of the tokens that are not padding."""
        if self.pooling == "first" or mask is None:
            return states[:, 0]
        if self.pooling == "mean":
            weights = mask.unsqueeze(-1).float()  # (B, T, 1)
            return (states * weights).sum(1) / weights.sum(1)
        places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        last = (mask * places).argmax(1)
        return states[torch.arange(len(states), device=mask.device), last]


def _no_autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, enabled=False)


@dataclass(frozen=True, slots=True)
class LoadedTeacher:
    """A trained teacher, ready to label."""

    model: Teacher
    encoder: Encoder
    settings: Settings


def new_teacher(
    weights: Weights,
    *,
    tuning: Tuning = FULL,
    dropout: float = 0.0,
    seed: int = 0,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
) -> Teacher:
    """A teacher on pretrained weights with a fresh head.

    Args:
        weights: Folder of the base.
        tuning: What is trained; what it leaves open is chosen to suit the base.
        dropout: Of the head's input.
        seed: Of the head and the adapters.
        device: Where it is trained.
        precision: `"bf16"` keeps frozen weights in bf16, for training under autocast; trained ones
            are float32 always.

    Raises:
        MissingExtraError: Adapters without PEFT, qlora without bitsandbytes.
        ModelError: The weights cannot be read.
        SettingsError: The tuning asks for more layers than there are.
    """
    base = weights.base
    tuning = tuning.resolve(base)
    precision = _stored_in(base, tuning, precision)
    frozen = precision if tuning.adapts else "fp32"
    encoder = read_backbone(weights.folder, base, tuning, device=device, precision=frozen)
    torch.manual_seed(seed)
    teacher = Teacher(encoder, base=base, tuning=tuning, dropout=dropout, precision=precision)
    if tuning.adapts:
        add_adapters(encoder, base, tuning)
    elif base.family != "embeddings":
        freeze(encoder, base, tuning, precision)
    return teacher.to(device)


def _stored_in(base: Base, tuning: Tuning, precision: str) -> str:
    """What weights are stored in: what is not quantised beside 4-bit ones has no choice."""
    if tuning.kind == "qlora":
        return "bf16" if base.autocast_4bit else "fp32"
    return precision


def save_teacher(folder: Path, teacher: Teacher, encoder: Encoder) -> None:
    """Writes a model folder's weights, config and tokenizer.

    Of an adapted base, only adapters and head: the base's weights are named by the settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = _kept_tensors(teacher)
    with atomic(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
        temporary.chmod(0o644)
    plain_config(teacher.encoder).save_pretrained(folder)
    encoder.save(folder)


def _kept_tensors(teacher: Teacher) -> dict[str, torch.Tensor]:
    """What a folder must hold; a tensor under several names (tied weights) once."""
    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in teacher.state_dict().items():
        if teacher.tuning.adapts and not (name.startswith("head.") or ADAPTER in name):
            continue
        if value.data_ptr() not in seen:
            seen.add(value.data_ptr())
            tensors[name] = value.detach().cpu().contiguous()
    return tensors


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


def load_teacher(
    folder: Path, *, device: str | torch.device = "cpu", precision: str = "fp32"
) -> LoadedTeacher:
    """The trained teacher of a model folder, in evaluation mode.

    LoRA adapters are added to the base's matrices, so that it computes as one that was trained
    whole; those of qLoRA stay beside 4-bit ones, or beside unquantised ones, with a note in the
    settings, where bitsandbytes is not installed.

    Args:
        folder: As `save_teacher` and `write_settings` leave it.
        device: Where it shall compute.
        precision: `"fp32"` or `"bf16"`: what weights are held in.

    Raises:
        ModelError: A file is missing, damaged or does not fit; or the base's weights that adapters
            were trained on are not to be had.
    """
    settings = read_settings(folder)
    base = find_base(settings.base)
    try:
        tensors = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder} is damaged ({error}). Train the model again") from error
    tuning = read_tuning(settings.tuning)
    if tuning.adapts:
        teacher, note = _load_adapted(settings, tuning, tensors, device, precision)
        settings = dataclasses.replace(settings, note=f"{settings.note} {note}".strip())
    else:
        teacher = _load_whole(folder, base, tuning, tensors, precision)
    encoder = open_encoder(folder, base, settings.max_tokens)
    return LoadedTeacher(teacher.to(device).eval(), encoder, settings)


def _load_whole(
    folder: Path, base: Base, tuning: Tuning, tensors: dict[str, torch.Tensor], precision: str
) -> Teacher:
    own = {
        name.removeprefix("encoder."): value
        for name, value in tensors.items()
        if name.startswith("encoder.")
    }
    try:
        encoder = build_backbone(folder, base, own, precision)
        teacher = Teacher(encoder, base=base, tuning=tuning)
        _fill_head(teacher, tensors)
    except (OSError, ValueError, KeyError, RuntimeError, ModelError) as error:
        raise ModelError(
            f"{folder}/model.safetensors does not fit its config: {error}. Train the model again"
        ) from error
    return teacher


def _load_adapted(
    settings: Settings,
    tuning: Tuning,
    tensors: dict[str, torch.Tensor],
    device: str | torch.device,
    precision: str,
) -> tuple[Teacher, str]:
    """A teacher of the base's weights, adapters and head, and what to know about it."""
    base = find_base(settings.base)
    weights = prepare_weights(base)
    if weights.sha256 != settings.weights_sha256:
        raise ModelError(
            f"the adapters were trained on weights of {base.name} with SHA-256 "
            f"{settings.weights_sha256[:16]}…, but those here ({weights.source}) have "
            f"{weights.sha256[:16]}…. Get the same ones, or train again"
        )
    note = ""
    if tuning.kind == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
        note = "bitsandbytes is not installed: the base is not quantised, as it was in training."
        tuning = dataclasses.replace(tuning, kind="lora")
    tuning = dataclasses.replace(tuning, checkpointing=False)
    precision = _stored_in(base, tuning, precision)
    encoder = read_backbone(weights.folder, base, tuning, device=device, precision=precision)
    teacher = Teacher(encoder, base=base, tuning=tuning)
    add_adapters(encoder, base, tuning)
    expected = set(_kept_tensors(teacher))
    if expected != set(tensors):
        raise ModelError(
            f"model.safetensors holds {len(tensors)} weights, its settings ask for "
            f"{len(expected)} others. Train the model again"
        )
    teacher.load_state_dict(tensors, strict=False)
    if tuning.kind == "lora":
        merge_adapters(encoder)
    return teacher, note


def _fill_head(teacher: Teacher, tensors: Mapping[str, torch.Tensor]) -> None:
    teacher.head.load_state_dict(
        {name: tensors[f"head.{name}"].float() for name in ("weight", "bias")}
    )
