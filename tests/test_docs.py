"""What the documents say is there, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("relevance", "annotation", "evaluation", "app")


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_map_names_every_room(package: str) -> None:
    rooms = [
        path.name
        for path in (ROOT / package).iterdir()
        if path.name not in ("__init__.py", "__pycache__") and path.suffix in ("", ".py")
    ]
    text = _text("CONTRIBUTING.md")
    missing = [name for name in rooms if f"{name}`" not in text and f"{name}/" not in text]
    assert not missing, f"{package}: not in CONTRIBUTING's map: {missing}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/real-data.md"])
def test_no_placeholder_is_left(name: str) -> None:
    assert not re.findall(r"\b[A-Z]+_(?:OUTPUT|DATE)\b|TODO|FIXME", _text(name))


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", _text("README.md")):
        assert (ROOT / target).exists(), target


def test_readme_names_only_commands_that_exist() -> None:
    from typer.testing import CliRunner

    from app.cli import app

    for noun, verb in re.findall(
        r"gradewise (annotation|data|teacher|student|evaluation|experiment|report) (\w+)",
        _text("README.md"),
    ):
        result = CliRunner().invoke(app, [noun, verb, "--help"])
        assert result.exit_code == 0, f"gradewise {noun} {verb}"
