from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.world.attributes import DETAILS, GROUP_OF, INTEREST_OF, OCCASIONS, STYLES, SUBJECTS
from relevance.world.grading import true_grades


def code(subject: str, style: str = "", detail: str = "", occasion: str = "") -> list[int]:
    return [
        SUBJECTS.index(subject),
        STYLES.index(style) if style else -1,
        DETAILS.index(detail) if detail else -1,
        OCCASIONS.index(occasion) if occasion else -1,
    ]


def grade(query: list[int], pin: list[int]) -> int:
    return int(true_grades(np.array(query), np.array(pin)))


BOHO = code("living_room", "boho")
BOHO_GREEN = code("living_room", "boho", "sage_green")
BOHO_CHRISTMAS = code("living_room", "boho", "", "christmas")


@pytest.mark.parametrize(
    ("query", "pin", "expected"),
    [
        (BOHO, code("living_room", "boho", "beige"), 5),
        (BOHO, code("living_room", "boho", "beige", "budget"), 5),
        (code("salad"), code("salad", "vegan", "avocado"), 5),
        (BOHO, code("living_room", "boho", "beige", "christmas"), 4),  # nobody asked for Christmas
        (BOHO_GREEN, code("living_room", "boho", "beige"), 4),
        (BOHO, code("living_room", "rustic", "beige"), 4),  # near style
        (BOHO, code("living_room", "modern", "beige"), 3),  # wrong style
        (BOHO_CHRISTMAS, code("living_room", "boho", "beige"), 4),
        (BOHO_CHRISTMAS, code("living_room", "modern", "beige", "christmas"), 3),
        (BOHO_CHRISTMAS, code("living_room", "modern", "beige"), 2),
        (BOHO_GREEN, code("living_room", "rustic", "white"), 3),
        (BOHO, code("rug", "boho", "beige"), 3),  # related subject, right style
        (BOHO, code("rug", "modern", "beige"), 2),
        (BOHO, code("kitchen", "boho", "beige"), 2),  # same interest only
        (BOHO, code("balcony", "boho", "beige"), 1),
        (BOHO_CHRISTMAS, code("cookies", "vegan", "lemon", "christmas"), 2),
        (BOHO_CHRISTMAS, code("cookies", "vegan", "lemon", "halloween"), 1),
        (code("nails", "", "", "wedding"), code("nails", "boho", "pink"), 3),
        (code("nails", "", "", "wedding"), code("nails", "boho", "pink", "wedding"), 5),
        (code("nails", "", "pink"), code("nails", "boho", "navy"), 3),
        (code("nails", "", "black"), code("nails", "boho", "navy"), 4),
    ],
)
def test_the_rule_on_examples(query: list[int], pin: list[int], expected: int) -> None:
    assert grade(query, pin) == expected


meanings = st.tuples(
    st.integers(0, len(SUBJECTS) - 1),
    st.integers(-1, len(STYLES) - 1),
    st.integers(-1, len(DETAILS) - 1),
    st.integers(-1, len(OCCASIONS) - 1),
)


@given(query=meanings, pin=meanings)
def test_grades_keep_to_the_levels(
    query: tuple[int, int, int, int], pin: tuple[int, int, int, int]
) -> None:
    result = grade(list(query), list(pin))
    assert 1 <= result <= 5
    if query[0] == pin[0]:
        assert result >= 2
    elif GROUP_OF[query[0]] == GROUP_OF[pin[0]]:
        assert result in (2, 3)
    elif INTEREST_OF[query[0]] == INTEREST_OF[pin[0]]:
        assert result == 2
    else:
        assert result <= 2


@given(query=meanings)
def test_what_is_exactly_as_asked_is_perfect(query: tuple[int, int, int, int]) -> None:
    assert grade(list(query), list(query)) == 5


def test_arrays_of_queries_and_pins_broadcast() -> None:
    pins = np.array([code("living_room", "boho"), code("rug", "modern")])
    assert true_grades(np.array([BOHO])[:, None], pins[None]).tolist() == [[5, 2]]
