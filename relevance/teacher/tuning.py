"""Which weights of a base are trained: all of them, or low-rank adapters beside frozen ones.

`full` trains the layers themselves. `lora` freezes them and trains two thin matrices beside each
(Hu et al. 2021, arXiv 2106.09685). `qlora` keeps the frozen ones in 4 bits: NormalFloat with doubly
quantised scales (Dettmers et al. 2023, arXiv 2305.14314). The head is always trained.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from relevance.errors import SettingsError, require_extra
from relevance.teacher.base import Base

KINDS = ("full", "lora", "qlora")
ADAPTER = "lora_"
"""What the names of adapter weights have in common."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a base is adapted.

    Attributes:
        kind: `"full"`, `"lora"` or `"qlora"`. A base of sentence embeddings has no layers to adapt:
            its vectors are frozen whatever is asked, and each kind means `"full"`.
        layers: Layers of the base to keep, the lowest ones; None for what suits the base.
        frozen_layers: So many of the lowest layers stay as they are (and get no adapters), with all
            embeddings; None for what suits the base, and 0 for adapters.
        frozen_embeddings: Word embeddings stay as they are; adapters always leave them.
        rank: Inner width of an adapter.
        alpha: Adapters are scaled by `alpha / rank`.
        dropout: Of an adapter's input, while training.
        checkpointing: Keep only each layer's input and compute the rest again for the gradient:
            less memory, more time; None for qlora only.
    """

    kind: str = "full"
    layers: int | None = None
    frozen_layers: int | None = None
    frozen_embeddings: bool = True
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    checkpointing: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(
                f"tuning must be one of {', '.join(KINDS)}, got {self.kind!r}. Use full"
            )
        if self.rank < 1:
            raise SettingsError(f"rank must be 1 or more, got {self.rank}. Give another --rank")

    @property
    def adapts(self) -> bool:
        """Whether adapters are trained rather than the layers."""
        return self.kind != "full"

    def resolve(self, base: Base) -> Tuning:
        """The same with every None replaced by what suits `base`."""
        kind = "full" if base.family == "embeddings" else self.kind
        frozen = base.frozen_layers if kind == "full" else 0
        return replace(
            self,
            kind=kind,
            layers=self.layers or base.kept_layers,
            frozen_layers=frozen if self.frozen_layers is None else self.frozen_layers,
            checkpointing=kind == "qlora" if self.checkpointing is None else self.checkpointing,
        )


FULL = Tuning()
"""Full fine-tuning as it suits the base."""


def read_tuning(values: Mapping[str, Any]) -> Tuning:
    """The tuning that `dataclasses.asdict` wrote; full for an empty one, as folders had before."""
    return Tuning(**values)


def freeze(encoder: nn.Module, base: Base, tuning: Tuning, precision: str) -> None:
    """Takes the gradient of what a full fine-tuning leaves as it is.

    Args:
        encoder: Changed in place.
        base: Its row.
        tuning: Resolved.
        precision: `"bf16"` stores frozen word embeddings in bf16.
    """
    if tuning.frozen_embeddings:
        words = encoder.get_submodule(base.word_embeddings).requires_grad_(False)
        if precision == "bf16":
            words.to(torch.bfloat16)
    if tuning.frozen_layers:
        encoder.get_submodule(base.word_embeddings.split(".", maxsplit=1)[0]).requires_grad_(False)
        encoder.get_submodule(base.layers)[: tuning.frozen_layers].requires_grad_(False)  # type: ignore[index]


def add_adapters(encoder: nn.Module, base: Base, tuning: Tuning) -> None:
    """Freezes an encoder and puts adapters beside its matrices; in place.

    Adapters, norms and position biases are float32, whatever the frozen matrices are kept in: so
    the sums that pass from layer to layer are, too.

    Raises:
        MissingExtraError: PEFT is not installed.
        SettingsError: Every layer is frozen, so that there is nothing to adapt.
    """
    require_extra("peft", "teacher")
    quiet_bitsandbytes()
    from peft import LoraConfig, inject_adapter_in_model

    layers = len(encoder.get_submodule(base.layers))  # type: ignore[arg-type]
    first = tuning.frozen_layers or 0
    if first >= layers:
        raise SettingsError(
            f"all {layers} layers of {base.name} are frozen: no adapter is left to train. "
            "Give fewer --frozen-layers"
        )
    encoder.requires_grad_(False)
    names = "|".join(target.replace(".", r"\.") for target in base.lora_targets)
    numbers = "|".join(str(at) for at in range(first, layers))
    config = LoraConfig(
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        bias="none",
        target_modules=rf"{base.layers.replace('.', chr(92) + '.')}\.({numbers})\..*\b({names})",
    )
    inject_adapter_in_model(config, encoder)
    for name, weight in encoder.named_parameters():
        if ADAPTER in name:
            weight.data = weight.data.float()
            weight.requires_grad_(True)
    _in_float32(encoder, base)


def _in_float32(encoder: nn.Module, base: Base) -> None:
    """Turns what is neither a matrix nor a word embedding to float32; it is little."""
    words = encoder.get_submodule(base.word_embeddings).weight
    for module in encoder.modules():
        if not isinstance(module, nn.Linear):
            for weight in module.parameters(recurse=False):
                if weight is not words:
                    weight.data = weight.data.float()


def quiet_bitsandbytes() -> None:
    """Keeps bitsandbytes from saying at import that it lacks a kernel which only the hub has."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.CRITICAL)


def merge_adapters(encoder: nn.Module) -> None:
    """Adds every adapter to the matrix it stands beside and removes it; in place.

    Only for matrices that are not quantised: rounding them again would move the logits.
    """
    from peft.tuners.lora import LoraLayer

    for name, module in list(encoder.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(encoder.get_submodule(parent), child, module.get_base_layer())
