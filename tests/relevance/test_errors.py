"""Messages: subject, place, got, way out."""

from __future__ import annotations

import pytest

from relevance import errors
from relevance.errors import (
    GradewiseError,
    InputError,
    MissingExtraError,
    MissingInputError,
    TableError,
    did_you_mean,
    require_extra,
)


def test_a_table_error_has_four_parts() -> None:
    error = TableError(
        "grade must be 1-5", path="x.csv", line=3, column="grade", value=7, way_out="Fix the row"
    )
    assert str(error) == "x.csv line 3, column grade: grade must be 1-5, got 7. Fix the row"
    assert (error.path, error.line, error.column, error.value) == ("x.csv", 3, "grade", 7)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", "'a'"),
        (1.5, "1.5"),
        (True, "True"),
        ("it's", '"it\'s"'),
        ("x" * 99, "'" + "x" * 58 + "…"),
    ],
)
def test_values_are_shown_short_and_quoted(value: object, shown: str) -> None:
    assert str(TableError("bad", value=value)) == f"table: bad, got {shown}."


def test_parts_that_are_missing_leave_no_gap() -> None:
    assert str(TableError("the file is empty", path="x.csv")) == "x.csv: the file is empty."


def test_a_missing_input_names_the_command() -> None:
    assert str(MissingInputError("q.parquet", "gradewise x")) == (
        "q.parquet not found. It is made by: gradewise x"
    )


def test_a_missing_extra_names_the_install_line() -> None:
    require_extra("json", "teacher")
    with pytest.raises(MissingExtraError, match=r"pip install .* 'gradewise\[teacher\]'"):
        require_extra("no_such_package_of_ours", "teacher")


def test_did_you_mean() -> None:
    assert did_you_mean("contry", ["country", "text"]) == " Did you mean 'country'?"
    assert did_you_mean("zzz", ["country"]) == ""


def test_every_error_has_one_base() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    raised = [kind for kind in kinds if issubclass(kind, Exception)]
    assert len(raised) == 8
    assert all(issubclass(kind, GradewiseError) for kind in raised)
    assert issubclass(TableError, InputError)
