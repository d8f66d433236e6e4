"""What each text feature of a Pin is worth to a teacher: sets of them, on the same folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from relevance.errors import InputError
from relevance.teacher.compare import Contender
from relevance.teacher.config import TeacherConfig
from relevance.text import pick_features

STEPS = (
    "title",
    "description",
    "image_caption",
    "board_titles",
    "engaged_queries",
    "link_title+link_description",
)
"""The paper's order; features joined by `+` come and go together."""


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Text features that a teacher reads.

    Attributes:
        name: As the table shows it: `title`, `+ description`, `all`, `all - title`.
        folder: Name of its folder.
        features: Names of the features, some with a budget: `title:40`.
        against: Name of the set that it is compared with; empty for the first.
        design: `cumulative` or `leave-one-out`.
    """

    name: str
    folder: str
    features: tuple[str, ...]
    against: str
    design: str


def read_steps(text: str) -> list[tuple[str, ...]]:
    """The steps that a text such as `title:40,description,link_title+link_description` names.

    Raises:
        InputError: A feature is unknown or there twice, or there is none.
    """
    steps = [tuple(part.strip() for part in step.split("+")) for step in text.split(",") if step]
    names = [name for step in steps for name in step]
    pick_features(names)
    if not steps:
        raise InputError(f"there is no text feature. Name some, such as {','.join(STEPS)}")
    return steps


def present_steps(
    steps: Sequence[tuple[str, ...]], pins: pl.DataFrame
) -> tuple[list[tuple[str, ...]], list[str]]:
    """The steps of which some Pin has a text, and the names of the features that none has.

    Args:
        steps: Features by step.
        pins: The Pins.

    Raises:
        InputError: No Pin has any of them.
    """
    held = {
        entry: (name := entry.partition(":")[0]) in pins.columns
        and bool(pins.select((pl.col(name).str.strip_chars() != "").any()).item())
        for step in steps
        for entry in step
    }
    kept = [tuple(name for name in step if held[name]) for step in steps]
    absent = [name for name, there in held.items() if not there]
    if not any(kept):
        raise InputError(
            f"no Pin has any of {', '.join(absent)}. Give pins with text, or other --features"
        )
    return [step for step in kept if step], absent


def cumulative(steps: Sequence[tuple[str, ...]]) -> list[FeatureSet]:
    """The first step, then one step more each time, each against the one before."""
    sets: list[FeatureSet] = []
    for number in range(1, len(steps) + 1):
        before = sets[-1].name if sets else ""
        name = f"+ {_named(steps[number - 1])}" if sets else _named(steps[0])
        features = tuple(feature for step in steps[:number] for feature in step)
        sets.append(FeatureSet(name, _folder(features), features, before, "cumulative"))
    return sets


def leave_one_out(steps: Sequence[tuple[str, ...]]) -> list[FeatureSet]:
    """All steps, then all but one each time, each against all of them; nothing for one step."""
    if len(steps) < 2:
        return []
    every = tuple(feature for step in steps for feature in step)
    sets = [FeatureSet("all", _folder(every), every, "", "leave-one-out")]
    for left in steps:
        features = tuple(feature for feature in every if feature not in left)
        name = f"all - {_named(left)}"
        sets.append(FeatureSet(name, _folder(features), features, "all", "leave-one-out"))
    return sets


def feature_contenders(sets: Sequence[FeatureSet], config: TeacherConfig) -> list[Contender]:
    """One contender for each different set of features; sets that are equal share one."""
    found = {
        each.folder: Contender(
            each.folder, dataclasses.replace(config, text_features=each.features)
        )
        for each in sets
    }
    return list(found.values())


def _named(step: Sequence[str]) -> str:
    return " and ".join(step)


def _folder(features: Sequence[str]) -> str:
    """The set's features in the registry's order, which is that of the text."""
    own = {entry.partition(":")[0]: entry for entry in features}
    order = [feature.name for feature in pick_features(list(features))]
    return "+".join(own[name].replace(":", "-") for name in order)
