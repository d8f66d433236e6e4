from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime

import pytest

from annotation.client.fake import FakeServer, FakeStudio
from annotation.sync import fetch
from annotation.sync.pull import pull
from annotation.sync.push import push
from annotation.sync.store import Store
from annotation.sync.tables import HISTORY, REJECTED, write_history, write_pulled
from relevance.errors import InputError, ServerError
from relevance.workspace import Workspace

GRADE = {"from_name": "relevance", "type": "choices", "value": {"choices": ["4"]}}
OTHER = {**GRADE, "value": {"choices": ["2"]}}


class Counted(FakeStudio):
    """Counts the tasks that are read, and can be told to fail."""

    def __init__(self, server: FakeServer) -> None:
        super().__init__(server)
        self.read: list[int] = []
        self.die_after = 10**9

    def tasks(self, project_id, **options):
        if len(self.read) >= self.die_after:
            raise KeyboardInterrupt
        found = super().tasks(project_id, **options)
        self.read.append(len(found))
        return found


@pytest.fixture
def server():
    return FakeServer()


@pytest.fixture
def time(monkeypatch, server):
    """The client's clock goes with the server's."""
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    monkeypatch.setattr(fetch, "clock", lambda: start + server.clock)


@pytest.fixture
def desk(make_desk, server, queries, pins, samples, time):
    """A desk in whose server 12 pairs wait: project 1 is American (8 tasks), project 2 French."""
    import dataclasses

    opened = dataclasses.replace(make_desk(server), studio=Counted(server))
    push(opened, queries, pins, samples)
    return opened


def events(desk) -> list[tuple]:
    rows = desk.store.db.execute("SELECT event, annotation_id, grade FROM log ORDER BY id")
    return rows.fetchall()


def graded(desk, task=1, result=GRADE, **more):
    desk.studio.server.add_annotation(task, 1, {"result": [result], "lead_time": 3.0, **more})
    return desk.studio.server._annotations


def test_new_edited_and_deleted_are_told_and_kept_as_history(desk, server):
    first, second = graded(desk), graded(desk, 2)
    pulled = pull(desk)
    assert (pulled.n_new, pulled.n_edited, pulled.n_deleted) == (2, 0, 0)
    server.edit_annotation(first, [OTHER], by=1)
    server.delete_annotation(second)
    pulled = pull(desk)
    assert (pulled.n_new, pulled.n_edited, pulled.n_deleted) == (0, 1, 1)
    assert pulled.judgments["grade"].to_list() == [2]
    assert events(desk) == [
        ("new", first, 4), ("new", second, 4), ("deleted", second, 4), ("edited", first, 2),
    ]  # fmt: skip
    again = pull(desk)
    assert (again.n_new, again.n_edited, again.n_deleted) == (0, 0, 0)
    assert again.judgments.equals(pulled.judgments)


def test_only_what_changed_is_read(desk, server):
    for task in range(1, 13):
        graded(desk, task)
    pull(desk)
    server.wait(31)
    pull(desk)  # reads the last half minute again, late comers included
    server.wait(31)
    desk.studio.read.clear()
    graded(desk, 7, OTHER)
    assert pull(desk).n_new == 1
    assert sum(desk.studio.read) <= 3


def test_what_becomes_visible_late_is_found(desk, server):
    graded(desk, 9)
    first = graded(desk, 1)
    pull(desk)
    # Dated before the last change that was seen, written down after: an edit, so counts agree.
    server.edit_annotation(first, [OTHER], by=1)
    moment = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    server.tasks[1]["updated_at"] = moment
    assert pull(desk).n_edited == 1
    server.wait(31)
    pull(desk)
    server.wait(31)
    desk.studio.read.clear()
    pull(desk)
    assert sum(desk.studio.read) <= 2


def test_after_a_bulk_import_tasks_are_counted_instead_of_read_again(desk, server, monkeypatch):
    for task in range(1, 13):
        graded(desk, task)
    pull(desk)
    monkeypatch.setattr(fetch, "PAGE", 3)
    desk.studio.read.clear()
    pull(desk)
    assert sum(desk.studio.read) <= 8, "the window of 12 tasks was read again"
    first = server.tasks[5]["annotations"][0]
    first["result"] = [OTHER]
    server.tasks[5]["updated_at"] = "2025-12-31T23:59:00Z"  # one fewer in the window
    desk.studio.read.clear()
    assert pull(desk).n_edited == 0
    assert sum(desk.studio.read) >= 8
    assert pull(desk, full=True).n_edited == 1


def test_killed_anywhere_it_resumes_without_loss_or_doubling(desk, server, monkeypatch):
    monkeypatch.setattr(fetch, "PAGE", 2)
    for task in range(1, 13):
        graded(desk, task)
    for pages in range(6):
        desk.studio.read.clear()
        desk.studio.die_after = pages
        with pytest.raises(KeyboardInterrupt):
            pull(desk)
    desk.studio.die_after = 10**9
    assert pull(desk).judgments.height == 12
    assert [event for event, *_ in events(desk)] == ["new"] * 12
    graded(desk, 3, OTHER)
    server.delete_annotation(1)
    for pages in range(2):
        desk.studio.read.clear()
        desk.studio.die_after = pages
        with pytest.raises(KeyboardInterrupt):
            pull(desk)
    desk.studio.die_after = 10**9
    pull(desk)
    assert sorted(event for event, *_ in events(desk)) == ["deleted", *["new"] * 13]


