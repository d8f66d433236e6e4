from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.captions import KINDS, perturb
from relevance.errors import InputError


def pins(number: int = 40) -> pl.DataFrame:
    languages = ["en", "fr", "ja"]
    return pl.DataFrame(
        {
            "pin_id": [f"p{place}" for place in range(number)],
            "title": [f"{languages[place % 3]} title {place}" for place in range(number)],
            "image_caption": [
                None if place % 10 == 9 else f"caption {place}" for place in range(number)
            ],
            "language": [languages[place % 3] for place in range(number)],
            "likes": range(number),
        }
    )


def changed(before: pl.DataFrame, after: pl.DataFrame) -> set[str]:
    same = before["image_caption"].eq_missing(after["image_caption"])
    return set(before.filter(~same)["pin_id"])


@pytest.mark.parametrize("kind", KINDS)
@given(share=st.floats(0, 1), seed=st.integers(0, 99))
def test_only_a_share_of_the_captions_is_changed(kind: str, share: float, seed: int) -> None:
    before = pins()
    after = perturb(before, kind=kind, share=share, seed=seed)  # type: ignore[arg-type]
    assert after.drop("image_caption").equals(before.drop("image_caption"))
    assert after.columns == before.columns
    assert len(changed(before, after)) == round(share * 36)
    assert after.equals(perturb(before, kind=kind, share=share, seed=seed))  # type: ignore[arg-type]
    empty = before["image_caption"].is_null()
    assert after.filter(empty)["image_caption"].null_count() == 4


def test_a_larger_share_changes_the_same_and_more() -> None:
    before = pins()
    some, more = (changed(before, perturb(before, kind="drop", share=s)) for s in (0.25, 0.5))
    assert some < more
    assert changed(before, perturb(before, kind="drop", share=0.25, seed=1)) != some


def test_shuffled_captions_are_other_pins_own() -> None:
    before = pins()
    after = perturb(before, kind="shuffle", share=1)
    assert sorted(after["image_caption"].drop_nulls()) == sorted(
        before["image_caption"].drop_nulls()
    )
    alone = perturb(before, kind="shuffle", share=1 / 36)  # nobody to change places with
    assert len(changed(before, alone)) == 1
    twins = before.with_columns(image_caption=pl.lit("the same"))
    assert perturb(twins, kind="shuffle", share=1).equals(twins)


def test_a_caption_in_another_language_is_another_pins_words() -> None:
    before = pins()
    after = perturb(before, kind="language", share=1)
    for old, new in zip(before.to_dicts(), after.to_dicts(), strict=True):
        if old["image_caption"]:
            assert new["image_caption"][:2] in {"en", "fr", "ja"} - {old["language"]}


def test_a_translator_keeps_the_content() -> None:
    before = pins().drop("language")
    after = perturb(
        before,
        kind="language",
        share=1,
        languages=["en"] * 20 + ["fr"] * 20,
        translate=lambda caption, language: f"{language}:{caption}",
    )
    assert after["image_caption"][0] == "fr:caption 0"
    assert after["image_caption"][30] == "en:caption 30"


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (pins(), {"kind": "shufle"}, "no caption error is called 'shufle'. Did you mean 'shuffle'"),
        (pins(), {"kind": "drop", "share": 1.5}, "must be 0-1, got 1.5"),
        (pins().drop("image_caption"), {"kind": "drop"}, "no Pin has a caption to change"),
        (pins().drop("language"), {"kind": "language"}, "need each Pin's language"),
        (pins(), {"kind": "language", "languages": ["en"]}, "one a Pin"),
        (pins(), {"kind": "language", "languages": ["en"] * 40}, "two languages, found: en"),
        (pins().drop("title"), {"kind": "language"}, "only one language have a title"),
    ],
)
def test_what_cannot_be_done_is_told(
    frame: pl.DataFrame, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        perturb(frame, **{"share": 0.5, **options})  # type: ignore[arg-type]


def test_captions_are_light_to_import() -> None:
    code = (
        "import sys, relevance.captions\n"
        "print({'torch', 'transformers', 'PIL'} & {name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
