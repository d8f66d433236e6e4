"""Moments as files: what another engine's query made, what an analysis saved, days and countries.

A file has one row a cell (see `SessionMoments.cells`) and the column `definition`, a JSON text that
says what was measured. It is read from Parquet, CSV or JSON Lines, however the place it comes from
writes: names in upper case (Snowflake), decimals and dates as text (BigQuery), folders of parts
(Spark). Several files add up; a user who is in two of them counts as two, so split a log by user
or by country, never a user's sessions.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.outcomes import Outcome, parse_outcome
from evaluation.sessions.log import SessionLog, SessionMoments
from evaluation.sessions.saved_cells import MADE_BY, check_values, key_columns, typed_cells
from relevance.delimited import delimiter_of, read_delimited
from relevance.errors import InputError, TableError
from relevance.files import atomic
from relevance.formats import decode, read_bytes

_ENDINGS = (".parquet", ".csv", ".csv.gz", ".json", ".jsonl", ".jsonl.gz")


def definition(log: SessionLog, by: Sequence[str], **counted: int | None) -> str:
    """The JSON text that says what a table of moments measured.

    Args:
        log: What was measured of which log.
        by: Columns that `group_0`, `group_1`, … come from.
        counted: What the cells cannot say: rows, no_unit, duplicates.
    """
    said: dict[str, Any] = {
        "outcomes": [outcome.name for outcome in log.outcomes],
        "by": list(by),
        "looks": log.looks,
        "unit": log.unit,
        "variant": log.variant,
        "experiment": log.experiment,
        "start": _iso(log.start),
        "end": _iso(log.end),
    }
    return json.dumps({k: v for k, v in (said | counted).items() if v is not None})


def write_moments(moments: SessionMoments, path: str | Path, log: SessionLog | None = None) -> None:
    """Saves moments as Parquet or CSV, by the ending; `read_moments` gives them back.

    Args:
        moments: What to save.
        path: Ends in .parquet or .csv.
        log: What was measured, to be noted beside the outcomes.

    Raises:
        InputError: Another ending.
    """
    path = Path(path)
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"{path}: moments are saved as .parquet or .csv, not {path.suffix!r}")
    what = log or SessionLog(outcomes=moments.outcomes, looks=moments.looks)
    said = definition(
        what,
        moments.by,
        rows=moments.rows,
        no_unit=moments.no_unit,
        duplicates=moments.duplicates,
    )
    table = moments.cells.with_columns(definition=pl.lit(said))
    with atomic(path) as temporary:
        if path.suffix == ".csv":
            table.write_csv(temporary)
        else:
            table.write_parquet(temporary)


def read_moments(
    paths: str | Path | Sequence[str | Path],
    *,
    outcomes: Sequence[Outcome] | None = None,
    by: Sequence[str] | None = None,
) -> SessionMoments:
    """The moments of one file, a folder of them or several; several add up.

    Args:
        paths: Parquet, CSV (comma, semicolon or tab) or JSON Lines, or a folder of them.
        outcomes: What `o0_…`, `o1_…`, … are, where no column `definition` says it.
        by: What `group_0`, `group_1`, … are, likewise.

    Raises:
        MissingInputError: There is no such file.
        TableError: A column is missing, or a value cannot be.
        InputError: The files measured different things, or nothing says what they measured.
    """
    given = (paths,) if isinstance(paths, (str, Path)) else tuple(paths)
    files = [file for path in given for file in _files(Path(path))]
    parts = [_read(file, outcomes, by) for file in files]
    for file, part in zip(files[1:], parts[1:], strict=True):
        _check_same(files[0], parts[0], file, part)
    first = parts[0]
    if len(parts) == 1:
        return first
    duplicates = [part.duplicates for part in parts if part.duplicates is not None]
    return SessionMoments(
        cells=_added(pl.concat([part.cells for part in parts]), first),
        outcomes=first.outcomes,
        by=first.by,
        looks=first.looks or any(part.looks for part in parts),
        rows=sum(part.rows for part in parts),
        no_unit=sum(part.no_unit for part in parts),
        duplicates=sum(duplicates) if len(duplicates) == len(parts) else None,
        source=", ".join(map(str, given)),
    )


def _files(path: Path) -> list[Path]:
    """The file itself, or the files of moments in a folder."""
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.name.endswith(_ENDINGS)
        and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    ]
    if not found:
        raise InputError(
            f"{path}: no file of moments in this folder ({', '.join(_ENDINGS)}). "
            f"They are made by: {MADE_BY}"
        )
    return found


def _read(
    path: Path, outcomes: Sequence[Outcome] | None, by: Sequence[str] | None
) -> SessionMoments:
    raw, first_line = _table(path)
    raw = raw.rename({name: name.strip().lower() for name in raw.columns})
    if not raw.height:
        raise TableError("there is no cell in it", path=path, way_out=f"Made by: {MADE_BY}")
    said = _said(raw, path)
    measured = _measured(raw, said, outcomes, path)
    groups = _groups(raw, said, by, path)
    cells = typed_cells(raw, measured, groups, path, first_line)
    looks = bool(said.get("looks", (cells["users"] == 0).any()))
    check_values(cells, measured, groups, path)
    rows, no_unit = int(cells["rows"].sum()), int(said.get("no_unit", 0))
    duplicates = said.get("duplicates")
    return SessionMoments(
        cells=cells.sort(key_columns(groups), nulls_last=False),
        outcomes=measured,
        by=groups,
        looks=looks,
        rows=int(said.get("rows", rows + no_unit + (duplicates or 0))),
        no_unit=no_unit,
        duplicates=None if duplicates is None else int(duplicates),
        source=str(path),
    )


def _table(path: Path) -> tuple[pl.DataFrame, int]:
    """All cells of a file, of whatever types it has, and the line that they begin on."""
    data = read_bytes(path, MADE_BY)
    if data.startswith(b"PAR1"):
        try:
            return pl.read_parquet(io.BytesIO(data)), 1
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0][:120]
            raise TableError(f"the Parquet file is damaged ({reason})", path=path) from None
    text = decode(data, path)
    if not text.strip():
        raise TableError("the file is empty", path=path, way_out=f"Made by: {MADE_BY}")
    if text.lstrip().startswith("{"):
        try:
            return pl.read_ndjson(io.StringIO(text), infer_schema_length=None), 1
        except pl.exceptions.PolarsError as error:
            raise TableError(f"not JSON Lines ({str(error)[:80]})", path=path) from None
    header = text.lstrip("\r\n").partition("\n")[0].lower()
    return read_delimited(text.encode(), delimiter_of(header, {"users", "variant"}), path)[0], 2


def _said(raw: pl.DataFrame, path: Path) -> Mapping[str, Any]:
    """What the column `definition` says; nothing where there is none."""
    if "definition" not in raw.columns:
        return {}
    texts = raw["definition"].cast(pl.String).unique().to_list()
    if len(texts) > 1:
        raise TableError(
            "several definitions in one table",
            path=path,
            column="definition",
            value=str(texts[1]),
            way_out="Put moments that measure different things into files of their own",
        )
    if texts[0] is None:
        return {}
    try:
        said = json.loads(texts[0])
    except json.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise TableError(
            "not the JSON text of a definition",
            path=path,
            column="definition",
            value=texts[0],
            way_out="Leave the column out and say what was measured with --outcome, --metric, --by",
        )
    return said


def _measured(
    raw: pl.DataFrame,
    said: Mapping[str, Any],
    outcomes: Sequence[Outcome] | None,
    path: Path,
) -> tuple[Outcome, ...]:
    """The outcomes of `o0_…`, `o1_…`, …, as many as there are columns for."""
    found = sum(f"o{i}_x" in raw.columns for i in range(len(raw.columns)))
    if "outcomes" in said:
        measured = tuple(parse_outcome(str(text)) for text in said["outcomes"])
    elif outcomes is not None:
        measured = tuple(outcomes)
    else:
        raise InputError(
            f"{path}: nothing says what was measured (no column definition). Say it with "
            f"--outcome, and --metric for each further one: {found} in all, in the order o0, o1, …"
        )
    if found > len(measured):
        names = ", ".join(outcome.name for outcome in measured)
        raise InputError(
            f"{path}: holds {found} outcomes (o0_x to o{found - 1}_x), but {len(measured)} are "
            f"named: {names}. Name them all, with --outcome and --metric, in the order o0, o1, …"
        )
    return measured


def _groups(
    raw: pl.DataFrame, said: Mapping[str, Any], by: Sequence[str] | None, path: Path
) -> tuple[str, ...]:
    """Names of what `group_0`, `group_1`, … are."""
    found = sum(f"group_{i}" in raw.columns for i in range(len(raw.columns)))
    if "by" in said:
        groups = tuple(str(name) for name in said["by"])
    else:
        groups = tuple(by or ())
        if found == 1 and not groups:
            groups = ("country",)  # what a log is split by unless something else is asked for
    if found > len(groups):
        raise InputError(
            f"{path}: holds {found} columns of groups (group_0 to group_{found - 1}), but "
            f"{len(groups)} are named. Name them all with --by, in that order"
        )
    return groups


def _check_same(first: Path, a: SessionMoments, other: Path, b: SessionMoments) -> None:
    told = {
        "outcomes": ([o.name for o in a.outcomes], [o.name for o in b.outcomes]),
        "by": (list(a.by), list(b.by)),
    }
    for what, (here, there) in told.items():
        if here != there:
            raise InputError(
                f"{other}: measured other things than {first} ({what} {', '.join(there)}; there "
                f"{', '.join(here)}). Moments add up only where these are the same"
            )


def _added(cells: pl.DataFrame, like: SessionMoments) -> pl.DataFrame:
    """One row a cell, where several files hold the same one."""
    keys = key_columns(like.by)
    bounds = [f"o{i}_{end}" for i in range(len(like.outcomes)) for end in ("low", "high")]
    sums = [name for name in cells.columns if name not in (*keys, *bounds)]
    once = cells.group_by(keys).agg(
        pl.col(sums).sum(),
        *(pl.col(name).min() if name.endswith("low") else pl.col(name).max() for name in bounds),
    )
    return once.select(cells.columns).sort(keys, nulls_last=False)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
