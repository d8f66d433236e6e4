"""Moments as files: every export of another engine is read, and what cannot be is refused."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evaluation.moments import PRODUCTS, VARIABLES
from evaluation.outcomes import Outcome, parse_outcome
from evaluation.sessions import SessionLog, session_moments
from evaluation.sessions.saved import definition, read_moments, write_moments
from relevance.errors import InputError, MissingInputError, TableError

OUTCOMES = (parse_outcome("fulfilled"), parse_outcome("mean(clicks)"))
BY = ("country",)


def cells(**changes: Any) -> pl.DataFrame:
    """Three cells of two outcomes by one column, as the contract has them."""
    columns: dict[str, Any] = {
        "variant": ["control", "treatment", None],
        "group_0": ["US", None, None],
        "day": [date(2025, 3, 11), date(2025, 3, 12), None],
        "contaminated": [False, True, False],
        "users": [10, 4, 2],
        "sessions": [30, 9, 0],
        "with_pre_period": [3, 1, 0],
        "several_groups": [1, 0, 0],
        "no_variant": [0, 1, 0],
        "outside": [0, 0, 2],
        "rows": [31, 10, 3],
    }
    for i in range(2):
        columns |= {f"o{i}_{name}": [4.0, 2.5, 0.0] for name in VARIABLES}
        columns |= {f"o{i}_{a}_{b}": [6.0, 2.25, 0.0] for a, b in PRODUCTS}
        columns |= {
            f"o{i}_missing": [1, 0, 0],
            f"o{i}_low": [0.0, 0.5, None],
            f"o{i}_high": [1.0, 1.5, None],
        }
    return pl.DataFrame(columns | changes)


SAID = definition(SessionLog(outcomes=OUTCOMES, start=datetime(2025, 3, 10)), BY)


def table(**changes: Any) -> pl.DataFrame:
    return cells(**changes).with_columns(definition=pl.lit(SAID))


def parquet(frame: pl.DataFrame, folder: Path, name: str = "moments.parquet") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    return path


def expected() -> pl.DataFrame:
    return cells().sort("variant", "group_0", "day", "contaminated", nulls_last=False)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_what_is_written_is_read_back(ending: str, tmp_path: Path, hard_log: pl.DataFrame) -> None:
    log = SessionLog(outcomes=OUTCOMES, by=("device", "country"), looks=True)
    moments = session_moments(hard_log, log)
    path = tmp_path / f"moments.{ending}"
    write_moments(moments, path)
    found = read_moments(path)
    keys = ["variant", "group_0", "group_1", "day", "contaminated"]
    blank = moments.cells.sort(keys)
    assert found.cells.equals(blank)
    assert found.cells.schema == blank.schema
    assert (found.outcomes, found.by, found.looks) == (OUTCOMES, ("device", "country"), True)
    counted = (moments.rows, moments.no_unit, moments.duplicates)
    assert (found.rows, found.no_unit, found.duplicates) == counted
    assert found.source == str(path)


def test_other_endings_are_refused(tmp_path: Path) -> None:
    moments = read_moments(parquet(table(), tmp_path))
    with pytest.raises(InputError, match=r"x\.json: moments are saved as \.parquet or \.csv"):
        write_moments(moments, tmp_path / "x.json")


def as_bigquery(frame: pl.DataFrame) -> bytes:
    """CSV of `bq query`: whole floats without a point, true and false, nulls empty."""
    return (
        frame.with_columns(pl.selectors.float().cast(pl.String).str.strip_suffix(".0"))
        .write_csv()
        .encode()
    )


def as_snowflake(frame: pl.DataFrame) -> bytes:
    """Names in upper case, all quoted, booleans as True, nulls as \\N, times for days."""
    flags = pl.selectors.boolean().cast(pl.String).str.to_titlecase()
    shouted = frame.with_columns(flags, pl.col("day").cast(pl.String) + " 00:00:00.000")
    named = shouted.rename(str.upper)
    return named.write_csv(quote_style="always", null_value="\\N").encode()


def as_postgres(frame: pl.DataFrame) -> bytes:
    """psql --csv: t and f, numeric sums with zeros behind."""
    flags = pl.when("contaminated").then(pl.lit("t")).otherwise(pl.lit("f")).alias("contaminated")
    return (
        frame.with_columns(flags, pl.selectors.float().cast(pl.Decimal(20, 10)))
        .write_csv()
        .encode()
    )


def as_trino(frame: pl.DataFrame) -> bytes:
    """Floats with exponents, everything quoted."""
    floats = pl.selectors.float().map_elements(lambda x: f"{x:E}", return_dtype=pl.String)
    return frame.with_columns(floats).write_csv(quote_style="always").encode()


def as_spark_tsv(frame: pl.DataFrame) -> bytes:
    """spark-sql prints tabs, NULL, and quotes nothing."""
    return frame.write_csv(separator="\t", quote_style="never", null_value="NULL").encode()


def as_json_lines(frame: pl.DataFrame) -> bytes:
    """BigQuery's JSON: whole numbers as text."""
    return frame.with_columns(pl.selectors.integer().cast(pl.String)).write_ndjson().encode()


