"""`gradewise evaluation agreement`: as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.commands.evaluation import app
from relevance.errors import InputError

FIXED = [
    "alpha(nominal)",
    "alpha(ordinal)",
    "alpha(interval)",
    "kappa(weights=quadratic)",
    "AC1",
    "AC2(weights=ordinal)",
    "within1",
]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["agreement", *(str(argument) for argument in arguments)])


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


@pytest.fixture
def judgments(tmp_path: Path) -> Path:
    """Forty queries of three Pins, three annotators; a few grades are missing."""
    lines = ["query_id,pin_id,annotator,grade"]
    for i in range(40):
        for j in range(3):
            for k, annotator in enumerate(("ann", "bob", "cem")):
                grade = 1 + (i + j + (k == 2 and i % 4 == 0)) % 5
                lines.append(f"q{i:02d},p{j},{annotator},{'' if (i, k) == (7, 1) else grade}")
    path = tmp_path / "judgments.csv"
    path.write_text("\n".join(lines) + "\n")
    countries = [f"q{i:02d},lamp,{'US' if i % 2 else 'FR'}" for i in range(40)]
    (tmp_path / "queries.csv").write_text("\n".join(["query_id,text,country", *countries]) + "\n")
    return path


def test_the_fixed_names_in_order_and_what_they_are_made_of(judgments: Path) -> None:
    found = rows(judgments)
    assert [row["metric"] for row in found] == FIXED
    assert {(row["slice"], row["group"], row["n"]) for row in found} == {("all", "all", 120)}
    assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in found)
    assert "judgments=" in found[0]["source"]


def test_by_country_annotator_and_grade(judgments: Path) -> None:
    queries = judgments.with_name("queries.csv")
    by = ("--by", "country", "--by", "annotator", "--by", "grade")
    found = rows(judgments, "--queries", queries, *by, "--reps", 50)
    block = [(row["slice"], row["group"]) for row in found if row["metric"] == "alpha(nominal)"]
    assert block == [
        ("all", "all"),
        ("country", "FR"),
        ("country", "US"),
        ("country", "(mean)"),
        *(("annotator", name) for name in ("ann", "bob", "cem")),
        *(("grade", str(grade)) for grade in range(1, 6)),
    ]
    assert list(dict.fromkeys(row["metric"] for row in found)) == [*FIXED, "specific"]
    bob = next(row for row in found if row["group"] == "bob")
    assert bob["n"] == 117


def test_asked_for_by_name(judgments: Path) -> None:
    found = rows(judgments, "--metrics", "kappa(weights=linear), alpha(ratio)", "--reps", 0)
    assert [row["metric"] for row in found] == ["kappa(weights=linear)", "alpha(ratio)"]
    assert {row["note"] for row in found} == {"no_interval"}
    wrong = run(judgments, "--metrics", "kapa(weights=linear)")
    assert isinstance(wrong.exception, InputError)
    assert "Did you mean 'kappa(weights=linear)'?" in str(wrong.exception)


def test_as_text(judgments: Path) -> None:
    done = run(judgments)
    assert done.exit_code == 0
    assert "alpha(ordinal)" in done.stdout
    assert "[" in done.stdout
