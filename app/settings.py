"""`gradewise.toml`: sections map 1:1 to the frozen config dataclasses beside the functions.

Precedence: flag > environment (`GRADEWISE_TEACHER_EPOCHS=3`) > file > default. A time is an ISO
text or one of TOML's own. In the environment a list has commas, and weights are written
`control=1,treatment=1`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from relevance.errors import SettingsError, did_you_mean

SECTIONS = ("demo", "world", "teacher", "student", "evaluation", "experiment")
Config = TypeVar("Config")


def settings_path() -> Path:
    """The settings file: `GRADEWISE_CONFIG`, else `gradewise.toml` in the current folder."""
    return Path(os.environ.get("GRADEWISE_CONFIG", "gradewise.toml"))


def configure(kind: type[Config], section: str, **flags: Any) -> Config:
    """The configuration of one section.

    Args:
        kind: Frozen dataclass whose fields are the section's keys.
        section: Name of the section.
        **flags: Values from the command line; None means not given.

    Raises:
        SettingsError: An unknown section or key (the nearest is named), or a value of another type.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    path = settings_path()
    values: dict[str, Any] = {}
    for key, value in _file_section(path, section).items():
        if key not in fields:
            raise SettingsError(
                f"{path}: [{section}] has no setting {key!r}.{did_you_mean(key, fields)}"
            )
        values[key] = _checked(value, hints[key], f"{path}: [{section}] {key}")
    for key in fields:
        name = f"GRADEWISE_{section}_{key}".upper()
        if name in os.environ:
            values[key] = _parsed(os.environ[name], hints[key], name)
    values.update({key: value for key, value in flags.items() if value is not None})
    return kind(**values)


def _file_section(path: Path, section: str) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        loaded = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    for name in loaded:
        if name not in SECTIONS:
            raise SettingsError(
                f"{path}: section [{name}] is unknown.{did_you_mean(name, SECTIONS)}"
            )
    found: Mapping[str, Any] = loaded.get(section, {})
    return found


def parsed_time(text: str) -> dt.datetime:
    """The time that a text such as `2025-03-01` or `2025-03-01T08:30:00+01:00` says.

    Raises:
        SettingsError: It is none.
    """
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{text!r} is not a time. Write 2025-03-01 or 2025-03-01T08:30:00"
        ) from None


def parsed_weights(text: str) -> dict[str, float]:
    """The weights that a text such as `control=1,treatment=1` says.

    Raises:
        SettingsError: A part of it is not a name and a finite number.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.rpartition("="))
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not name or not math.isfinite(weight):
            raise SettingsError(f"{part!r} is not NAME=WEIGHT. Write control=1,treatment=1")
        weights[name] = weight
    return weights


def _checked(value: Any, hint: Any, place: str) -> Any:
    """A value of the file as the field wants it."""
    allowed = _allowed(hint)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if tuple in allowed and isinstance(value, list):
        return tuple(_checked(item, _element(hint, tuple), f"{place}[]") for item in value)
    if dict in allowed and isinstance(value, dict):
        inner = _element(hint, Mapping)
        return {key: _checked(item, inner, f"{place}.{key}") for key, item in value.items()}
    if dt.datetime in allowed and isinstance(value, (str, dt.date)):
        return _time(value, place)
    if (isinstance(value, bool) and not allowed & {bool, object}) or not isinstance(
        value, tuple(allowed)
    ):
        names = " or ".join(sorted(kind.__name__ for kind in allowed - {type(None)}))
        raise SettingsError(f"{place} must be {names}, got {value!r}")
    return value


def _time(value: str | dt.date, place: str) -> dt.datetime:
    """A time from a text, or from TOML's time or day (midnight)."""
    if isinstance(value, dt.datetime):
        return value
    try:
        return parsed_time(value if isinstance(value, str) else value.isoformat())
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from None


def _parsed(text: str, hint: Any, place: str) -> Any:
    """A value of the environment as the field wants it."""
    allowed = _allowed(hint)
    try:
        if bool in allowed and text.lower() in ("true", "false", "1", "0"):
            return text.lower() in ("true", "1")
        for kind in (int, float):
            if kind in allowed:
                return kind(text)
    except ValueError:
        raise SettingsError(f"{place} must be a number, got {text!r}") from None
    if dt.datetime in allowed:
        return _time(text, place)
    if dict in allowed:
        try:
            return parsed_weights(text)
        except SettingsError as error:
            raise SettingsError(f"{place}: {error}") from None
    if tuple in allowed and _element(hint, tuple) is str:
        parts = re.split(r",(?![^(]*\))", text)  # a comma in parentheses is part of an outcome
        return tuple(part.strip() for part in parts if part.strip())
    if str not in allowed:
        raise SettingsError(f"{place} cannot be set by the environment; use gradewise.toml")
    return text


def _element(hint: Any, container: type) -> Any:
    """What a container in a hint holds: `str | tuple[int, ...]` → int."""
    for part in (hint, *typing.get_args(hint)):
        origin = typing.get_origin(part)
        if isinstance(origin, type) and issubclass(origin, container):
            held = [each for each in typing.get_args(part) if each is not ...]
            return held[-1] if held else object
    return object


def _allowed(hint: Any) -> set[type]:
    """The plain types that a field accepts: `int | None` → {int, NoneType}."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return set().union(*(_allowed(part) for part in typing.get_args(hint)))
    origin = typing.get_origin(hint) or hint
    if isinstance(origin, type):
        return {dict} if issubclass(origin, Mapping) else {origin}
    return {object}
