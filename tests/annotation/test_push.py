"""Push on a fake server: what is sent where, once, and what is told."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.client.fake import FakeServer, FakeStudio, Fault, KilledError
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.plan import plan_push
from annotation.sync.projects import find_project
from annotation.sync.push import push
from annotation.sync.status import status
from annotation.sync.store import Store
from annotation.sync.verify import TWIN, verify
from relevance.errors import InputError, ServerError

SHOWN = {"pair_key", "query", "context", "title", "description", "caption", "boards", "link"}
SHOWN |= {"image_html"}
GRADED = {"from_name": "relevance", "type": "choices", "value": {"choices": ["4"]}}


def keys_of(server: FakeServer, project_id: int | None = None) -> list[str]:
    """Pair keys on the server, by task number."""
    return [
        server.tasks[number]["data"]["pair_key"]
        for number in sorted(server.tasks)
        if project_id in (None, server.tasks[number]["project"])
    ]


def opinions(server: FakeServer) -> int:
    return sum(len(task["annotations"]) for task in server.tasks.values())


def with_draws(samples: pl.DataFrame, **draws: list[int]) -> pl.DataFrame:
    """Samples drawn to measure, and rows of them drawn again for other reasons."""
    parts = [samples.with_columns(draw=pl.lit("measure"))]
    parts += [samples[rows].with_columns(draw=pl.lit(draw)) for draw, rows in draws.items()]
    return pl.concat(parts)


def test_a_second_push_changes_nothing(make_desk, queries, pins, samples, judgments):
    server = FakeServer()
    first = push(make_desk(server), queries, pins, samples, finished=judgments)
    assert (first.n_pairs, first.n_new, first.n_finished) == (12, 12, 36)
    assert first.projects == {"en-US": 1, "fr-FR": 2}
    before = (len(server.tasks), opinions(server))
    again = push(make_desk(server), queries, pins, samples, finished=judgments)
    assert (again.n_new, again.n_finished, again.n_unsent, again.n_unclear) == (0, 0, 0, 0)
    assert before == (len(server.tasks), opinions(server)) == (12, 36)
    assert len(server.projects) == 2
    assert again.notes == ()


def test_nothing_about_arm_rank_score_draw_or_gold_reaches_the_server(
    make_desk, queries, pins, samples
):
    bodies: list[str] = []

    class Listening(FakeStudio):
        """Writes down every body that is sent."""

        def import_tasks(self, project_id, tasks):
            bodies.extend(json.dumps(task) for task in tasks)
            return super().import_tasks(project_id, tasks)

        def create_project(self, spec):
            bodies.append(repr(spec))
            return super().create_project(spec)

    server = FakeServer()
    desk = make_desk(server)
    desk = Desk(Listening(server), desk.store, LOCAL, desk.root, desk.image_hosts, desk.wait)
    secret = with_draws(samples, gold=[0, 3], repeat=[1, 2]).with_columns(
        stratum=pl.lit("treatment-arm"),
        inclusion_probability=pl.lit(0.123456),
        score=pl.lit(0.987654),
        rank=pl.lit("rank-77"),
    )
    marked = queries.with_columns(segment=pl.lit("treatment-arm"), traffic=pl.lit(0.987654))
    push(desk, marked, pins.with_columns(score=pl.lit(0.987654)), secret)
    tasks = [json.loads(body) for body in bodies if body.startswith("{")]
    assert len(tasks) == 14
    assert all(set(task) == {"data"} and set(task["data"]) == SHOWN for task in tasks)
    said = " ".join(bodies)
    for word in ("gold", "repeat", "measure", "treatment", "0.123456", "0.987654", "rank"):
        assert word not in json.dumps(tasks), word
    for word in ("treatment", "0.123456", "0.987654"):
        assert word not in said, word
    assert not any(q in said for q in ('"q1"', '"p0"')), "ids of queries and Pins stay here"


def test_finished_judgments_go_with_the_first_showing_only(
    make_desk, queries, pins, samples, judgments
):
    server = FakeServer()
    push(make_desk(server), queries, pins, with_draws(samples, repeat=[0]), finished=judgments)
    assert opinions(server) == judgments.height


def test_a_project_keeps_its_overlap_unless_another_is_asked_for(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples, overlap=2)
    assert push(desk, queries, pins, samples).notes == ()
    told = push(desk, queries, pins, samples, overlap=4).notes
    assert len(told) == 2
    assert "has 2 annotators a pair, not 4. Add --update" in told[0]
    assert server.projects[1]["overlap"] == 2
    assert push(desk, queries, pins, samples, overlap=4, update=True).notes == ()
    assert server.projects[1]["overlap"] == 4
    assert desk.store.project(LOCAL, "en-US").overlap == 4


def test_what_was_changed_on_the_server_is_told_and_put_right_only_when_asked(
    make_desk, queries, pins, samples
):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    before = dict(server.projects[1])
    server.projects[1].update(label_config="<View/>", instruction="be kind")
    notes = push(desk, queries, pins, samples).notes
    assert any("the form of project 1 (en-US, grade) was changed on the server" in n for n in notes)
    assert any("the guidelines of project 1" in note for note in notes)
    assert server.projects[1]["label_config"] == "<View/>"
    assert push(desk, queries, pins, samples, update=True).notes == ()
    assert server.projects[1] == before
    assert push(desk, queries, pins, samples).notes == ()


def test_an_older_form_is_told(make_desk, queries, pins, samples, monkeypatch):
    import annotation.sync.projects

    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    version = desk.store.project(LOCAL, "en-US").guideline_version
    monkeypatch.setattr(annotation.sync.projects, "guidelines", lambda **_: "<p>new</p>")
    notes = push(desk, queries, pins, samples).notes
    assert any(f"of version {version}, this gradewise makes" in note for note in notes)
    push(desk, queries, pins, samples, update=True)
    assert desk.store.project(LOCAL, "en-US").guideline_version != version
    assert server.projects[1]["instruction"] == "<p>new</p>"
    assert f"Guidelines {version}" not in server.projects[1]["description"]
    assert push(desk, queries, pins, samples).notes == ()


def test_a_project_is_found_again_by_its_marker(make_desk, queries, pins, samples):
    server = FakeServer([Fault.KILLED])
    with pytest.raises(KilledError):
        push(make_desk(server), queries, pins, samples)
    assert len(server.projects) == 1
    desk = make_desk(server)
    pushed = push(desk, queries, pins, samples)
    assert pushed.projects == {"en-US": 1, "fr-FR": 2}
    assert pushed.notes == ()
    server.projects[1]["description"] = "mine now"
    assert find_project(desk, "en-US") is None


def test_a_project_deleted_by_hand_is_made_again(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    gone = desk.store.project(LOCAL, "fr-FR").project_id
    del server.projects[gone]
    one = next(one for one in status(desk) if one.locale == "fr-FR")
    assert (one.n_tasks, one.n_missing) == (None, 4)
    server.projects[99] = {"description": "", "label_config": "", "overlap": 3, "title": "x"}
    push(desk, queries, pins, samples)
    assert desk.store.project(LOCAL, "fr-FR").project_id == 100
    assert len(keys_of(server, 100)) == 4


def test_finished_judgments_of_pairs_that_are_there_are_counted(
    make_desk, queries, pins, samples, judgments
):
    desk = make_desk()
    push(desk, queries, pins, samples)
    pushed = push(desk, queries, pins, samples, finished=judgments)
    assert (pushed.n_finished, pushed.n_unsent) == (0, judgments.height)


FAULTS = st.lists(st.sampled_from(list(Fault)), max_size=8)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(calm=st.integers(0, 16), faults=FAULTS, lateness=st.floats(0.5, 14), chunk=st.integers(1, 7))
def test_whatever_fails_every_pair_arrives_exactly_once(
    queries, pins, samples, judgments, calm, faults, lateness, chunk
):
    server = FakeServer([Fault.NONE] * calm + faults, lateness=lateness)
    drawn = with_draws(samples, repeat=[0, 7])
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(len(faults) + 1):
            store = Store(Path(folder) / "s.sqlite3")
            desk = Desk(FakeStudio(server), store, LOCAL, Path(folder), frozenset(), server.wait)
            try:
                push(desk, queries, pins, drawn, finished=judgments, chunk=chunk)
                break
            except (KilledError, ServerError):
                store.close()
        left = {finding.kind for finding in verify(desk).findings}
        store.close()
    assert len(keys_of(server)) == len(set(keys_of(server))) == 14
    assert opinions(server) == judgments.height
    twice = len(server.projects) > 2  # only a request repeated by a proxy makes a second one
    assert left == ({TWIN} if twice else set())
    assert not twice or Fault.TWICE in faults
    assert len({task["project"] for task in server.tasks.values()}) == 2
    assert not server.invitations_open


def test_a_request_carried_out_after_everything_is_swept_away_by_the_next_push(
    make_desk, queries, pins, samples
):
    server = FakeServer([Fault.NONE, Fault.LATE], lateness=1000)
    desk = make_desk(server)
    assert push(desk, queries, pins, samples).n_unclear == 1
    server.wait(2000)
    doubled = len(server.tasks) - samples.height
    assert doubled == 8
    assert push(desk, queries, pins, samples).n_surplus == doubled
    assert len(server.tasks) == samples.height


def test_the_sweep_never_removes_a_persons_work(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    first = next(iter(server.tasks.values()))
    server.add_tasks(first["project"], [{"data": first["data"]}])
    copy = max(server.tasks)
    for number in (first["id"], copy):
        server.add_annotation(number, 1, {"result": [GRADED]})
    assert push(desk, queries, pins, samples).n_surplus == 0
    assert copy in server.tasks


def test_a_person_who_is_quicker_than_the_sweep_keeps_the_task(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    first = next(iter(server.tasks.values()))
    copy = server.add_tasks(first["project"], [{"data": first["data"]}])[0]

    class Busy(FakeStudio):
        """Somebody grades a copy between the look at it and its deletion."""

        def delete_tasks(self, project_id, task_ids, *, keys, n_annotations):
            server.add_annotation(copy, 1, {"result": [GRADED]})
            super().delete_tasks(project_id, task_ids, keys=keys, n_annotations=n_annotations)

    busy = Desk(Busy(server), desk.store, LOCAL, desk.root, desk.image_hosts, desk.wait)
    assert push(busy, queries, pins, samples).n_surplus == 0
    assert server.tasks[copy]["annotations"]


def test_two_machines_that_push_at_the_same_time_leave_each_pair_once(
    make_desk, queries, pins, samples, tmp_path
):
    """Each sees an empty project; the second one's own push removes what it doubled."""
    server = FakeServer()
    here = make_desk(server)
    push(here, queries, pins, samples.head(1))
    here.store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "copy").mkdir()
    there = Store(tmp_path / "copy" / "gradewise.sqlite3")
    here.store.db.backup(there.db)

    class Overtaken(FakeStudio):
        """Before its first task arrives, the other machine has pushed everything."""

        pending = True

        def import_tasks(self, project_id, tasks):
            if self.pending:
                self.pending = False
                push(here, queries, pins, samples)
            return super().import_tasks(project_id, tasks)

    second = Desk(Overtaken(server), there, LOCAL, tmp_path / "copy", frozenset(), server.wait)
    pushed = push(second, queries, pins, samples)
    assert pushed.n_surplus == 7
    assert len(keys_of(server)) == len(set(keys_of(server))) == 12
    assert len(server.projects) == 2
    assert verify(second).n_leftovers == verify(here).n_leftovers == 0
    there.close()


