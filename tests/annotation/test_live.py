"""The same promises kept by a real Label Studio."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from datetime import datetime

import httpx
import polars as pl
import pytest

from annotation.gateway import ConflictError, RefusedError
from annotation.local.install import find_executable, install
from annotation.server import LocalServer, answers, running
from annotation.sync.desk import open_desk
from annotation.sync.pull import pull
from annotation.sync.push import push
from annotation.sync.status import status
from annotation.sync.submit import submit
from annotation.sync.verify import verify
from relevance.errors import ServerError

pytestmark = [
    pytest.mark.live,
    # The SDK's own, while it refreshes a token.
    pytest.mark.filterwarnings("ignore:The `parse_obj` method:DeprecationWarning"),
]

SAID = ["query_id", "pin_id", "annotator", "grade", "flag", "comment", "seconds"]
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 5"><rect width="3" height="4"/></svg>'
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    (folder / "images").mkdir()
    (folder / "images" / "p0.svg").write_text(DRAWING)
    return folder


@pytest.fixture(scope="module")
def server(workspace):
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    with LocalServer(workspace / "label-studio") as started:
        yield started


@pytest.fixture
def desk(server, workspace):
    with open_desk(workspace, server=server) as opened:
        yield opened


def test_push_submit_pull(desk, workspace, queries, pins, samples, judgments):
    direct = judgments.filter(pl.col("query_id") == "q1")
    finished = judgments.filter(pl.col("query_id") == "q2")
    pushed = push(desk, queries, pins, samples, finished=finished)
    assert (pushed.n_new, pushed.n_finished, pushed.n_without_picture) == (12, 12, 6)
    assert submit(desk, direct).n_new == 12
    pulled = pull(desk)
    wanted = pl.concat([direct, finished])
    assert pulled.judgments.select(SAID).rows() == wanted.select(SAID).sort(SAID[:3]).rows()
    assert pulled.by_source == {"endpoint": 12, "import": 12}
    assert pulled.notes == ()
    again = push(desk, queries, pins, samples, finished=finished)
    assert (again.n_new, again.n_unsent, again.n_surplus) == (0, 0, 0)
    assert submit(desk, direct).n_there == 12
    assert sum(one.n_judgments for one in status(desk)) == 24
    assert verify(desk).n_leftovers == 0


def test_what_the_gateway_promises(desk, samples):
    project = desk.store.project("local", "fr-FR").project_id
    size = samples.height
    identities = desk.studio.identities(project, page=1, size=size)
    assert desk.studio.identities(project, page=99, size=size) == []
    everything = desk.studio.tasks(project, page=1, size=size)
    assert [(one["id"], one["data"]["pair_key"]) for one in everything] == identities
    outlines = desk.studio.outlines(project, page=1, size=size)
    assert [one["n_annotations"] for one in outlines] == [3] * 4
    number, key = identities[1]
    asked = desk.studio.tasks(project, page=1, size=size, keys=[key])
    assert [one["id"] for one in asked] == [number]
    before = datetime.fromisoformat(max(one["updated_at"] for one in everything))
    assert desk.studio.tasks(project, page=1, size=size, since=before) == []
    desk.studio.annotate(number, {"result": [], "was_cancelled": True})
    (changed,) = desk.studio.tasks(project, page=1, size=size, since=before)
    assert changed["id"] == number
    assert datetime.fromisoformat(changed["updated_at"]) > before
    said = {"id", "result", "completed_by", "updated_by", "lead_time", "created_at", "updated_at"}
    assert said | {"was_cancelled", "import_id"} <= set(changed["annotations"][0])
    outlines = {
        one["id"]: one["n_annotations"] for one in desk.studio.outlines(project, page=1, size=9)
    }
    assert outlines[number] == 4, "skipped ones count"


def test_only_tasks_that_are_what_they_were_are_deleted(desk, queries, pins, samples):
    asked = queries.head(1).with_columns(country=pl.lit("CA"), query_id=pl.lit("ca"))
    todo = pl.DataFrame({"query_id": ["ca"] * 4, "pin_id": pins["pin_id"]})
    project = push(desk, asked, pins, todo).projects["en-CA"]
    there = desk.studio.identities(project, page=1, size=9)
    (first, one), (second, two), (third, _), _ = there
    desk.studio.annotate(second, {"result": []})
    numbers, keys = [first, second, third], [one, two]
    desk.studio.delete_tasks(project, numbers, keys=keys, n_annotations=0)
    left = [number for number, _ in desk.studio.identities(project, page=1, size=9)]
    assert first not in left
    assert {second, third} <= set(left), "one was graded, the other has another key"
    desk.studio.delete_tasks(project, numbers, keys=keys, n_annotations=1)
    assert second not in [n for n, _ in desk.studio.identities(project, page=1, size=9)]
    assert push(desk, asked, pins, todo).n_new == 2


def test_a_project_is_changed_only_when_asked(desk, queries, pins, samples):
    project = desk.store.project("local", "en-US").project_id
    before = desk.studio.project(project)
    assert before.overlap == 3
    desk.studio.update_project(project, instruction="<p>be kind</p>", overlap=2)
    notes = push(desk, queries, pins, samples, overlap=3).notes
    assert any("the guidelines of project" in note for note in notes)
    assert any("has 2 annotators a pair, not 3" in note for note in notes)
    assert push(desk, queries, pins, samples, overlap=3, update=True).notes == ()
    assert desk.studio.project(project) == before
    assert push(desk, queries, pins, samples).notes == ()


def test_repeats_and_seniors(desk, queries, pins, samples):
    asked = queries.head(1).with_columns(country=pl.lit("GB"), query_id=pl.lit("gb"))
    drawn = {"draw": ["measure", "gold", "repeat"], "overlap": [None, 5, None]}
    todo = pl.DataFrame({"query_id": ["gb"] * 3, "pin_id": ["p1", "p2", "p1"], **drawn})
    sent = push(desk, asked, pins, todo).sent
    assert [(one.purpose, one.n_new) for one in sent] == [("extra+2", 1), ("grade", 3)]
    assert desk.studio.project(sent[0].project_id).overlap == 2
    ruled = push(desk, asked, pins, todo.head(1), purpose="senior").projects["en-GB"]
    assert desk.studio.project(ruled).overlap == 1
    grade = {"query_id": ["gb"], "pin_id": ["p1"], "annotator": ["sam"], "grade": [4],
             "flag": [None], "comment": [None], "seconds": [2.0]}  # fmt: skip
    one = pl.DataFrame(grade)
    submit(desk, one)
    submit(desk, one.with_columns(grade=pl.lit(5)), repeats=True)
    submit(desk, one.with_columns(grade=pl.lit(3)), purpose="senior")
    pulled = pull(desk)
    found = [pulled.judgments, pulled.repeats, pulled.rulings]
    assert [frame.filter(pl.col("query_id") == "gb")["grade"].to_list() for frame in found] == [
        [4],
        [5],
        [3],
    ]


def test_facts(desk):
    facts = desk.studio.facts()
    assert (facts.token, facts.sign_up_closed) == ("legacy", True)
    assert facts.release >= "1.23.1"


def test_accounts_are_members_and_invitations_are_closed(server, desk, judgments):
    assert {"q1-a@graders.example.com", "q1-b@graders.example.com"} <= set(
        desk.studio.people().values()
    )
    reply = httpx.get(f"{server.url}/api/projects/")
    assert reply.status_code == 401
    form = httpx.post(f"{server.url}/user/signup/", data={"email": "x@y.org", "password": "p" * 12})
    assert form.status_code == 403


def test_an_annotation_is_unique_and_refusals_are_told(desk):
    task = desk.studio.tasks(1, page=1, size=1)[0]
    annotation = {"result": [], "unique_id": "5f0c8f3e-6b0d-4a1e-9a43-0d3c3b7f5a11"}
    desk.studio.annotate(task["id"], annotation)
    with pytest.raises(ConflictError):
        desk.studio.annotate(task["id"], annotation)
    with pytest.raises(RefusedError, match="404"):
        desk.studio.annotate(999_999, annotation)
    assert "no grade" in pull(desk).rejected["reason"].to_list()
    assert desk.studio.tasks(1, page=99, size=10) == []


def test_secrets_and_data_are_private(server, workspace):
    for name in ("secrets.json", "server.json", "gradewise.sqlite3"):
        mode = stat.S_IMODE((workspace / "label-studio" / name).stat().st_mode)
        assert mode == 0o600, name
    log = (workspace / "label-studio" / "label-studio.log").read_text(errors="replace")
    assert server.secrets.password not in log
    assert server.secrets.token not in log


def test_a_second_start_finds_the_running_server(server, workspace):
    second = LocalServer(workspace / "label-studio").start().wait_ready()
    assert second.url == server.url
    second.stop()
    assert answers(server.url, server.api_key), "stopping the second stopped the first"


def test_a_wrong_token_is_told(server, workspace):
    with (
        pytest.raises(RefusedError, match="LABEL_STUDIO_API_KEY"),
        open_desk(workspace, server=server.url, api_key="0" * 40) as desk,
    ):
        desk.studio.people()


def test_pictures_are_shown_to_people_logged_in_only(server, desk, queries, pins, samples):
    push(desk, queries, pins, samples)
    address = f"{server.url}/data/local-files/?d=images/p0.svg"
    token = {"Authorization": f"Token {server.api_key}"}
    assert httpx.get(address, headers=token).text == DRAWING
    assert "rect" not in httpx.get(address).text
    outside = f"{server.url}/data/local-files/?d=label-studio/secrets.json"
    assert httpx.get(outside, headers=token).status_code in (403, 404)


def test_a_server_whose_starter_died_is_taken_over(tmp_path):
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    install()
    folder = tmp_path / "label-studio"
    code = (
        "import sys, time; from pathlib import Path; from annotation.server import LocalServer;"
        "LocalServer(Path(sys.argv[1])).start().wait_ready(); print('ready', flush=True);"
        "time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    with starter:
        assert starter.stdout.readline().strip() == "ready"
        os.kill(starter.pid, signal.SIGKILL)
    heir = LocalServer(folder).start().wait_ready()
    assert answers(heir.url, heir.api_key)
    heir.stop()
    assert running(folder) is None
    with pytest.raises(ServerError, match="gradewise annotation serve"):
        open_desk(tmp_path)