def as_decimals(frame: pl.DataFrame) -> pl.DataFrame:
    """Parquet of an engine whose sums are decimals and whose days are times."""
    return frame.with_columns(
        pl.selectors.float().cast(pl.Decimal(20, 6)),
        pl.selectors.integer().cast(pl.Decimal(38, 0)),
        pl.col("day").cast(pl.Datetime("us")),
    )


@pytest.mark.parametrize(
    "export", [as_bigquery, as_snowflake, as_postgres, as_trino, as_spark_tsv, as_json_lines]
)
def test_exports_of_every_engine_say_the_same(export: Any, tmp_path: Path) -> None:
    path = tmp_path / "moments.csv"
    path.write_bytes(export(table()))
    found = read_moments(path)
    assert found.cells.schema == cells().schema
    assert found.cells.equals(expected())
    assert (found.outcomes, found.by, found.looks) == (OUTCOMES, BY, False)
    assert (found.rows, found.no_unit, found.duplicates) == (44, 0, None)
    zipped = tmp_path / "moments.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert read_moments(zipped).cells.equals(expected())


def test_decimals_and_times_in_parquet(tmp_path: Path) -> None:
    found = read_moments(parquet(as_decimals(table()), tmp_path))
    assert found.cells.equals(expected())
    assert found.cells.schema == cells().schema


def test_columns_may_stand_in_any_order_and_more_may_be_there(tmp_path: Path) -> None:
    turned = table().select(reversed(table().columns)).with_columns(made_at=pl.lit("today"))
    assert read_moments(parquet(turned, tmp_path)).cells.equals(expected())


def test_flags_replace_a_definition(tmp_path: Path) -> None:
    path = parquet(cells(), tmp_path)
    found = read_moments(path, outcomes=OUTCOMES, by=BY)
    assert (found.outcomes, found.by, found.looks) == (OUTCOMES, BY, False)
    assert read_moments(path, outcomes=OUTCOMES).by == ("country",), "as a log is split by itself"
    with pytest.raises(InputError, match=r"no column definition.*--outcome.*2 in all.*o0, o1"):
        read_moments(path)
    with pytest.raises(InputError, match=r"holds 2 outcomes.*1 are named: fulfilled.*--metric"):
        read_moments(path, outcomes=OUTCOMES[:1])
    with pytest.raises(TableError, match=r"column 'o2_x' \(and \d+ more\) is missing"):
        read_moments(path, outcomes=(*OUTCOMES, Outcome("any(sale)", "any", ("sale",))))
    two = cells().with_columns(group_1=pl.lit("app"))
    with pytest.raises(InputError, match=r"2 columns of groups.*0 are named.*--by"):
        read_moments(parquet(two, tmp_path), outcomes=OUTCOMES)


def test_a_definition_wins_over_flags(tmp_path: Path) -> None:
    found = read_moments(parquet(table(), tmp_path), outcomes=OUTCOMES[:1], by=("device",))
    assert (found.outcomes, found.by) == (OUTCOMES, BY)


def test_increments_of_days_are_recognised_without_a_definition(tmp_path: Path) -> None:
    path = parquet(cells(users=[10, 0, 2], o0_x=[4.0, -1.0, 0.0]), tmp_path)
    assert read_moments(path, outcomes=OUTCOMES).looks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": [10, -4, 2]}, r"column users: cannot be below 0 \(cell treatment, None"),
        ({"o1_missing": [0, -1, 0]}, r"column o1_missing: cannot be below 0.*got -1"),
        ({"o0_x_x": [6.0, -2.25, 0.0]}, r"column o0_x_x: a sum of squares cannot be below 0"),
        ({"o1_y0_y0": [1.0, 2.25, 0.0]}, r"column o1_y0_y0: below \(sum of o1_y0\)² / users"),
        ({"users": [10, None, 2]}, r"line 2, column users: must be a whole number, got 'empty'"),
        ({"users": ["10", "4.5", "2"]}, r"line 2, column users: must be a whole number, got '4.5'"),
        ({"o0_y": ["4", "many", "0"]}, r"line 2, column o0_y: must be a number, got 'many'"),
        ({"o0_y": [4.0, float("nan"), 0.0]}, r"line 2, column o0_y: must be a number"),
        ({"day": ["2025-03-11", "Tuesday", None]}, r"column day: must be a day.*got 'Tuesday'"),
        ({"contaminated": ["no", "t", "f"]}, r"line 1, column contaminated: must be true or false"),
    ],
)
def test_what_no_users_can_have_made_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=message) as caught:
        read_moments(parquet(table(**changes), tmp_path))
    assert "moments.parquet" in str(caught.value)


