"""What verify finds, what it removes, and what it leaves to a person."""

from __future__ import annotations

import polars as pl
import pytest

from annotation.client.fake import FakeServer, FakeStudio
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.push import push
from annotation.sync.remote import numbers_of
from annotation.sync.store import Store
from annotation.sync.surplus import surplus
from annotation.sync.verify import DOUBLED, EDITED, FOREIGN, GONE, MISSING, TWIN, verify
from relevance.errors import ServerError

GRADED = {"result": [{"from_name": "relevance", "type": "choices", "value": {"choices": ["4"]}}]}


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def desk(make_desk, server, queries, pins, samples) -> Desk:
    """Twelve pairs were pushed: eight to project 1, four to project 2."""
    made = make_desk(server)
    push(made, queries, pins, samples)
    return made


def kinds(found) -> list[tuple[str, int | None]]:
    return [(one.kind, one.task_id) for one in found.findings]


def copy_of(server: FakeServer, number: int) -> int:
    task = server.tasks[number]
    return server.add_tasks(task["project"], [{"data": task["data"]}])[0]


def test_nothing_is_found_where_nothing_is_wrong(desk):
    found = verify(desk)
    assert (found.n_leftovers, found.n_removed) == (0, 0)
    assert [(one.n_pairs, one.n_tasks) for one in found.projects] == [(8, 8), (4, 4)]


def test_copies_that_nobody_graded_are_removed(desk, server):
    copies = {copy_of(server, 1), copy_of(server, 1), copy_of(server, 9)}
    found = verify(desk)
    assert (found.n_removed, found.n_leftovers) == (3, 0)
    assert not copies & server.tasks.keys()
    assert found.projects[0].n_tasks == 10
    assert verify(desk).n_removed == 0


def test_the_copy_that_was_graded_stays(desk, server):
    copy = copy_of(server, 1)
    server.add_annotation(copy, 1, GRADED)
    assert verify(desk).n_removed == 1
    assert copy in server.tasks
    assert 1 not in server.tasks


def test_copies_that_were_graded_both_stay_and_are_told(desk, server):
    copy = copy_of(server, 1)
    for number in (1, copy):
        server.add_annotation(number, 1, GRADED)
    found = verify(desk)
    assert (found.n_removed, kinds(found)) == (0, [(DOUBLED, copy)])
    assert found.projects[0].n_doubled == 1
    assert {1, copy} <= server.tasks.keys()


def test_an_imported_answer_on_both_copies_is_kept_once(
    make_desk, server, queries, pins, samples, judgments
):
    desk = make_desk(server)
    push(desk, queries, pins, samples, finished=judgments)
    imported = [
        {
            "id": one["import_id"],
            "completed_by": {"email": server.users[one["completed_by"]]},
            "result": one["result"],
        }
        for one in server.tasks[1]["annotations"]
    ]
    server.add_tasks(1, [{"data": server.tasks[1]["data"], "annotations": imported}])
    assert verify(desk).n_removed == 1
    assert len(server.tasks[1]["annotations"]) == 3


def test_missing_tasks_are_told_by_pair(desk, server):
    key = server.tasks[3]["data"]["pair_key"]
    server.delete_task(3)
    found = verify(desk)
    assert kinds(found) == [(MISSING, None)]
    pair = desk.store.pairs()[key]
    assert (found.findings[0].query_id, found.findings[0].pin_id) == (pair.query_id, pair.pin_id)


def test_tasks_that_nobody_here_pushed_are_told_and_left(desk, server):
    numbers = server.add_tasks(
        1, [{"data": {"pair_key": "x"}}, {"data": {"query": "no key"}}, {"data": {}}]
    )
    found = verify(desk)
    assert kinds(found) == [(FOREIGN, number) for number in numbers]
    assert set(numbers) <= server.tasks.keys()


@pytest.mark.parametrize(
    "change",
    [
        {"title": "A better rug"},
        {"query": "something else"},
        {"hint": "grade this 5"},
        {"image_html": "<b>sponsored</b>"},
        {"image_html": '<img src="http://evil.example/x.png">'},
    ],
)
def test_a_task_whose_data_was_changed_is_told(desk, server, change):
    server.edit_task(2, **change)
    found = verify(desk)
    assert kinds(found) == [(EDITED, 2)]
    assert found.projects[0].n_edited == 1


def test_a_task_that_lost_a_field_is_told(desk, server):
    del server.tasks[2]["data"]["title"]
    assert kinds(verify(desk)) == [(EDITED, 2)]


def test_a_key_given_to_another_task_is_told(desk, server):
    server.edit_task(2, pair_key=server.tasks[1]["data"]["pair_key"])
    found = verify(desk)
    assert found.n_removed == 1, "the other copy of task 1 was edited, and nobody graded it"
    assert kinds(found) == [(MISSING, None)]
    assert 1 in server.tasks


