from __future__ import annotations

import contextlib
import json

import polars as pl
import pytest
from typer.testing import CliRunner

import annotation.desk
from annotation.desk import LOCAL, Desk
from annotation.fake import FakeServer, FakeStudio
from annotation.store import Store
from app.commands.annotation import app
from relevance.errors import InputError, MissingInputError, ServerError
from relevance.provenance import read_provenance
from relevance.tables import read_table
from relevance.workspace import Workspace

run = CliRunner().invoke


def call(*words: object):
    """Runs a command; errors of the program come out as they are."""
    return run(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def space(tmp_path):
    """A workspace with four queries in two countries, three candidate Pins each, and a run."""
    made = Workspace(tmp_path / "w")
    queries = pl.DataFrame(
        {
            "query_id": ["q1", "q2", "q3", "q4"],
            "text": ["rug", "cake", "tapis", "gâteau"],
            "country": ["US", "US", "FR", "FR"],
            "language": ["en", "en", "fr", "fr"],
        }
    )
    pins = pl.DataFrame({"pin_id": ["p1", "p2", "p3"], "title": ["Rug", "Cake", "Hat"]})
    pairs = queries.select("query_id").join(pins.select("pin_id"), how="cross")
    scores = pl.Series("score", [3.0, 2.0, 1.0] * 4)
    runs = pairs.with_columns(scores, system=pl.lit("production"))
    for name, frame in {
        "queries": queries,
        "pins": pins,
        "pairs": pairs,
        "runs-production": runs,
    }.items():
        made.write(name, frame, command="test")
    return made


@pytest.fixture
def server(monkeypatch):
    """A fake Label Studio in place of the real one."""
    fake = FakeServer()

    def open_desk(workspace, *, server=None, image_hosts=()):
        store = Store(workspace / "label-studio" / "gradewise.sqlite3")
        return Desk(FakeStudio(fake), store, server or LOCAL, workspace, frozenset(), fake.wait)

    monkeypatch.setattr(annotation.desk, "open_desk", open_desk)
    return fake


def test_sample_queries_pairs_pools_and_everything(space):
    where = ("sample", "--workspace", space.root)
    call(*where, "--queries", 1)
    assert space.read("samples").height == 6
    assert set(space.read("samples")["inclusion_probability"]) == {0.5}
    call(*where, "--pairs", 4, "--overwrite")
    assert space.read("samples").group_by("stratum").len()["len"].to_list() == [2, 2]
    call(*where, "--run", "production", "--depth", 2, "--overwrite")
    assert set(space.read("samples")["pin_id"]) == {"p1", "p2"}
    call(*where, "--by", "", "--draw", "pool", "--append")
    samples = space.read("samples")
    assert samples.group_by("draw").len().sort("draw").rows() == [("measure", 8), ("pool", 12)]
    assert read_provenance(space.path("samples"))["command"] == "annotation sample"


def test_samples_are_not_overwritten_and_mistakes_are_told(space):
    where = ("sample", "--workspace", space.root)
    call(*where)
    with pytest.raises(InputError, match="--overwrite"):
        call(*where)
    with pytest.raises(InputError, match="not both"):
        call(*where, "--queries", 1, "--pairs", 1)
    with pytest.raises(InputError, match="draw 'golden' is unknown"):
        call(*where, "--draw", "golden")


def test_push_status_pull_adjudicate(space, server, tmp_path):
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
    assert [(row["country"], row["n_tasks"], row["n_judgments"]) for row in rows] == [
        ("FR", 6, 6),
        ("US", 6, 6),
    ]
    assert "FR" in call("status", *here).stdout
    assert call("status", *here, "--format", "csv").stdout.startswith("country,project_id")
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


def test_push_takes_finished_judgments_and_only_some_draws(space, server):
    here = ("--workspace", space.root)
    call("sample", *here, "--queries", 1, "--draw", "training")
    call("sample", *here, "--draw", "pool", "--append")
    judgments = pl.DataFrame(
        {"query_id": ["q1"], "pin_id": ["p1"], "annotator": ["ann"], "grade": [5]}
    )
    judgments.write_csv(space.root / "mine.csv")
    told = call("push", *here, "--draw", "pool", "--finished", space.root / "mine.csv").stderr
    assert "12 pairs pushed" in told
    assert "1 finished judgments imported" in told
    assert "0 graded in Label Studio, 1 imported" in call("pull", *here).stderr


def test_judgments_made_elsewhere_are_not_overwritten_by_a_pull(space, server):
    here = ("--workspace", space.root)
    call("sample", *here)
    call("push", *here)
    own = pl.DataFrame({"query_id": ["q"], "pin_id": ["p"], "annotator": ["a"], "grade": [1]})
    space.write("judgments", own, command="data import")
    with pytest.raises(InputError, match="--overwrite"):
        call("pull", *here)
    call("pull", *here, "--overwrite")
    assert space.read("judgments").height == 0


def test_missing_tables_name_the_command_that_makes_them(space, server):
    with pytest.raises(MissingInputError, match="gradewise annotation sample"):
        call("push", "--workspace", space.root)


def test_without_a_server_the_way_to_start_one_is_told(space):
    with pytest.raises(ServerError, match="gradewise annotation serve"):
        call("status", "--workspace", space.root)


def test_an_unknown_scale_is_told(space, tmp_path):
    with pytest.raises(InputError, match="Did you mean 'five'"):
        call("adjudicate", "x.csv", "--out", tmp_path / "q.csv", "--scale", "fiv")


def test_serve_prints_where_to_go_and_never_the_password(monkeypatch, tmp_path):
    from annotation import install, server

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
