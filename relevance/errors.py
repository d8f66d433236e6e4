"""Every error a user can mend, in one tree.

```
GradewiseError             exit code 1: one line on stderr, no traceback
├── InputError             a file or a value is not what the table's contract says
│   └── TableError         ... with the place: file, line, column, value
├── MissingInputError      a file or table is not there; names the command that makes it
├── MissingExtraError      an optional dependency is not installed; names the install line
├── SettingsError          gradewise.toml, a flag or an environment variable is wrong
├── ModelError             weights or a model folder are missing, damaged or of another kind
└── ServerError            Label Studio is unreachable, too old or refuses
```

A message has four parts: what is wrong, where, what was found, and the way out.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable
from pathlib import Path


class GradewiseError(Exception):
    """Something the user can mend; the command line prints it as one line and exits with 1."""


class InputError(GradewiseError):
    """A file or a value is not what its contract says."""


class TableError(InputError):
    """A cell, row or file of a table is wrong.

    Args:
        subject: What is wrong and what was expected, such as `"grade must be 1-5"`.
        path: File that holds it.
        line: 1-based line of the file (CSV, TSV, JSONL, TREC) or row (Parquet); None for the file.
        column: Name of the column, if one is to blame.
        value: What was found, if anything.
        way_out: What the user can do.
    """

    def __init__(
        self,
        subject: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        column: str | None = None,
        value: object = None,
        way_out: str = "",
    ) -> None:
        self.subject = subject
        self.path = None if path is None else str(path)
        self.line = line
        self.column = column
        self.value = value
        self.way_out = way_out
        super().__init__(self._message())

    def _message(self) -> str:
        place = self.path or "table"
        if self.line is not None:
            place += f" line {self.line}"
        if self.column is not None:
            place += f", column {self.column}"
        got = "" if self.value is None else f", got {_shorten(self.value)}"
        way_out = f" {self.way_out}" if self.way_out else ""
        return f"{place}: {self.subject}{got}.{way_out}"


class MissingInputError(GradewiseError):
    """A file or table is not there.

    Args:
        path: What was looked for.
        made_by: The command that makes it.
    """

    def __init__(self, path: str | Path, made_by: str) -> None:
        super().__init__(f"{path} not found. It is made by: {made_by}")


class MissingExtraError(GradewiseError):
    """An optional dependency is not installed.

    Args:
        package: Import name that is missing.
        extra: Extra of the distribution that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed. Install it with: "
            f"pip install -c constraints.txt 'gradewise[{extra}]'"
        )


class SettingsError(GradewiseError):
    """A setting, flag or environment variable is wrong."""


class ModelError(GradewiseError):
    """Model weights or a model folder are missing, damaged or of another kind."""


class ServerError(GradewiseError):
    """Label Studio is unreachable, too old or refuses."""


def require_extra(package: str, extra: str) -> None:
    """Raises `MissingExtraError` unless `package` can be imported (it is not imported)."""
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(package, extra)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Names the nearest known word: `" Did you mean 'country'?"`, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _shorten(value: object, width: int = 60) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text if isinstance(value, (int, float)) else repr(text)
    return text if len(text) <= width else text[: width - 1] + "…"