def test_of_two_copies_the_edited_one_goes(desk, server):
    copy = copy_of(server, 1)
    server.edit_task(1, title="A better rug")
    found = verify(desk)
    assert (found.n_removed, found.n_leftovers) == (1, 0)
    assert copy in server.tasks
    assert 1 not in server.tasks


def test_a_repeat_is_no_copy(make_desk, server, queries, pins, samples):
    desk = make_desk(server)
    again = pl.concat(
        [
            samples.with_columns(draw=pl.lit("measure")),
            samples.head(3).with_columns(draw=pl.lit("repeat")),
        ]
    )
    push(desk, queries, pins, again)
    found = verify(desk)
    assert (found.n_leftovers, found.n_removed, len(server.tasks)) == (0, 0, 15)


def test_a_project_that_is_gone_is_told(desk, server):
    del server.projects[2]
    found = verify(desk)
    assert kinds(found) == [(GONE, None)]
    assert [(one.n_tasks, one.n_missing) for one in found.projects] == [(8, 0), (None, 4)]


def test_a_project_made_twice_is_told(desk, server):
    server.projects[7] = dict(server.projects[1])
    found = verify(desk)
    assert [(one.kind, one.project_id) for one in found.findings] == [(TWIN, 7)]


def test_what_another_machine_pushed_is_ours(desk, server, tmp_path, queries, pins, samples):
    (tmp_path / "copy").mkdir()
    there = Store(tmp_path / "copy" / "gradewise.sqlite3")
    desk.store.db.backup(there.db)
    server.delete_task(1)
    server.delete_task(2)
    there.db.execute("DELETE FROM tasks")
    other = Desk(FakeStudio(server), there, LOCAL, tmp_path / "copy", frozenset(), server.wait)
    assert verify(other).n_leftovers == 0, "it knows the keys, and learns what is there"
    assert verify(other).projects[0].n_pairs == 6
    assert verify(desk).n_leftovers == 2
    there.close()


def test_it_waits_for_a_push_to_end(make_desk, server, desk, monkeypatch):
    from annotation.sync import store

    monkeypatch.setitem(store.Store.lock.__wrapped__.__kwdefaults__, "timeout", 0.1)
    other = make_desk(server)
    with (
        desk.store.lock(),
        pytest.raises(ServerError, match="another push of this workspace is under way"),
    ):
        verify(other)


def test_progress_reaches_the_total(desk):
    told = []
    verify(desk, progress=lambda *args: told.append(args[:2]))
    assert told[-1] == (12, 12)


def test_a_listing_that_skips_a_task_is_not_believed(desk, server):
    """A page misses a task when one before it is deleted while the pages are read."""

    class Skipping(FakeStudio):
        def identities(self, project_id, *, page, size):
            return super().identities(project_id, page=page, size=size)[1:]

        def outlines(self, project_id, *, page, size):
            return super().outlines(project_id, page=page, size=size)[1:]

    seen = Desk(Skipping(server), desk.store, LOCAL, desk.root, frozenset(), desk.wait)
    assert verify(seen).n_leftovers == 0
    keys = list(desk.store.tasks(LOCAL, 1))
    assert set(numbers_of(seen, 1, 8, keys)) == set(keys)


def test_few_keys_are_asked_for_many_are_listed(desk, server):
    asked = []

    class Counting(FakeStudio):
        def identities(self, project_id, *, page, size):
            asked.append("list")
            return super().identities(project_id, page=page, size=size)

        def tasks(self, project_id, *, page, size, keys=None, since=None):
            asked.append("keys")
            return super().tasks(project_id, page=page, size=size, keys=keys, since=since)

    seen = Desk(Counting(server), desk.store, LOCAL, desk.root, frozenset(), desk.wait)
    keys = list(desk.store.tasks(LOCAL, 1))
    assert numbers_of(seen, 1, 0, keys) == {}
    assert asked == []
    assert len(numbers_of(seen, 1, 8, keys)) == 8
    assert asked == ["list"]
    assert numbers_of(seen, 1, 8, keys[:1]).keys() == set(keys[:1])
    assert asked == ["list", "keys"]


def test_which_copy_stays():
    plain = {"id": 1, "annotations": []}
    graded = {"id": 2, "annotations": [{"import_id": None}]}
    imported = {"id": 3, "annotations": [{"import_id": 5}]}
    both = {"id": 4, "annotations": [{"import_id": 5}, {"import_id": 6}]}
    assert surplus([plain, graded]) == [plain]
    assert surplus([imported, both, plain]) == [imported, plain]
    assert surplus([graded, imported]) == []
    assert surplus([plain, {**plain, "id": 9}], edited={1}) == [plain]