def test_missing_columns_are_named_with_the_nearest(tmp_path: Path) -> None:
    path = parquet(table().rename({"sessions": "session"}), tmp_path)
    with pytest.raises(TableError, match=r"'sessions' is missing.*Did you mean 'session'\?"):
        read_moments(path)


def test_definitions_must_be_one_json_text(tmp_path: Path) -> None:
    two = cells().with_columns(definition=pl.Series([SAID, SAID + " ", SAID]))
    with pytest.raises(TableError, match="several definitions in one table"):
        read_moments(parquet(two, tmp_path))
    for text in ("{broken", "[1]"):
        with pytest.raises(TableError, match=r"not the JSON text of a definition.*--outcome"):
            read_moments(parquet(cells().with_columns(definition=pl.lit(text)), tmp_path))
    nothing = cells().with_columns(definition=pl.lit(None, pl.String))
    assert read_moments(parquet(nothing, tmp_path), outcomes=OUTCOMES).outcomes == OUTCOMES


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"experiment sql.*--save-moments"):
        read_moments(tmp_path / "none.parquet")
    for name, data, message in [
        ("empty.csv", b"", "the file is empty"),
        ("cut.parquet", b"PAR1" + b"\0" * 40, "Parquet file is damaged"),
        ("odd.jsonl", b'{"users": 1}\n{"users": ', "not JSON Lines"),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(TableError, match=message):
            read_moments(tmp_path / name)
    with pytest.raises(TableError, match="there is no cell in it"):
        read_moments(parquet(table().head(0), tmp_path))
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"no file of moments in this folder"):
        read_moments(tmp_path / "folder")


def test_files_of_countries_and_folders_add_up(tmp_path: Path) -> None:
    first, second = tmp_path / "fr", tmp_path / "us"
    parquet(table(), first, "part-0.parquet")
    parquet(table(o0_low=[-1.0, 0.5, 7.0]), first, "deep/part-1.parquet")
    (first / "_SUCCESS").write_text("")
    (first / ".part.parquet.crc").write_text("")
    second.mkdir()
    table().write_csv(second / "part.csv")
    found = read_moments([first, second])
    sums = [
        c
        for c in cells().columns
        if cells().schema[c].is_numeric() and c[-4:] not in ("_low", "high")
    ]
    assert found.cells.select(sums).equals(expected().select(pl.col(sums) * 3))
    assert found.cells["o0_low"].to_list() == [7.0, -1.0, 0.5]
    assert found.cells["o0_high"].to_list() == [None, 1.0, 1.5]
    assert found.cells.schema == cells().schema
    assert (found.rows, found.source) == (3 * 44, f"{first}, {second}")


def test_files_that_measured_other_things_do_not_add_up(tmp_path: Path) -> None:
    one = parquet(table(), tmp_path, "a.parquet")
    said = json.loads(SAID)
    for change in ({"outcomes": ["fulfilled", "any(clicks)"]}, {"by": ["device"]}):
        text = json.dumps(said | change)
        other = parquet(cells().with_columns(definition=pl.lit(text)), tmp_path, "b.parquet")
        with pytest.raises(
            InputError, match=r"b\.parquet: measured other things than .*a\.parquet"
        ):
            read_moments([one, other])
    later = json.dumps(said | {"end": "2025-03-20T00:00:00", "duplicates": 3})
    other = parquet(cells().with_columns(definition=pl.lit(later)), tmp_path, "b.parquet")
    assert read_moments([one, other]).duplicates is None, "the other one was not searched"
    assert read_moments([other, other]).duplicates == 6


def test_a_log_cut_by_user_adds_up_to_the_whole(tmp_path: Path, hard_log: pl.DataFrame) -> None:
    log = SessionLog(outcomes=OUTCOMES)
    whole = session_moments(hard_log, log)
    user = pl.col("unit_id").hash() % 2 == 0
    for name, half in (("a", user), ("b", ~user)):
        write_moments(session_moments(hard_log.filter(half), log), tmp_path / f"{name}.parquet")
    found = read_moments([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    assert found.cells["users"].sum() == whole.cells["users"].sum()
    sums = found.cells.select(pl.selectors.starts_with("o").sum()).row(0)
    assert sums == pytest.approx(whole.cells.select(pl.selectors.starts_with("o").sum()).row(0))
