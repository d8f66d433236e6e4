"""One option for each setting of a config dataclass; the class names, types and documents it."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Collection
from typing import Annotated, Any, TypeVar

import typer

Verb = TypeVar("Verb", bound=Callable[..., Any])
_PLAIN = (bool, int, float, str)


def with_options(kind: type, *, leave_out: Collection[str] = ()) -> Callable[[Verb], Verb]:
    """Gives a verb that ends in `**flags` an option for each plain field of a config dataclass.

    A flag that is not given is None, so that `app.settings.configure(kind, section, **flags)`
    takes the environment's, the file's or the default value.

    Args:
        kind: The dataclass; its docstring's section `Attributes` is the help.
        leave_out: Fields that get no option.
    """

    def decorate(verb: Verb) -> Verb:
        hints = typing.get_type_hints(verb, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in inspect.signature(verb).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        taken = {parameter.name for parameter in own} | set(leave_out)
        more = [option for option in _options(kind) if option.name not in taken]
        verb.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
        return verb

    return decorate


def _options(kind: type) -> list[inspect.Parameter]:
    hints, helps = typing.get_type_hints(kind), attribute_texts(kind)
    options = []
    for field in dataclasses.fields(kind):
        plain = [
            one for one in (hints[field.name], *typing.get_args(hints[field.name])) if one in _PLAIN
        ]
        if not plain:
            continue  # lists and tables belong in gradewise.toml
        (wanted,) = plain
        flag = f"--{field.name.replace('_', '-')}"
        spelled = f"{flag}/--no{flag[1:]}" if wanted is bool else flag
        option = typer.Option(spelled, help=_help(helps.get(field.name, ""), field.default))
        options.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[wanted | None, option],
            )
        )
    return options


def _help(text: str, default: object) -> str:
    if default is None or default is dataclasses.MISSING:
        return text
    shown = ("no", "yes")[default] if isinstance(default, bool) else default
    return f"{text} Default: {shown}."


def attribute_texts(kind: type) -> dict[str, str]:
    """Name → text of the entries of a docstring's section `Attributes`, each in one line."""
    _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
