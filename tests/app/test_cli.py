import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app

HEAVY = {"torch", "transformers", "sklearn", "scipy", "statsmodels", "polars", "pyarrow"} | {
    "streamlit",
    "plotly",
    "ibis",
    "duckdb",
    "label_studio_sdk",
}


def _fresh(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, json\n"
        "sys.argv = ['gradewise', '--help']\n"
        "from app.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = _fresh(code)
    assert done.returncode == 0, done.stderr
    assert "Turns human grades into decisions" in done.stdout
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded.isdisjoint(HEAVY), loaded & HEAVY


@pytest.mark.parametrize(
    "noun", ["data", "annotation", "teacher", "student", "evaluation", "experiment", "report"]
)
def test_every_noun_has_help(noun: str) -> None:
    done = CliRunner().invoke(app, [noun, "--help"])
    assert done.exit_code == 0
    assert "To come" not in done.output


def test_every_command_shows_a_call_that_names_itself() -> None:
    import typer.main

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*words, name))
        if not hasattr(command, "commands"):
            yield " ".join(words), command.help or ""

    helps = dict(walk(typer.main.get_command(app), ("gradewise",)))
    assert len(helps) > 20
    assert not [words for words, text in helps.items() if words not in " ".join(text.split())]


def test_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["evaluate"]).exit_code == 2


def test_user_errors_are_one_line_and_exit_1() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['gradewise', 'data', 'check', 'nowhere.csv', '--table', 'qrels']\n"
        "from app.cli import main\nmain()"
    )
    done = _fresh(code)
    assert done.returncode == 1
    assert done.stderr.startswith("gradewise: ")
    assert "nowhere.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminated_command_ends_what_it_started() -> None:
    code = (
        "import time, app.cli as cli\n"
        "def work():\n"
        "    try:\n        print('started', flush=True); time.sleep(60)\n"
        "    finally:\n        print('ended')\n"
        "cli.app = work\ncli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.terminate()
        out, error = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "ended\n")
    assert "run the same command again to resume" in error
