"""The pretrained part of a teacher: read from a model folder, as whole or as quantised weights."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from relevance.errors import ModelError, SettingsError, require_extra
from relevance.teacher.base import Base
from relevance.teacher.tuning import Tuning, quiet_bitsandbytes
from relevance.teacher.vectors import VectorConfig, VectorNet, new_vector_net

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def read_backbone(
    folder: Path,
    base: Base,
    tuning: Tuning,
    *,
    precision: str = "fp32",
    device: str | torch.device = "cpu",
) -> nn.Module:
    """The base's pretrained layers, without dropout and without its own head.

    Args:
        folder: config.json and safetensors.
        base: How they are read.
        tuning: Resolved; layers above `layers` are left out, `"qlora"` reads them in 4 bits.
        precision: What matrices are stored in where they are not quantised.
        device: Where they are put.

    Raises:
        MissingExtraError: `"qlora"` without bitsandbytes.
        ModelError: The files are damaged.
        SettingsError: The base has fewer layers.
    """
    if base.family == "embeddings":
        return new_vector_net(base, tuning.layers)
    options = _options(base)
    if tuning.kind == "qlora":
        options |= _in_four_bits(base, device)
    with quiet_transformers():
        kind = _model_class(base)
        try:
            encoder = kind.from_pretrained(
                folder,
                dtype=PRECISIONS[precision],
                local_files_only=True,
                use_safetensors=True,
                **options,
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(
                f"{folder}: weights of {base.name} cannot be read ({error}). "
                "Remove the folder and get them again; see: gradewise teacher bases"
            ) from error
    keep_layers(encoder, base, tuning.layers)
    ready: nn.Module = _ready(encoder, tuning).to(device)
    return ready


def build_backbone(
    folder: Path, base: Base, tensors: Mapping[str, torch.Tensor], precision: str
) -> nn.Module:
    """A backbone of trained weights.

    Args:
        folder: Its config.json.
        base: How it is built.
        tensors: Name in the backbone → weight; a tied weight is there once.
        precision: What they are stored in.

    Raises:
        ModelError: Weights are missing, left over or of another shape.
    """
    if base.family == "embeddings":
        net = VectorNet(VectorConfig.read(folder))
        net.load_state_dict(dict(tensors))
        return net.to(PRECISIONS[precision])
    with quiet_transformers():
        import transformers

        encoder, found = _model_class(base).from_pretrained(
            None,
            config=transformers.AutoConfig.from_pretrained(folder),
            state_dict=dict(tensors),
            dtype=PRECISIONS[precision],
            output_loading_info=True,
            attn_implementation=base.attention,
            **base.model_options,
        )
    wrong = [*found["missing_keys"], *found["unexpected_keys"], *found["mismatched_keys"]]
    if wrong:
        raise ModelError(f"{len(wrong)} weights do not fit the config, {wrong[0]} among them")
    encoder.config.use_cache = False
    return encoder  # type: ignore[no-any-return]


def keep_layers(encoder: Any, base: Base, layers: int | None) -> None:
    """Takes the layers above the lowest `layers` out of an encoder and its config.

    Raises:
        SettingsError: It has fewer.
    """
    if layers is None:
        return
    stack = encoder.get_submodule(base.layers)
    if not 1 <= layers <= len(stack):
        raise SettingsError(
            f"layers must be 1 to {len(stack)} for {base.name}, got {layers}. Give another --layers"
        )
    del stack[layers:]
    encoder.config.num_hidden_layers = layers


def plain_config(encoder: Any) -> Any:
    """The encoder's config without a trace of quantisation."""
    config = copy.deepcopy(encoder.config)
    for name in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(config, name):
            delattr(config, name)
    return config


def _model_class(base: Base) -> Any:
    import transformers

    return getattr(transformers, base.model_class)


def _options(base: Base) -> dict[str, Any]:
    return {
        "attn_implementation": base.attention,
        **dict.fromkeys(base.dropouts, 0.0),
        **base.model_options,
    }


def _ready(encoder: Any, tuning: Tuning) -> Any:
    encoder.config.use_cache = False
    if tuning.checkpointing:
        encoder.activation_checkpointing_enable({"use_reentrant": False})
    for module in encoder.modules():
        # On some processors bitsandbytes repacks 4-bit weights at the first evaluation, in place
        # and with coarser scales: training would go on with other weights than it began with.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return encoder


def _in_four_bits(base: Base, device: str | torch.device) -> dict[str, Any]:
    require_extra("bitsandbytes", "qlora")
    require_extra("accelerate", "teacher")
    quiet_bitsandbytes()
    from transformers import BitsAndBytesConfig

    compute = torch.bfloat16 if base.autocast_4bit else torch.float32
    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": config, "device_map": {"": str(device)}}


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
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
