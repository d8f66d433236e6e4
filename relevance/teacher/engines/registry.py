"""Engines by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from relevance.errors import SettingsError, did_you_mean
from relevance.teacher.engines.base import Engine
from relevance.teacher.engines.bert import fits
from relevance.teacher.engines.packed import PackedEngine
from relevance.teacher.engines.plain import PlainEngine
from relevance.teacher.model import LoadedTeacher
from relevance.training import resolve_precision

Opener = Callable[[LoadedTeacher, str, int | None], Engine]


def _torch(teacher: LoadedTeacher, precision: str, threads: int | None) -> Engine:
    """Without padding where the family allows it, else the teacher's own forward pass."""
    precision = resolve_precision(precision)
    kind = PackedEngine if fits(teacher.model) else PlainEngine
    return kind(teacher, precision=precision, count=threads)


ENGINES: Mapping[str, Opener] = {"torch": _torch}
"""Name → what opens it for a teacher, a precision and a number of threads."""


def open_engine(
    name: str, teacher: LoadedTeacher, *, precision: str = "auto", threads: int | None = None
) -> Engine:
    """The engine of that name for a teacher.

    Args:
        name: Key of `ENGINES`.
        teacher: Trained; it is never changed.
        precision: `"auto"` (what this machine is faster in), `"fp32"` or `"bf16"`.
        threads: Threads; None for every core.

    Raises:
        SettingsError: There is no such engine, or not in this precision.
        MissingExtraError: The engine's library is not installed.
    """
    if name not in ENGINES:
        raise SettingsError(
            f"engine {name!r} is unknown.{did_you_mean(name, ENGINES)} Use {', '.join(ENGINES)}"
        )
    return ENGINES[name](teacher, precision, threads)
