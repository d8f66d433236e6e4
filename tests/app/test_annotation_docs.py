"""What docs/annotation.md says of the command line is there, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from app.commands.annotation import app

TEXT = (Path(__file__).parents[2] / "docs/annotation.md").read_text(encoding="utf-8")
VERBS = get_command(app).commands


def flags(verb: str) -> set[str]:
    return {
        name for option in VERBS[verb].params for name in (*option.opts, *option.secondary_opts)
    }


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_its_place(verb):
    assert re.search(rf"`?(?:annotation )?{verb}\b", TEXT)
    assert f"annotation {verb}" in TEXT or f"`{verb}`" in TEXT


def test_only_verbs_that_exist_are_named():
    assert set(re.findall(r"gradewise annotation (\w+)", TEXT)) <= set(VERBS)


def test_every_flag_that_is_shown_exists():
    shown = re.sub(r"\\\n\s*", " ", TEXT)
    for verb, rest in re.findall(r"gradewise annotation (\w+)([^\n#`]*)", shown):
        for flag in re.findall(r"(?<!\S)(--[\w-]+)", rest):
            assert flag in flags(verb), f"annotation {verb} {flag}"


def test_flags_named_in_the_text_exist_somewhere():
    known = set().union(*(flags(verb) for verb in VERBS)) | {"--sampled", "--pairs", "--drawn"}
    for flag in re.findall(r"`(--[\w-]+)", TEXT):
        assert flag in known, flag


def test_no_placeholder_is_left():
    assert re.findall(r"@[A-Z]+@|TODO|FIXME", TEXT) == []
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target


def test_it_is_no_longer_than_a_chapter():
    assert TEXT.count("\n") <= 350
