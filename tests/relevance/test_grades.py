"""The scale, its gains, and scales from settings."""

from __future__ import annotations

import numpy as np
import pytest

from relevance.errors import InputError
from relevance.grades import ESCI, FIVE, GAINS, GRADES, SCALES, TREC, GradeScale, scale_from


def gains(scale: GradeScale, name: str | None, *grades: float) -> list[float]:
    return scale.gains(np.array(grades), name).tolist()


def test_five_grades_worst_first() -> None:
    assert [grade.number for grade in GRADES] == [1, 2, 3, 4, 5]
    assert FIVE.names[0] == "Highly irrelevant"
    assert FIVE.names[-1] == "Highly relevant"
    assert all(grade.guideline.endswith(".") for grade in GRADES)


@pytest.mark.parametrize(
    ("scale", "name", "expected"),
    [
        (FIVE, None, [0, 1, 2, 3, 4]),
        (FIVE, "exp", [0, 1, 3, 7, 15]),
        (FIVE, "raw", [1, 2, 3, 4, 5]),
        (TREC, None, [1, 2, 3, 4, 5]),
        (TREC, "exp", [1, 3, 7, 15, 31]),
    ],
)
def test_gains(scale: GradeScale, name: str | None, expected: list[float]) -> None:
    assert gains(scale, name, 1, 2, 3, 4, 5) == expected


def test_negative_grades_gain_nothing() -> None:
    for name in GAINS:
        assert gains(TREC, name, -2, -1) == [0, 0]
    assert gains(TREC, None, 0) == [0]


def test_esci_gains() -> None:
    assert gains(ESCI, None, 1, 2, 4, 5) == [0, 1, 2, 3]


def test_a_gain_that_is_unknown() -> None:
    with pytest.raises(InputError, match=r"gain 'lineer' is unknown\. Did you mean 'linear'"):
        gains(FIVE, "lineer", 1)


def test_allowed_grades_in_words() -> None:
    assert (FIVE.describe(), TREC.describe()) == ("1-5", "any integer")
    assert ESCI.describe() == "one of 1, 2, 4, 5"
    assert [FIVE.allows(grade) for grade in (0, 1, 5, 6)] == [False, True, True, False]
    assert TREC.allows(-7)
    assert not ESCI.allows(3)


def test_top() -> None:
    assert (FIVE.top, ESCI.top) == (5, 5)
    with pytest.raises(InputError, match=r"scale 'trec' has no top grade.*--scale FILE"):
        _ = TREC.top


def test_scales_by_name() -> None:
    assert list(SCALES) == ["five", "trec", "esci"]
    assert (TREC.empty, FIVE.empty) == ("zero", "undefined")


def test_scale_from_settings() -> None:
    scale = scale_from({"levels": [3, 0, 1, 2]})
    assert (scale.levels, scale.gain, scale.exp_gain, scale.relevant_from) == (
        (0, 1, 2, 3),
        "raw",
        "raw_exp",
        2,
    )
    assert scale_from({"levels": [1, 2, 3, 4]}).gain == "linear"
    assert scale_from({"levels": [0, 1]}).relevant_from == 1
    named = scale_from({"levels": [0, 1], "name": "binary", "names": ["no", "yes"]})
    assert (named.name, named.names) == ("binary", ("no", "yes"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": [1, 2]}, "scale setting 'level' is unknown. Did you mean 'levels'"),
        ({"names": ["a"]}, "a scale file needs levels"),
        ({"levels": [0, 1], "gain": "cubic"}, "gain 'cubic' is unknown. Use one of linear"),
    ],
)
def test_broken_scale_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scale_from(settings)
