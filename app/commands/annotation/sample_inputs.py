"""What `gradewise annotation sample` reads: options of several values, and the tables named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relevance.errors import InputError, MissingInputError, SettingsError

if TYPE_CHECKING:
    import polars as pl

    from relevance.workspace import Workspace

MINUTES = 300.0
"""Minutes of people's time a country, where a design is given and no amount: the default budget."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """`300`, or `US=300,FR=120`.

    Attributes:
        each: The number for everything that is not named; None = nothing.
        named: Numbers by name.
    """

    each: float | None
    named: Mapping[str, float]


def numbers(option: str, text: str, *, whole: bool = True) -> Numbers:
    """The value of an option that is a number, `NAME=NUMBER` with commas, or both.

    Raises:
        SettingsError: It is not, a number is not above 0, or a name stands there twice.
    """
    each: float | None = None
    named: dict[str, float] = {}
    for part in text.split(","):
        name, equals, amount = part.rpartition("=")
        name = name.strip()
        try:
            number = float(amount)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0) or (whole and number != int(number)):
            kind = "a whole number" if whole else "a number"
            raise SettingsError(
                f"--{option} must be {kind} above 0, or NAME={kind} with commas, got {text!r}. "
                f"Write it like --{option} 30 or --{option} US=30,FR=12"
            )
        if name in named or (not equals and each is not None):
            raise SettingsError(f"--{option} has {name or 'a number for all'} twice: {text!r}")
        if equals:
            named[name] = number
        else:
            each = number
    return Numbers(each, named)


def share(option: str, text: str) -> float:
    """`5%` or `0.05` as a share; 0 … below 1.

    Raises:
        SettingsError: It is none.
    """
    percent = text.strip().endswith("%")
    try:
        number = float(text.strip().rstrip("%")) / (100 if percent else 1)
    except ValueError:
        number = math.nan
    if not 0 <= number < 1:
        raise SettingsError(
            f"--{option} must be a share below 1, got {text!r}. Write it like --{option} 5%"
        )
    return number


def gold_wanted(text: str | None) -> tuple[float, int]:
    """`5%` → (0.05, 0); `20` → (0, 20); None → (0, 0)."""
    if text is None:
        return 0.0, 0
    if text.strip().isdigit():
        return 0.0, int(text)
    return share("gold", text), 0


def overlap_file(text: str) -> tuple[float | None, dict[str, float]]:
    """`--overlap`: a number, NAME=NUMBER with commas, or a CSV file of stratum and overlap.

    Raises:
        SettingsError: It is neither.
        InputError: The file lacks a column.
    """
    import polars as pl

    path = Path(text)
    if not path.suffix:
        found = numbers("overlap", text)
        return found.each, dict(found.named)
    if not path.is_file():
        raise MissingInputError(path, "an editor (columns stratum, overlap)")
    rows = pl.read_csv(path, schema_overrides={"stratum": pl.String})
    if not {"stratum", "overlap"} <= set(rows.columns) or not rows["overlap"].dtype.is_integer():
        raise InputError(
            f"{path} has no columns stratum and overlap, a whole number, but "
            f"{', '.join(rows.columns)}. Name them so"
        )
    return None, {s: float(n) for s, n in rows.select("stratum", "overlap").iter_rows()}


def table(space: Workspace, name: str, kind: str) -> pl.DataFrame:
    """A table by the name of its file, or by its name in the workspace (`qrels`, `teacher`)."""
    from relevance.tables import read_table

    path = file_of(space, name, kind)
    if path.is_file():
        return read_table(path, kind)
    made_by = {
        "predictions": "gradewise teacher label",
        "qrels": "gradewise annotation adjudicate",
        "judgments": "gradewise annotation pull",
        "runs": "gradewise student score",
        "pairs": "gradewise evaluation compare --unjudged",
    }
    raise MissingInputError(path, made_by.get(kind, "gradewise data import"))


def file_of(space: Workspace, name: str, kind: str) -> Path:
    """The file that a table is in, whether it is there or not."""
    if Path(name).is_file() or Path(name).suffix:
        return Path(name)
    own = name if name == kind or name.startswith(f"{kind}-") else f"{kind}-{name}"
    return space.path(own)


def judged_pairs(space: Workspace, names: list[str]) -> pl.DataFrame | None:
    """query_id and pin_id of all pairs in the qrels or judgments named; None without a name."""
    import polars as pl

    if not names:
        return None
    frames = []
    for name in names:
        path = Path(name) if Path(name).suffix else space.path(name)
        if not path.is_file():
            raise MissingInputError(path, "gradewise annotation pull, or adjudicate")
        frames.append(_keys_of(path))
    return pl.concat(frames).unique()


def _keys_of(path: Path) -> pl.DataFrame:
    """The graded pairs of a file of judgments or, without annotators, of qrels."""
    import polars as pl

    from relevance.tables import read_table

    try:
        rows = read_table(path, "judgments")
    except InputError as error:
        if "annotator" not in str(error):
            raise
        rows = read_table(path, "qrels")
    return rows.filter(pl.col("grade").is_not_null()).select("query_id", "pin_id").unique()
