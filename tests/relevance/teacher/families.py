"""A tiny random model of every row of BASES: the row's own class, tokens and quirks."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from relevance.files import hash_file
from relevance.teacher import vectors
from relevance.teacher.bases import BASES, Base, Shape

WORDS = [
    "red",
    "blue",
    "green",
    "oak",
    "pine",
    "desk",
    "chair",
    "lamp",
    "sofa",
    "table",
    "modern",
    "old",
    "query",
    "document",
    "pin",
    "relevance",
    "a",
    "the",
    "for",
    "with",
    "small",
    "large",
    "title",
    "description",
]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789:|·.,</>[]_-"


def tiny_shape(base: Base) -> Shape:
    """The row's shape, narrow: one layer more than it keeps, grouped heads where it has them."""
    layers = (base.kept_layers or 2) + 1
    grouped = 1 if base.shape.key_heads else None
    return replace(base.shape, layers=layers, width=32, heads=2, feed=64, key_heads=grouped)


def _bert(shape: Shape, vocabulary: int, pad: int) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed,
        pad_token_id=pad,
    )


def _xlm_roberta(shape: Shape, vocabulary: int, pad: int) -> Any:
    from transformers import XLMRobertaConfig

    return XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=pad,
    )


def _deberta(shape: Shape, vocabulary: int, pad: int) -> Any:
    from transformers import DebertaV2Config

    return DebertaV2Config(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed,
        type_vocab_size=0,
        relative_attention=True,
        max_relative_positions=-1,
        position_buckets=256,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        layer_norm_eps=1e-7,
        pad_token_id=pad,
    )


def _t5(shape: Shape, vocabulary: int, pad: int) -> Any:
    from transformers import T5Config

    return T5Config(
        vocab_size=vocabulary,
        d_model=shape.width,
        d_kv=shape.width // shape.heads,
        d_ff=shape.feed,
        num_layers=shape.layers,
        num_heads=shape.heads,
        pad_token_id=pad,
        eos_token_id=1,
    )


def _llama(shape: Shape, vocabulary: int, pad: int) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        intermediate_size=shape.feed,
        # The hub's configs name no padding.
        pad_token_id=None,
    )


CONFIGS: dict[str, Callable[[Shape, int, int], Any]] = {
    "BertModel": _bert,
    "XLMRobertaModel": _xlm_roberta,
    "DebertaV2Model": _deberta,
    "T5EncoderModel": _t5,
    "LlamaModel": _llama,
}
"""The row's class → its config. A row of another class needs a line here to be tested."""


def full_parameters(base: Base) -> int:
    """Weights of the row's model in full size, as transformers counts them (none is allocated)."""
    import transformers

    config = CONFIGS[base.model_class](base.shape, base.shape.vocabulary, 0)
    with torch.device("meta"):
        model = getattr(transformers, base.model_class)(config, **base.model_options)
    return sum(weight.numel() for weight in model.parameters())


def _specials(base: Base) -> list[str]:
    """Padding first (as in most families), and an end of text that decoders must not pad with."""
    names = [base.padding, *base.opening, *base.between, *base.closing, "</s>", "<unk>"]
    return list(dict.fromkeys(names))


def tiny_tokenizer(base: Base) -> Tokenizer:
    """A tokenizer of the row's kind: WordPiece, Unigram or byte-level BPE."""
    specials = _specials(base)
    if base.family == "decoder":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: at for at, token in enumerate([*specials, *alphabet])}
        tokenizer = Tokenizer(models.BPE(vocabulary, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        # Real Llama tokenizers add their own <|begin_of_text|>: it must not come twice.
        first = base.opening[0]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, vocabulary[first])]
        )
    elif base.model_class == "BertModel" and "[CLS]" in base.opening:
        pieces = [*WORDS, *CHARACTERS, *(f"##{one}" for one in CHARACTERS)]
        vocabulary = {token: at for at, token in enumerate([*specials, *pieces])}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        words = [(f"▁{word}", -4.0) for word in WORDS]
        letters = [(letter, -9.0) for letter in ("▁", *CHARACTERS)]
        pieces = [*((name, 0.0) for name in specials), *words, *letters]
        tokenizer = Tokenizer(models.Unigram(pieces, specials.index("<unk>"), byte_fallback=False))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(specials)
    return tokenizer


def make_tiny(base: Base, cache: Path) -> None:
    """Puts a tiny random model of the row where a user's own copy of its weights lies."""
    import transformers

    folder = cache / "models" / base.name
    folder.mkdir(parents=True)
    tokenizer = tiny_tokenizer(base)
    tokenizer.save(str(folder / "tokenizer.json"))
    pad = tokenizer.token_to_id(base.padding)
    config = CONFIGS[base.model_class](tiny_shape(base), tokenizer.get_vocab_size(), pad)
    torch.manual_seed(0)
    model = getattr(transformers, base.model_class)(config, **base.model_options)
    model.save_pretrained(folder)


def tiny_vectors(texts: list[str]) -> Any:
    """Unit vectors of bags of words, the same for the same text in every process."""
    rows = []
    for text in texts:
        total = np.full(16, 1e-3)
        for word in text.split():
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
            total += np.random.default_rng(seed).normal(size=16)
        rows.append(total / np.linalg.norm(total))
    return np.asarray(rows, dtype=np.float32)


def register_tiny(
    base: Base, cache: Path, patch: pytest.MonkeyPatch, *, site: Path
) -> Iterator[Base]:
    """The row with tiny weights behind it, as long as the patch holds."""
    patch.setenv("GRADEWISE_CACHE", str(cache))
    patch.setenv("HF_HUB_OFFLINE", "1")
    if base.family != "embeddings":
        make_tiny(base, cache)
        yield base
        return
    assert base.package
    package = site / "tiny_vectors"
    package.mkdir(parents=True, exist_ok=True)
    (package / "weights.npz").write_bytes(b"tiny")
    files = {"weights.npz": hash_file(package / "weights.npz")}
    tiny = replace(
        base,
        shape=replace(base.shape, width=16),
        package=replace(base.package, name="tiny_vectors", files=files),
    )
    patch.syspath_prepend(str(site))
    patch.setitem(BASES, base.name, tiny)  # type: ignore[arg-type]
    patch.setitem(vectors.EMBEDDERS, "usem3", tiny_vectors)  # type: ignore[arg-type]
    yield tiny
    sys.modules.pop("tiny_vectors", None)
