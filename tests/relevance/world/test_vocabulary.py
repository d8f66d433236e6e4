from __future__ import annotations

import pytest

from relevance.world.attributes import DETAILS, INTERESTS, NONE, OCCASIONS, STYLES, SUBJECTS
from relevance.world.config import LANGUAGES, stream
from relevance.world.phrases import Author, Chooser, Meaning, caption, typed
from relevance.world.vocabulary import captions, vocabulary


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_every_language_has_every_word(language: str) -> None:
    words = vocabulary(language)
    assert set(words.nouns) == set(SUBJECTS)
    assert all(len(nouns) >= 3 for nouns in words.nouns.values())  # synonyms
    assert set(words.styles) == set(STYLES)
    assert set(words.details) == set(DETAILS)
    assert set(words.occasions) >= set(OCCASIONS)
    assert set(words.hints) == {*STYLES, *OCCASIONS}
    assert set(words.boards) == {interest.name for interest in INTERESTS}
    kinds = {interest.kind for interest in INTERESTS}
    assert set(words.typed) == set(words.titles) == set(words.sentences) == kinds
    for forms in (*words.styles.values(), *words.details.values(), *words.occasions.values()):
        for form in (*forms.typed, *forms.written):
            assert all(gender.count("_") == 1 for gender in form)


def test_every_subject_has_a_scene() -> None:
    assert set(captions.SCENES) == set(SUBJECTS)
    assert set(captions.DETAILS) == set(DETAILS)


def test_adjectives_agree_with_their_noun() -> None:
    french, spanish = vocabulary("fr"), vocabulary("es")
    elegant = french.styles["elegant"].typed[0]
    assert [form.replace("_", "x") for form in elegant] == [
        "x élégant",
        "x élégante",
        "x élégants",
        "x élégantes",
    ]
    assert [form.replace("_", "x") for form in spanish.styles["tropical"].typed[0]] == [
        "x tropical",
        "x tropical",
        "x tropicales",
        "x tropicales",
    ]
    assert french.nouns["living_room"][0] == (0, "salon")
    assert spanish.nouns["nails"][0] == (3, "uñas")


def meaning(subject: str, style: str, occasion: str) -> Meaning:
    return Meaning(SUBJECTS.index(subject), STYLES.index(style), NONE, OCCASIONS.index(occasion))


def test_occasions_before_the_noun_stay_inside_the_question() -> None:
    choose = Chooser(stream(0, "test"))
    asked = meaning("cookies", "vegan", "christmas")
    texts = {typed(asked, vocabulary("en"), choose) for _ in range(300)}
    assert any(text.startswith("how to make christmas ") for text in texts)
    assert not any(text.startswith("christmas how") for text in texts)


def test_an_author_keeps_to_a_word() -> None:
    words, choose = vocabulary("en"), Chooser(stream(0, "test"))
    pantry = Meaning(SUBJECTS.index("pantry"))
    repeated = 0
    for _ in range(200):
        author = Author(words, choose)
        repeated += author.phrase(pantry) == author.phrase(pantry)
    assert repeated > 160


def test_captions_say_what_can_be_seen_only() -> None:
    choose = Chooser(stream(0, "test"))
    seen = {caption(meaning("salad", "vegan", "budget"), choose) for _ in range(50)}
    assert all("vegan" not in text and "budget" not in text for text in seen)
    dress = caption(Meaning(SUBJECTS.index("dress"), NONE, DETAILS.index("terracotta")), choose)
    assert "a long orange brown dress" in dress