def test_deleted_tasks_are_found_by_the_counts(desk, server):
    for task in range(1, 13):
        graded(desk, task)
    pull(desk)
    server.delete_task(2)
    server.delete_task(11)
    pulled = pull(desk)
    assert (pulled.n_deleted, pulled.judgments.height) == (2, 10)
    desk.studio.read.clear()
    assert pull(desk).n_deleted == 0
    kept = desk.store.db.execute("SELECT count(*) FROM log WHERE event = 'deleted'").fetchone()
    assert kept == (2,)


def test_a_deleted_task_whose_number_is_used_again_is_not_mistaken(desk, server):
    last = max(server.tasks)
    project, data = server.tasks[last]["project"], server.tasks[last]["data"]
    number = graded(desk, last)
    pull(desk)
    server.delete_task(last)
    server.wait(1)
    server.add_tasks(project, [{"data": {**data, "pair_key": "somebody else's"}}])
    server.add_annotation(last, 1, {"result": []})
    pulled = pull(desk)
    assert (pulled.n_new, pulled.n_deleted) == (1, 1)
    assert pulled.rejected["reason"].to_list() == [
        "unknown pair: the task was not pushed from this workspace"
    ]
    assert events(desk)[1] == ("deleted", number, 4)


def test_a_number_of_an_annotation_that_is_used_again_is_another_annotation(desk, server):
    number = graded(desk, 1)
    pull(desk)
    server.delete_annotation(number)
    server._annotations = number - 1
    assert graded(desk, 2, OTHER) == number
    pulled = pull(desk)
    assert (pulled.n_new, pulled.n_edited, pulled.n_deleted) == (1, 0, 1)
    assert events(desk) == [("new", number, 4), ("deleted", number, 4), ("new", number, 2)]


def test_a_full_pull_finds_what_left_no_trace(desk, server):
    first = graded(desk, 1)
    graded(desk, 2)
    pull(desk)
    server.wait(31)
    pull(desk)
    server._annotation(first)[1]["result"] = [OTHER]  # no date was changed
    assert pull(desk).n_edited == 0
    server.delete_task(2)
    server.add_tasks(1, [{"data": {"pair_key": "x"}}])  # as many as before
    pulled = pull(desk, full=True)
    assert (pulled.n_edited, pulled.n_deleted) == (1, 1)


def test_tasks_dated_in_the_future_hide_nothing(desk, server):
    graded(desk, 1)
    server.tasks[1]["updated_at"] = "2026-01-01T09:00:00Z"  # a bulk deletion east of Greenwich
    pull(desk)
    first = graded(desk, 2)
    pull(desk)
    server.edit_annotation(first, [OTHER], by=1)
    assert pull(desk).n_edited == 1


def test_a_count_that_stays_wrong_is_looked_into_once(desk, server, monkeypatch):
    import dataclasses

    graded(desk, 1)
    pull(desk)
    server.wait(31)
    pull(desk)
    honest = desk.studio.project
    monkeypatch.setattr(
        desk.studio,
        "project",
        lambda number: dataclasses.replace(honest(number), n_annotations=99),
    )
    desk.studio.read.clear()
    pull(desk)
    assert sum(desk.studio.read) >= 12
    desk.studio.read.clear()
    pull(desk)
    assert sum(desk.studio.read) <= 5


def test_a_project_gone_from_the_server_keeps_its_judgments(desk, server):
    graded(desk, 1)
    pull(desk)
    for project in list(server.projects):
        del server.projects[project]
    pulled = pull(desk)
    assert pulled.judgments.height == 1
    assert ["gone from the server" in note for note in pulled.notes] == [True, True]


def test_nothing_pushed_is_told(make_desk):
    with pytest.raises(InputError, match="gradewise annotation push"):
        pull(make_desk())


def test_two_pulls_at_a_time_are_refused(desk, monkeypatch):
    from functools import partialmethod

    with closing(Store(desk.store.path)) as other, other.lock("pull"):
        monkeypatch.setattr(Store, "lock", partialmethod(Store.lock, timeout=0.1))
        with pytest.raises(ServerError, match="another pull of this workspace is under way"):
            pull(desk)


def test_progress_reaches_the_total(desk):
    for full in (True, False):
        told = []
        pull(desk, full=full, progress=lambda *args: told.append(args[:2]))  # noqa: B023
        assert told[-1] == (12, 12)
        assert told == sorted(told)


def test_the_files_of_a_pull(desk, server, tmp_path):
    space = Workspace(tmp_path)
    graded(desk, 1)
    graded(desk, 2, {**GRADE, "value": {"choices": ["9"]}})
    write_pulled(space, desk.store, pull(desk))
    assert space.read("judgments").height == 1
    assert not space.has("repeats")
    rejected = [json.loads(line) for line in (tmp_path / REJECTED).read_text().splitlines()]
    assert [row["reason"][:13] for row in rejected] == ["unknown grade"]
    lines = (tmp_path / HISTORY).read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["new", "new"]
    pair = desk.store.pairs()[server.tasks[1]["data"]["pair_key"]]
    assert json.loads(lines[0])["query_id"] == pair.query_id
    server.delete_annotation(1)
    write_pulled(space, desk.store, pull(desk))
    longer = (tmp_path / HISTORY).read_text().splitlines()
    assert longer[:2] == lines
    assert json.loads(longer[2])["event"] == "deleted"
    (tmp_path / HISTORY).write_text("damaged\n")
    write_history(tmp_path / HISTORY, desk.store)
    assert (tmp_path / HISTORY).read_text().splitlines() == longer
