"""Feature sets: growing ones, all but one, and equal ones trained once."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.errors import InputError
from relevance.teacher.ablate import (
    STEPS,
    cumulative,
    feature_contenders,
    leave_one_out,
    present_steps,
    read_steps,
)
from relevance.teacher.config import TeacherConfig
from relevance.text import TEXT_FEATURES

NAMES = [feature.name for feature in TEXT_FEATURES]
STEPS_OF = read_steps("title,description,link_title+link_description")


def test_growing_sets_are_compared_with_the_one_before() -> None:
    sets = cumulative(STEPS_OF)
    assert [(each.name, each.against) for each in sets] == [
        ("title", ""),
        ("+ description", "title"),
        ("+ link_title and link_description", "+ description"),
    ]
    assert sets[-1].features == ("title", "description", "link_title", "link_description")


def test_all_but_one_are_compared_with_all() -> None:
    sets = leave_one_out(STEPS_OF)
    assert [each.name for each in sets] == [
        "all", "all - title", "all - description", "all - link_title and link_description",
    ]  # fmt: skip
    assert {each.against for each in sets[1:]} == {"all"}
    assert sets[1].features == ("description", "link_title", "link_description")
    assert leave_one_out(STEPS_OF[:1]) == []


def test_equal_sets_are_trained_once() -> None:
    sets = cumulative(STEPS_OF) + leave_one_out(STEPS_OF)
    found = feature_contenders(sets, TeacherConfig())
    assert len(sets) == 7
    assert len(found) == 5  # all is there twice, and so is all without the last step
    assert {each.folder for each in sets} == {each.name for each in found}
    assert all(each.name == "+".join(each.config.text_features) for each in found[:2])


@given(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_sets_grow_to_all_and_each_step_is_left_out_once(names: list[str]) -> None:
    steps = [(name,) for name in names]
    grown = cumulative(steps)
    assert [len(each.features) for each in grown] == list(range(1, len(names) + 1))
    missing = [set(names) - set(each.features) for each in leave_one_out(steps)[1:]]
    assert missing == ([{name} for name in names] if len(names) > 1 else [])
    folders = {frozenset(each.features): each.folder for each in grown + leave_one_out(steps)}
    assert len(set(folders.values())) == len(folders)


def test_features_without_any_text_are_left_out() -> None:
    pins = pl.DataFrame(
        {"pin_id": ["a", "b"], "title": ["desk", None], "description": ["", "  "]},
        schema_overrides={"description": pl.String},
    )
    steps, absent = present_steps(STEPS_OF, pins)
    assert steps == [("title",)]
    assert absent == ["description", "link_title", "link_description"]
    with pytest.raises(InputError, match="no Pin has any of description"):
        present_steps([("description",)], pins)


def test_a_budget_makes_another_set() -> None:
    wide, narrow = (cumulative(read_steps(text))[0] for text in ("title:40", "title:8"))
    assert (wide.features, wide.folder, narrow.folder) == (("title:40",), "title-40", "title-8")
    pins = pl.DataFrame({"pin_id": ["a"], "title": ["desk"]})
    assert present_steps([("title:40", "description:9")], pins) == (
        [("title:40",)], ["description:9"],
    )  # fmt: skip


def test_the_paper_s_steps_name_every_feature_once() -> None:
    assert sorted(name for step in read_steps(",".join(STEPS)) for name in step) == sorted(NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [("titel", "Did you mean 'title'"), ("title,title", "named twice"), ("", "no text feature")],
)
def test_wrong_features(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_steps(text)
