"""Results that a command printed or saved: JSON, CSV or Parquet, told apart by their content."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relevance.errors import InputError, MissingInputError
from relevance.results import Results, results_from

if TYPE_CHECKING:
    import polars as pl


def read_results(path: Path, made_by: str) -> Results:
    """The rows of the long table in a file.

    Args:
        path: What `--format json`, `--format csv` or a workspace's Parquet holds.
        made_by: The command that makes it.

    Raises:
        MissingInputError: It is not there.
        InputError: It is no long table.
    """
    import polars as pl

    if not path.is_file():
        raise MissingInputError(path, made_by)
    try:
        return results_from(_dicts(path.read_bytes()))
    except (KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        why = (str(error).splitlines() or ["?"])[0].strip("'\"")
        raise InputError(
            f"{path}: these are no results ({why}). They are made by: {made_by}"
        ) from None


def _dicts(data: bytes) -> list[dict[str, Any]]:
    import polars as pl

    if data.startswith(b"PAR1"):
        return pl.read_parquet(io.BytesIO(data)).to_dicts()
    if data.lstrip()[:1] in (b"[", b"{"):
        rows = json.loads(data)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("not a JSON array of rows")
        return rows
    return _typed(pl.read_csv(io.BytesIO(data), infer_schema=False)).to_dicts()


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells of text as the long table has them."""
    import polars as pl

    schema = Results(()).to_frame().schema
    columns = []
    for name in frame.columns:
        kind, column = schema.get(name, pl.String), pl.col(name)
        if kind == pl.String:
            columns.append(column.fill_null(""))
        elif kind == pl.Boolean:
            columns.append(column.replace_strict({"True": True, "False": False}, default=None))
        else:
            columns.append(column.replace("", None).cast(kind))
    return frame.with_columns(columns)
