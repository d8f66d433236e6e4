from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from relevance.errors import InputError
from relevance.world import World, image_of, write_images
from relevance.world.attributes import (
    DETAILS,
    INTEREST_OF,
    INTERESTS,
    OCCASIONS,
    STYLES,
    SUBJECTS,
    details_of,
)
from relevance.world.images import draw
from relevance.world.phrases import Meaning

SVG = "{http://www.w3.org/2000/svg}"


def meaning(subject: str, style: int = 0, detail: int = 0, occasion: int = 0) -> Meaning:
    code = SUBJECTS.index(subject)
    interest = INTERESTS[INTEREST_OF[code]]
    return Meaning(
        code,
        STYLES.index(interest.styles[style]),
        DETAILS.index(details_of(subject)[detail]),
        OCCASIONS.index(interest.occasions[occasion]),
    )


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_is_drawn_by_shapes_alone_and_small(subject: str) -> None:
    interest = INTERESTS[INTEREST_OF[SUBJECTS.index(subject)]]
    for style in range(len(interest.styles)):
        for occasion in range(len(interest.occasions)):
            svg = draw(meaning(subject, style, 0, occasion), "pin-00001")
            assert len(svg.encode()) < 2304
            root = ET.fromstring(svg)
            assert (root.get("width"), root.get("height")) == ("320", "400")
            assert {element.tag for element in root.iter()} <= {
                SVG + tag for tag in ("svg", "g", "rect", "circle", "ellipse", "path")
            }
            assert len(list(root.iter())) >= 7


def test_subject_style_colour_and_occasion_can_all_be_seen() -> None:
    plain = draw(meaning("living_room"), "pin-1")
    assert draw(meaning("living_room", style=1), "pin-1") != plain
    assert draw(meaning("living_room", detail=1), "pin-1") != plain
    assert draw(meaning("living_room", occasion=1), "pin-1") != plain
    drawings = {draw(meaning(subject), "pin-1") for subject in SUBJECTS}
    assert len(drawings) == len(SUBJECTS)


def test_pins_of_one_meaning_do_not_all_look_the_same() -> None:
    assert len({draw(meaning("cookies"), f"pin-{i}") for i in range(20)}) > 10


def test_pictures_are_written_for_every_pin(small: World, tmp_path: Path) -> None:
    assert write_images(small, tmp_path / "images") == small.pins.height
    for pin_id, image in small.pins.select("pin_id", "image").iter_rows():
        assert (tmp_path / image).read_bytes() == image_of(small, pin_id)


def test_an_unknown_pin_has_no_picture(small: World) -> None:
    with pytest.raises(InputError, match="'pin-99999'"):
        image_of(small, "pin-99999")
