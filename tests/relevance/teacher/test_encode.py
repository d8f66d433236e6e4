from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from relevance.errors import ModelError
from relevance.teacher.bases import Base
from relevance.teacher.encode import PairEncoder, read_tokenizer


@pytest.fixture
def encoder(tiny_base: Base, tiny_package: Path) -> PairEncoder:
    return PairEncoder(read_tokenizer(tiny_package), tiny_base, max_tokens=12)


def _words(encoder: PairEncoder, ids: tuple[int, ...]) -> str:
    return " ".join(str(encoder.tokenizer.id_to_token(one)) for one in ids)


def test_a_pair_is_laid_out_as_the_base_says(encoder: PairEncoder) -> None:
    (pair,) = encoder.encode(["red desk"], ["blue chair"])
    assert _words(encoder, pair.ids) == "<s> red desk </s> </s> blue chair </s>"
    assert pair.boundary == 5


def test_a_long_pin_never_cuts_the_query(encoder: PairEncoder) -> None:
    (pair,) = encoder.encode(["red oak desk"], ["sofa " * 10_000])
    assert _words(encoder, pair.ids[:6]) == "<s> red oak desk </s> </s>"
    assert len(pair) == 12


def test_a_query_is_cut_only_where_it_alone_is_too_long(encoder: PairEncoder) -> None:
    (pair,) = encoder.encode(["red " * 100], ["sofa " * 100])
    assert _words(encoder, pair.ids) == "<s> " + "red " * 8 + "</s> </s> </s>"
    (whole,) = encoder.encode(["red " * 7], ["sofa " * 100])
    assert _words(encoder, whole.ids) == "<s> " + "red " * 7 + "</s> </s> sofa </s>"


@pytest.mark.parametrize("pin", ["", "🌿🌿", "   "])
def test_empty_and_unknown_texts_have_tokens_all_the_same(encoder: PairEncoder, pin: str) -> None:
    (pair,) = encoder.encode(["🌿"], [pin])
    assert _words(encoder, pair.ids).startswith("<s> <unk> </s> </s>")


def test_a_batch_is_padded_masked_and_typed(encoder: PairEncoder) -> None:
    pairs = encoder.encode(["red", "red"], ["sofa", "blue sofa"])
    batch = encoder.batch(pairs)
    assert batch["input_ids"].shape == (2, 7)
    assert batch["attention_mask"].sum(1).tolist() == [6, 7]
    assert batch["input_ids"][0, 6] == encoder.padding
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1]]


def test_prefixes_are_put_before_the_texts(tiny_base: Base, tiny_package: Path) -> None:
    base = replace(tiny_base, query_prefix="the ", pin_prefix="a ")
    encoder = PairEncoder(read_tokenizer(tiny_package), base, max_tokens=64)
    (pair,) = encoder.encode(["red"], ["sofa"])
    assert _words(encoder, pair.ids) == "<s> the red </s> </s> a sofa </s>"


def test_a_tokenizer_of_another_model_is_refused(tiny_base: Base, tiny_package: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer of tiny has no '\[CLS\]'"):
        PairEncoder(read_tokenizer(tiny_package), replace(tiny_base, opening=("[CLS]",)), 64)


def test_a_missing_or_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer\.json is damaged"):
        read_tokenizer(tmp_path)
