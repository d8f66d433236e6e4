"""Columns of whatever type a file gave, cast to the types that the tables declare."""

from __future__ import annotations

import polars as pl

DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "time": pl.Datetime("us", "UTC"),
    "vector": pl.List(pl.Float32()),
}
"""What a declared column of each type is read as; typed vectors keep their own type."""


def cast(raw: pl.Series, kind: str) -> tuple[pl.Series, pl.Series]:
    """A column as its declared type, and a mask of the cells that are not of it.

    Args:
        raw: Cells of any type.
        kind: text, integer, number, time or vector.

    Returns:
        Values in the type of `DTYPES` (null where empty or bad) and a boolean mask of bad cells.
    """
    if raw.dtype.is_float() and kind != "vector":
        raw = raw.fill_nan(None)
    if raw.dtype in (pl.Categorical, pl.Enum):
        raw = raw.cast(pl.String)
    if raw.dtype == pl.String and kind != "text":
        raw = _blank_to_null(raw)
    values = _CASTS[kind](raw)
    return values, (values.is_null() & raw.is_not_null()).fill_null(value=False)


def infer(raw: pl.Series) -> pl.Series:
    """Cells of text as whole numbers, numbers or booleans if all of them are; else as they are.

    Numbers with leading zeros stay text: they are ids.
    """
    filled = raw.drop_nulls()
    if not len(filled) or raw.dtype != pl.String:
        return raw
    if filled.str.contains(r"^-?(0|[1-9]\d{0,17})$").all():
        return raw.cast(pl.Int64)
    if filled.str.contains(r"^-?(0|[1-9]\d*)?(\.\d+)?([eE][-+]?\d+)?$").all():
        numbers = raw.cast(pl.Float64, strict=False)
        return numbers if numbers.null_count() == raw.null_count() else raw
    if filled.is_in(["true", "false"]).all():
        return raw == "true"
    return raw


def _blank_to_null(raw: pl.Series) -> pl.Series:
    stripped = raw.str.strip_chars()
    return stripped.set(stripped == "", None)


def _to_text(raw: pl.Series) -> pl.Series:
    if raw.dtype == pl.String:
        return raw
    if raw.dtype.is_float() and (raw.drop_nulls() == raw.drop_nulls().floor()).all():
        return raw.cast(pl.Int64, strict=False).cast(pl.String)  # ids that pandas made floats
    if raw.dtype.is_nested() or raw.dtype in (pl.Binary, pl.Object):
        return _nothing(raw, pl.String())
    return raw.cast(pl.String, strict=False)


def _to_integer(raw: pl.Series) -> pl.Series:
    if raw.dtype.is_integer() or raw.dtype == pl.Null:
        return raw.cast(pl.Int64, strict=False)
    if raw.dtype != pl.String and not raw.dtype.is_float():
        return _nothing(raw, pl.Int64())
    direct = raw.cast(pl.Int64, strict=False) if raw.dtype == pl.String else None
    if direct is not None and direct.null_count() == raw.null_count():
        return direct
    numbers = raw.cast(pl.Float64, strict=False)
    whole = (numbers == numbers.floor()) & (numbers.abs() < 2**53)
    cast_whole = numbers.set(~whole.fill_null(value=False), None).cast(pl.Int64, strict=False)
    return (
        cast_whole
        if direct is None
        else direct.fill_null(0).zip_with(direct.is_not_null(), cast_whole)
    )


def _to_number(raw: pl.Series) -> pl.Series:
    if raw.dtype == pl.String:
        numbers = raw.cast(pl.Float64, strict=False)
        if numbers.null_count() > raw.null_count():
            lower = raw.str.to_lowercase()
            numbers = numbers.set(lower == "true", 1.0).set(lower == "false", 0.0)
    elif raw.dtype.is_numeric() or raw.dtype in (pl.Boolean, pl.Null):
        numbers = raw.cast(pl.Float64)
    else:
        return _nothing(raw, pl.Float64())
    return numbers if numbers.is_finite().all() else numbers.set(~numbers.is_finite(), None)


def _to_time(raw: pl.Series) -> pl.Series:
    dtype = pl.Datetime("us", "UTC")
    if isinstance(raw.dtype, pl.Datetime):
        naive = raw if raw.dtype.time_zone is None else raw.dt.convert_time_zone("UTC")
        stamped = naive.dt.replace_time_zone("UTC") if raw.dtype.time_zone is None else naive
        return stamped.cast(dtype)
    if raw.dtype in (pl.Date, pl.Null):
        return raw.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if raw.dtype != pl.String:
        return _nothing(raw, dtype)
    text = (
        raw.str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00")
        .str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
        .str.replace(r"T(\d\d:\d\d)([zZ+-]|$)", "T${1}:00${2}")
        .str.replace(r" ?(Z|z|UTC)$", "+00:00")
        .str.replace(r"T(\S*?\d) ?([+-]\d\d):?(\d\d)?$", "T${1}${2}:${3}")
        .str.replace(r"([+-]\d\d):$", "${1}:00")
    )
    aware = text.str.contains(r"T.*[+-]\d\d:\d\d$").fill_null(value=False)
    text = text.zip_with(aware, text + "+00:00")
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", strict=False, time_unit="us").cast(dtype)


def _to_vector(raw: pl.Series) -> pl.Series:
    if isinstance(raw.dtype, pl.Array | pl.List) and raw.dtype.inner.is_numeric():
        lists = raw.arr.to_list() if isinstance(raw.dtype, pl.Array) else raw
        broken = lists.list.eval(~pl.element().is_finite().fill_null(value=False)).list.any()
        return raw if not broken.any() else lists.set(broken.fill_null(value=False), None)
    if raw.dtype == pl.Null:
        return raw.cast(DTYPES["vector"])
    if raw.dtype != pl.String:
        return _nothing(raw, DTYPES["vector"])
    number = r"\s*-?\d+(\.\d+)?([eE][-+]?\d+)?\s*"
    whole = raw.str.contains(rf"^\[{number}(,{number})*\]$").fill_null(value=False)
    return raw.set(~whole, None).str.json_decode(pl.List(pl.Float64)).cast(DTYPES["vector"])


def _nothing(raw: pl.Series, dtype: pl.DataType) -> pl.Series:
    return pl.Series(raw.name, [None], dtype=dtype).new_from_index(0, len(raw))


_CASTS = {
    "text": _to_text,
    "integer": _to_integer,
    "number": _to_number,
    "time": _to_time,
    "vector": _to_vector,
}
