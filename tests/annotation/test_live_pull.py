"""What only a real Label Studio can show of pulling: its dates, its counts, its deletions."""

from __future__ import annotations

import threading

import httpx
import polars as pl
import pytest

import annotation.server
from annotation.local.install import find_executable
from annotation.server import LocalServer
from annotation.sync.desk import LOCAL, open_desk
from annotation.sync.forget import forget
from annotation.sync.pull import pull
from annotation.sync.push import push
from annotation.sync.submit import submit
from annotation.sync.tables import write_pulled
from annotation.sync.webhook import Receiver, registered
from annotation.tasks import annotation_result
from relevance.workspace import Workspace

pytestmark = [
    pytest.mark.live,
    # The SDK's own, while it refreshes a token.
    pytest.mark.filterwarnings("ignore:The `parse_obj` method:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def server(space):
    """A server that may call receivers on loopback, which ours usually may not."""
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    usual = annotation.server.server_settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            annotation.server,
            "server_settings",
            lambda *args: {**usual(*args), "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false"},
        )
        with LocalServer(space.root / "label-studio") as started:
            yield started


@pytest.fixture
def api(server):
    """The server as somebody with its token sees it, without our gateway."""
    token = {"Authorization": f"Token {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=token, timeout=60) as client:
        yield client


@pytest.fixture
def desk(server, space):
    with open_desk(space.root, server=server) as opened:
        yield opened


def ids(desk, **wanted):
    """Numbers of annotations and tasks by what was pulled."""
    where = " AND ".join(f"{name} = ?" for name in wanted)
    rows = desk.store.db.execute(
        f"SELECT annotation_id, task_id FROM live WHERE {where} ORDER BY 1", [*wanted.values()]
    )
    return rows.fetchall()


def test_every_kind_of_change_is_found(desk, api, queries, pins, samples, judgments):
    push(desk, queries, pins, samples, finished=judgments.filter(pl.col("query_id") == "q2"))
    submit(desk, judgments.filter(pl.col("query_id") == "q1", pl.col("annotator") != "q1-c"))
    first = pull(desk)
    assert (first.n_new, first.judgments.height, first.rejected.height) == (20, 20, 0)
    assert first.by_source == {"endpoint": 8, "import": 12}
    assert pull(desk).n_new == 0
    mine = ids(desk, annotator="q1-a")
    other = {"result": annotation_result({"grade": 1})}
    api.patch(f"/api/annotations/{mine[0][0]}/", json=other).raise_for_status()
    api.delete(f"/api/annotations/{mine[1][0]}/").raise_for_status()
    api.post(f"/api/tasks/{mine[2][1]}/annotations/?was_cancelled=1", json={"result": []})
    people = {email: number for number, email in desk.studio.people().items()}
    forged = {"completed_by": people["q1-b@graders.example.com"], **other}
    api.post(f"/api/tasks/{mine[3][1]}/annotations/", json=forged).raise_for_status()
    second = pull(desk)
    assert (second.n_new, second.n_edited, second.n_deleted) == (2, 1, 1)
    assert second.by_reason == {"changed by another person": 2}
    assert second.judgments["flag"].to_list().count("skipped") == 1
    quiet = pull(desk)
    assert (quiet.n_new, quiet.n_edited, quiet.n_deleted, quiet.notes) == (0, 0, 0, ())


def test_deleted_and_edited_tasks_are_found(desk, api):
    before = pull(desk)
    gone = ids(desk, annotator="q1-b")[0][1]
    n_gone = len(ids(desk, task_id=gone))
    api.delete(f"/api/tasks/{gone}/").raise_for_status()
    after = pull(desk)
    assert (after.n_deleted, after.n_new) == (n_gone, 0)
    assert after.judgments.height + after.rejected.height == (
        before.judgments.height + before.rejected.height - n_gone
    )
    task = ids(desk, annotator="q2-a")[0][1]
    shown = api.get(f"/api/tasks/{task}/").json()["data"]
    api.patch(f"/api/tasks/{task}/", json={"data": {**shown, "title": "Spoiled"}})
    desk.studio.annotate(task, {"result": annotation_result({"grade": 5}), "lead_time": 3.0})
    found = pull(desk)
    assert found.by_reason["task changed"] == 1
    assert found.judgments.height == after.judgments.height, "what was graded before stays"
    assert pull(desk, full=True).judgments.height == found.judgments.height


def test_a_bulk_deletion_is_found(desk):
    """It dates tasks in local time, so the dates may say nothing."""
    people = {email: number for number, email in desk.studio.people().items()}
    project = desk.store.project(LOCAL, "en-US").project_id
    n = len(ids(desk, annotator="q1-b"))
    desk.studio.delete_annotations_of(project, people["q1-b@graders.example.com"])
    assert pull(desk).n_deleted == n > 2
    assert ids(desk, annotator="q1-b") == []


def test_a_form_changed_on_the_server(desk):
    project = desk.store.project(LOCAL, "en-US").project_id
    config = desk.studio.project(project).label_config
    changed = config.replace('hotkey="5"', 'hotkey="9"')
    assert changed != config
    desk.studio.update_project(project, label_config=changed)
    task = ids(desk, annotator="q1-a", project_id=project)[0][1]
    desk.studio.annotate(task, {"result": annotation_result({"grade": 2}), "lead_time": 3.0})
    pulled = pull(desk)
    assert pulled.by_reason["other form"] == 1
    assert any("--accept-config" in note for note in pulled.notes)
    assert "other form" not in pull(desk, accept_config=True).by_reason
    assert pull(desk).notes == ()


def test_the_server_rings_when_something_is_graded(desk):
    rung = threading.Event()
    task = ids(desk, annotator="q1-a")[1][1]
    with Receiver("s3cret", rung.set) as receiver, registered(desk, receiver.url, "s3cret"):
        desk.studio.annotate(task, {"result": annotation_result({"grade": 2}), "lead_time": 3.0})
        assert rung.wait(10)
        rung.clear()
    desk.studio.annotate(task, {"result": annotation_result({"grade": 2}), "lead_time": 3.0})
    assert not rung.is_set()
    assert pull(desk).n_new == 2


def test_a_person_is_forgotten_on_the_server_too(desk, space):
    write_pulled(space, desk.store, pull(desk))
    email = b"q2-c@graders.example.com"
    database = space.root / "label-studio" / "label_studio.sqlite3"
    assert email in database.read_bytes()
    done = forget(desk.store, space, "q2-c", on_server=desk)
    assert (done.n_annotations, done.server, done.naming) == (4, (), ())
    assert email.decode() not in desk.studio.people().values()
    for path in space.root.rglob("*"):
        if path.is_file():
            assert email not in path.read_bytes(), path
    pulled = pull(desk, full=True)
    assert (pulled.n_new, pulled.n_deleted, pulled.notes) == (0, 0, ())
    assert "no annotator" not in pulled.by_reason
