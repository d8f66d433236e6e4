"""The columns of a file of moments: their types however they are written, and what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from evaluation.moments import PRODUCTS, VARIABLES
from evaluation.outcomes import Outcome
from relevance.casts import cast
from relevance.errors import TableError, did_you_mean

MADE_BY = "gradewise experiment sql, or gradewise experiment analyze --save-moments FILE"

COUNTS = (
    "users",
    "sessions",
    "with_pre_period",
    "several_groups",
    "no_variant",
    "outside",
    "rows",
)
"""Whole numbers of every cell."""

_NULLS = ("", "\\N", "NULL")
"""What exports write for null; a blank name is none either."""


def group_columns(by: Sequence[str]) -> tuple[str, ...]:
    """Columns of the groups in the cells: `group_0`, `group_1`, …."""
    return tuple(f"group_{i}" for i in range(len(by)))


def key_columns(by: Sequence[str]) -> list[str]:
    """Columns that tell cells apart."""
    return ["variant", *group_columns(by), "day", "contaminated"]


def typed_cells(
    raw: pl.DataFrame,
    outcomes: Sequence[Outcome],
    by: Sequence[str],
    path: Path,
    first_line: int,
) -> pl.DataFrame:
    """The columns of `SessionMoments.cells`, in their order and types.

    Args:
        raw: Cells of text or of any type.
        outcomes: What `o0_…`, `o1_…`, … are.
        by: What `group_0`, `group_1`, … are.
        path: Named in errors.
        first_line: Line of the file that the first row stands on.

    Raises:
        TableError: A column is missing, or a value is not of its type.
    """
    kinds = _kinds(outcomes, by)
    absent = [name for name in kinds if name not in raw.columns]
    if absent:
        near = did_you_mean(absent[0], raw.columns)
        more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
        raise TableError(
            f"column {absent[0]!r}{more} is missing",
            path=path,
            way_out=f"There are {', '.join(raw.columns[:12])}, ….{near} Made by: {MADE_BY}",
        )
    return pl.DataFrame(
        [_column(raw[name], kind, path, first_line) for name, kind in kinds.items()]
    )


def _kinds(outcomes: Sequence[Outcome], by: Sequence[str]) -> dict[str, str]:
    """Column → what it holds, in order."""
    kinds: dict[str, str] = {"variant": "text"}
    kinds |= dict.fromkeys(group_columns(by), "text")
    kinds |= {"day": "day", "contaminated": "flag"} | dict.fromkeys(COUNTS, "integer")
    for i in range(len(outcomes)):
        kinds |= dict.fromkeys(_sums(i), "number")
        kinds |= {f"o{i}_missing": "integer", f"o{i}_low": "bound", f"o{i}_high": "bound"}
    return kinds


_POSSIBLE = {
    "integer": "a whole number",
    "number": "a number",
    "bound": "a number",
    "day": "a day such as 2025-03-11",
    "flag": "true or false",
}
_MAY_BE_NULL = ("text", "day", "bound")


def _column(raw: pl.Series, kind: str, path: Path, first_line: int) -> pl.Series:
    if raw.dtype == pl.String:
        blank = raw.str.strip_chars().is_in(_NULLS)
        raw = raw.set(blank.fill_null(value=False), None)
    if raw.dtype.is_decimal():
        raw = raw.cast(pl.Float64)
    if kind == "flag":
        values, bad = _flags(raw)
    elif kind == "day":
        values, bad = cast(raw, "time")
        values = values.dt.date()
    else:
        values, bad = cast(raw, "number" if kind == "bound" else kind)
    wrong = bad if kind in _MAY_BE_NULL else values.is_null()
    if wrong.any():
        at = int(wrong.arg_max() or 0)
        found = raw[at]
        raise TableError(
            f"must be {_POSSIBLE.get(kind, 'text')}",
            path=path,
            line=at + first_line,
            column=raw.name,
            value="empty" if found is None else str(found),
            way_out=f"Export it again; it is made by: {MADE_BY}",
        )
    return values


def _flags(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Truth values as engines write them, and a mask of what is none."""
    if raw.dtype == pl.Boolean:
        return raw, pl.repeat(value=False, n=len(raw), dtype=pl.Boolean, eager=True)
    text = raw.cast(pl.String).str.strip_chars().str.to_lowercase()
    words = {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}
    words |= {"1.0": True, "0.0": False}
    values = text.replace_strict(words, default=None, return_dtype=pl.Boolean)
    return values.alias(raw.name), values.is_null() & raw.is_not_null()


def check_values(
    cells: pl.DataFrame, outcomes: Sequence[Outcome], by: Sequence[str], path: Path
) -> None:
    """Raises where sums cannot be those of any users.

    Raises:
        TableError: A count or a sum of squares is below 0, or too small for its sum.
    """
    for name in (*COUNTS, *(f"o{i}_missing" for i in range(len(outcomes)))):
        _refuse(cells, cells[name] < 0, name, "cannot be below 0", path)
    # By day they may fall (looks book increments); over all days they cannot.
    keys = [name for name in key_columns(by) if name != "day"]
    sums = ["users", *(name for i in range(len(outcomes)) for name in _sums(i))]
    totals = cells.group_by(keys, maintain_order=True).agg(pl.col(sums).sum())
    for i in range(len(outcomes)):
        for variable in VARIABLES:
            name = f"o{i}_{variable}_{variable}"
            square, total, users = totals[name], totals[f"o{i}_{variable}"], totals["users"]
            _refuse(totals, square < 0, name, "a sum of squares cannot be below 0", path)
            least = total.pow(2) / users.cast(pl.Float64)
            short = (square < least * (1 - 1e-9)) & (users > 0)
            what = f"below (sum of o{i}_{variable})² / users: these are sums of no users"
            _refuse(totals, short, name, what, path)


def _refuse(cells: pl.DataFrame, wrong: pl.Series, name: str, what: str, path: Path) -> None:
    if not wrong.fill_null(value=False).any():
        return
    row = cells.row(int(wrong.arg_max() or 0), named=True)
    where = ", ".join(str(row[key]) for key in row if key in ("variant", "group_0", "day"))
    raise TableError(
        f"{what} (cell {where})",
        path=path,
        column=name,
        value=row[name],
        way_out=f"It is made by: {MADE_BY}",
    )


def _sums(i: int) -> list[str]:
    """Columns of an outcome's sums and sums of products."""
    return [f"o{i}_{name}" for name in (*VARIABLES, *(f"{a}_{b}" for a, b in PRODUCTS))]