def test_pairs_without_query_or_pin_are_refused(make_desk, queries, pins, samples):
    with pytest.raises(InputError, match="1 query_id of the samples are not in queries"):
        push(make_desk(), queries.head(2), pins, samples)
    with pytest.raises(InputError, match="1 pin_id of the samples are not in pins, such as 'p3'"):
        push(make_desk(), queries, pins.head(3), samples)


def test_a_server_that_stays_down_is_given_up_with_a_way_out(make_desk, queries, pins, samples):
    server = FakeServer([Fault.BEFORE] * 50)
    with pytest.raises(ServerError, match="Run the same command again to resume"):
        push(make_desk(server), queries, pins, samples)
    assert server.clock > 31, "it was left alone for longer and longer"


def test_two_pushes_of_a_workspace_at_a_time_are_refused(make_desk, queries, pins, samples):
    desk = make_desk()
    second = make_desk().store.lock(timeout=0.1)
    with desk.store.lock(), pytest.raises(ServerError, match="under way"), second:
        pass


def test_progress_reaches_the_total(make_desk, queries, pins, samples):
    desk, told = make_desk(), []
    push(desk, queries, pins, samples, chunk=2, progress=lambda *args: told.append(args[:2]))
    assert told[-1] == (12, 12)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    told.clear()
    push(desk, queries, pins, samples, progress=lambda *args: told.append(args[:2]))
    assert told[-1] == (12, 12)


def test_a_dry_run_says_what_a_push_would_do_and_does_nothing(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    plan = plan_push(desk, queries, pins, samples)
    assert [(one.locale, one.project_id, one.n_new) for one in plan.projects] == [
        ("en-US", None, 8),
        ("fr-FR", None, 4),
    ]
    assert (server.projects, desk.store.pairs(), plan.n_new) == ({}, {}, 12)
    push(desk, queries, pins, samples.head(6))
    for number in (1, 2):
        server.delete_task(number)
    server.projects[1]["label_config"] = "<View/>"
    before = server.clock
    plan = plan_push(desk, queries, pins, samples)
    one = plan.projects[0]
    assert (one.n_pairs, one.n_there, one.n_new, one.n_gone) == (8, 2, 6, 2)
    assert any("was changed on the server" in note for note in plan.notes)
    assert server.clock == before, "nothing was asked to change"
    assert push(desk, queries, pins, samples).n_new == plan.n_new
