from __future__ import annotations

import contextlib
import json

import polars as pl
import pytest

from relevance.errors import InputError
from relevance.tables import read_table


def test_push_status_pull_adjudicate(call, space, server, tmp_path):
    here = ("--workspace", space.root)
    call("sample", *here)
    result = call("push", *here)
    assert "12 pairs pushed" in result.stderr
    assert "0 pairs pushed, 12 were there already" in call("push", *here).stderr
    grade = {"from_name": "relevance", "type": "choices", "value": {"choices": ["4"]}}
    broken = {**grade, "value": {"choices": ["9"]}}
    for number in range(1, 13):
        server.add_annotation(number, 1, {"result": [broken if number == 12 else grade]})
    rows = json.loads(call("status", *here, "--format", "json").stdout)
    assert [(row["locale"], row["n_tasks"], row["n_judgments"]) for row in rows] == [
        ("en-US", 6, 6),
        ("fr-FR", 6, 6),
    ]
    told = call("pull", *here).stderr
    assert "11 judgments: 11 graded in Label Studio, 0 imported" in told
    assert "1 set aside" in told
    rejected = (space.root / "judgments-rejected.jsonl").read_text().splitlines()
    assert json.loads(rejected[0])["reason"].startswith("unknown grade")
    call("pull", *here)  # its own table is brought up to date without asking
    out = tmp_path / "qrels.csv"
    call("adjudicate", space.path("judgments"), "--out", out, "--samples", space.path("samples"))
    qrels = read_table(out, "qrels")
    assert qrels.height == 11
    assert set(qrels["grade"]) == {4}
    assert set(qrels["inclusion_probability"]) == {1.0}
    with pytest.raises(InputError, match="--overwrite"):
        call("adjudicate", space.path("judgments"), "--out", out)


def test_judgments_made_elsewhere_are_not_overwritten_by_a_pull(call, space, server):
    here = ("--workspace", space.root)
    call("sample", *here)
    call("push", *here)
    own = pl.DataFrame({"query_id": ["q"], "pin_id": ["p"], "annotator": ["a"], "grade": [1]})
    space.write("judgments", own, command="data import")
    with pytest.raises(InputError, match="--overwrite"):
        call("pull", *here)
    call("pull", *here, "--overwrite")
    assert space.read("judgments").height == 0


def test_an_unknown_scale_is_told(call, space, tmp_path):
    with pytest.raises(InputError, match="Did you mean 'five'"):
        call("adjudicate", "x.csv", "--out", tmp_path / "q.csv", "--scale", "fiv")


def test_serve_prints_where_to_go_and_never_the_password(call, monkeypatch, tmp_path):
    from annotation import server
    from annotation.local import install

    done = []

    class Stub(server.LocalServer):
        def start(self):
            done.append("start")
            self._running = server._Running("http://127.0.0.1:8080", 0, 0)
            self.secrets_path.parent.mkdir(parents=True)
            return self

        def wait_ready(self, **_):
            return self

        def wait(self):
            raise KeyboardInterrupt

        def stop(self):
            done.append("stop")

    monkeypatch.setattr(server, "LocalServer", Stub)
    monkeypatch.setattr(install, "install", lambda progress: tmp_path / "label-studio")
    with contextlib.suppress(KeyboardInterrupt):
        result = call("serve", "--workspace", tmp_path)
    assert done == ["start", "stop"]
    secrets = json.loads((tmp_path / "label-studio" / "secrets.json").read_text())
    assert "http://127.0.0.1:8080" in result.stdout
    assert secrets["email"] in result.stdout
    assert str(tmp_path / "label-studio" / "secrets.json").replace(
        "\n", ""
    ) in result.stdout.replace("\n", "")
    assert secrets["password"] not in result.output
    assert secrets["token"] not in result.output
    assert "label-studio" in call("serve", "--install-only").stderr
