from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from annotation import doctor as module
from annotation.doctor import FAIL, OK, WARN, Check
from app.cli import app

CHECKS = [
    Check("server", OK, "http://127.0.0.1:1 answers in 3 ms"),
    Check("token", WARN, "ends soon", "make another"),
    Check("tasks en-US", FAIL, "8 pairs were pushed, 7 tasks are there", "push again"),
]


@pytest.fixture
def run(monkeypatch, tmp_path):
    def call(checks, *arguments):
        monkeypatch.setattr(module, "examine", lambda *_, **__: checks)
        words = ["annotation", "doctor", "--workspace", str(tmp_path), *arguments]
        return CliRunner().invoke(app, words)

    return call


def test_a_line_for_each_check_and_exit_3_if_one_fails(run):
    done = run(CHECKS)
    assert done.exit_code == 3
    assert done.stdout.splitlines() == [
        "ok    server       http://127.0.0.1:1 answers in 3 ms",
        "warn  token        ends soon → make another",
        "fail  tasks en-US  8 pairs were pushed, 7 tasks are there → push again",
    ]
    assert "1 ok, 1 warn, 1 fail" in done.stderr


def test_warnings_are_no_failure(run):
    assert run(CHECKS[:2]).exit_code == 0


def test_json(run):
    rows = json.loads(run(CHECKS, "--format", "json").stdout)
    assert rows[2] == {
        "name": "tasks en-US",
        "state": "fail",
        "found": "8 pairs were pushed, 7 tasks are there",
        "way_out": "push again",
    }


def test_no_server_is_told_by_the_real_one(tmp_path):
    done = CliRunner().invoke(app, ["annotation", "doctor", "--workspace", str(tmp_path)])
    assert done.exit_code == 3
    assert "fail  server" in done.stdout
