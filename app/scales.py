"""`--scale five|trec|esci|FILE.toml`: the grade scale that a data set's grades are on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relevance.errors import InputError, MissingInputError, did_you_mean

if TYPE_CHECKING:  # numpy comes with it
    from relevance.grades import GradeScale

ScaleOption = Annotated[
    str, typer.Option("--scale", help="Scale of the grades: five, trec, esci or a TOML file.")
]


def scale_named(name: str) -> GradeScale:
    """The built-in scale of this name, or the one that a TOML file of this name describes.

    Raises:
        InputError: There is no such scale, or the file is not TOML or not a scale.
        MissingInputError: The TOML file is not there.
    """
    from relevance.grades import SCALES, scale_from

    if name in SCALES:
        return SCALES[name]
    path = Path(name)
    if path.suffix != ".toml":
        near = did_you_mean(name, SCALES)
        raise InputError(f"no scale is called {name!r}.{near} Use {', '.join(SCALES)} or FILE.toml")
    if not path.exists():
        raise MissingInputError(path, "an editor (levels = [0, 1, 2, 3])")
    try:
        return scale_from(tomllib.loads(path.read_text(encoding="utf-8")))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}. Write it as levels = [0, 1, 2]") from None
