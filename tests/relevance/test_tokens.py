from __future__ import annotations

import polars as pl
import pytest

from relevance.tokens import code_terms, terms_of


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Crème BRÛLÉE, mañana!", ["brulee", "creme", "manana"]),
        ("cœur Œuf Straße smørrebrød", ["coeur", "oeuf", "smorrebrod", "strasse"]),
        ("L'eau d'été, women's don’t", ["dont", "eau", "ete", "women"]),
        ("flor flores", ["flor", "flor"]),
        (
            "berry berries box boxes dress dresses",
            ["berry", "berry", "box", "box", "dress", "dress"],
        ),
        ("gâteau gâteaux", ["gateau", "gateau"]),
        ("cactus glass chess bus", ["bus", "cactus", "chess", "glass"]),
        ("cats_and_dogs 2024", ["2024", "and", "cats", "dogs"]),
        ("結婚式のヘア", ["ヘア", "婚式", "結婚"]),
        ("食べ物 2024年のＡＢＣ", ["2024", "abc", "年", "物", "食"]),
        ("がく かく", ["かく", "がく"]),
        ("ｶﾞｰﾃﾞﾝ", ["ガー", "デン", "ーデ"]),
        ("한국", ["한국"]),
        ("বাংলা লেখা", ["বাংলা", "লেখা"]),
        ("Ёлка ёлка", ["елка", "елка"]),
        ("❤️ 🎂 …", []),
        ("", []),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms


def test_decomposed_and_composed_text_give_the_same_terms() -> None:
    assert terms_of("cafe\u0301 か\u3099く") == terms_of("café がく")


def test_a_plural_finds_its_singular_in_another_column() -> None:
    vocabulary, (queries, pins) = code_terms(
        [pl.Series(["wooden benches", None]), pl.Series(["bench", "benches of wood"])]
    )
    words = [vocabulary[code] for code in queries.codes]
    assert words == ["wooden", "bench"]
    assert queries.rows.tolist() == [0, 0]
    in_pins = [(row, vocabulary[code]) for row, code in zip(pins.rows, pins.codes, strict=True)]
    assert in_pins == [(0, "bench"), (1, "bench"), (1, "of"), (1, "wood")]


def test_no_texts_have_no_terms() -> None:
    vocabulary, (terms,) = code_terms([pl.Series([], dtype=pl.String)])
    assert vocabulary == []
    assert len(terms.codes) == 0
