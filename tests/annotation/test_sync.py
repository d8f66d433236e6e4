from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.desk import LOCAL, Desk
from annotation.fake import FakeServer, FakeStudio, Fault, KilledError
from annotation.store import Store
from annotation.sync import pull, push, status, submit
from relevance.errors import InputError, ServerError

KEY = ["query_id", "pin_id", "annotator"]
SAID = [*KEY, "grade", "flag", "comment", "seconds"]


def said(frame: pl.DataFrame) -> list[tuple]:
    return frame.select(SAID).sort(KEY).rows()


def test_everything_comes_back_and_says_which_way(make_desk, queries, pins, samples, judgments):
    desk = make_desk()
    direct = judgments.filter(pl.col("query_id") == "q1")
    finished = judgments.filter(pl.col("query_id") != "q1")
    pushed = push(desk, queries, pins, samples, finished=finished)
    assert (pushed.n_pairs, pushed.n_new, pushed.n_finished) == (12, 12, 24)
    assert set(pushed.countries) == {"US", "FR"}
    assert submit(desk, direct).n_new == 12
    pulled = pull(desk)
    assert said(pulled.judgments) == said(judgments)
    assert pulled.by_source == {"endpoint": 12, "import": 24}
    ways = dict(pulled.judgments.select("query_id", "source").unique().iter_rows())
    assert ways == {"q1": "endpoint", "q2": "import", "q3": "import"}
    assert pulled.rejected.height == 0
    assert pulled.judgments.select(KEY).is_unique().all()
    assert pulled.judgments[KEY].equals(pulled.judgments[KEY].sort(KEY))
    assert pulled.judgments["guideline_version"].n_unique() == 1


def test_a_second_push_and_submission_change_nothing(make_desk, queries, pins, samples, judgments):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples, finished=judgments)
    submit(desk, judgments.head(3))
    before = (len(server.tasks), sum(len(t["annotations"]) for t in server.tasks.values()))
    again = make_desk(server)
    pushed = push(again, queries, pins, samples, finished=judgments)
    assert (pushed.n_new, pushed.n_finished, pushed.n_unsent) == (0, 0, 0)
    submitted = submit(again, judgments.head(3))
    assert (submitted.n_new, submitted.n_there) == (0, 3)
    assert before == (len(server.tasks), sum(len(t["annotations"]) for t in server.tasks.values()))
    assert len(server.projects) == 2


def test_finished_judgments_of_pairs_that_are_there_are_counted_and_can_be_submitted(
    make_desk, queries, pins, samples, judgments
):
    desk = make_desk()
    push(desk, queries, pins, samples)
    pushed = push(desk, queries, pins, samples, finished=judgments)
    assert (pushed.n_finished, pushed.n_unsent) == (0, judgments.height)
    submit(desk, judgments)
    assert said(pull(desk).judgments) == said(judgments)
    assert push(desk, queries, pins, samples, finished=judgments).n_unsent == 0


FAULTS = st.lists(st.sampled_from(list(Fault)), max_size=8)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(calm=st.integers(0, 16), faults=FAULTS, lateness=st.floats(0.5, 14), chunk=st.integers(1, 7))
def test_whatever_fails_everything_arrives_exactly_once(
    queries, pins, samples, judgments, calm, faults, lateness, chunk
):
    server = FakeServer([Fault.NONE] * calm + faults, lateness=lateness)
    direct = judgments.filter(pl.col("query_id") == "q1")
    finished = judgments.filter(pl.col("query_id") != "q1")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(len(faults) + 1):
            store = Store(Path(folder) / "s.sqlite3")
            desk = Desk(FakeStudio(server), store, LOCAL, Path(folder), frozenset(), server.wait)
            try:
                pushed = push(desk, queries, pins, samples, finished=finished, chunk=chunk)
                assert pushed.n_surplus == 0
                submit(desk, direct, threads=1)
            except (KilledError, ServerError):
                store.close()
                continue
            pulled = pull(desk)
            store.close()
            break
    assert said(pulled.judgments) == said(judgments)
    assert pulled.by_source == {"endpoint": 12, "import": 24}
    keys = [task["data"]["pair_key"] for task in server.tasks.values()]
    assert len(keys) == len(set(keys)) == samples.height
    assert len(server.projects) == 2
    assert not server.invitations_open


def test_a_request_carried_out_after_everything_is_swept_away_by_the_next_push(
    make_desk, queries, pins, samples, judgments
):
    server = FakeServer([Fault.NONE, Fault.LATE], lateness=1000)
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    server.wait(2000)
    doubled = len(server.tasks) - samples.height
    assert doubled == 4
    assert push(desk, queries, pins, samples).n_surplus == doubled
    assert len(server.tasks) == samples.height


def test_the_sweep_never_removes_a_persons_work(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    first = next(iter(server.tasks.values()))
    server.add_tasks(first["project"], [{"data": first["data"]}])
    copy = max(server.tasks)
    grade = {"from_name": "relevance", "type": "choices", "value": {"choices": ["4"]}}
    for number in (first["id"], copy):
        server.add_annotation(number, 1, {"result": [grade]})
    assert push(desk, queries, pins, samples).n_surplus == 0
    assert copy in server.tasks
    assert pull(desk).judgments.height == 1


def test_a_reused_task_number_is_not_mistaken(make_desk, queries, pins, samples, judgments):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples, finished=judgments)
    last = max(server.tasks)
    project = server.tasks[last]["project"]
    del server.tasks[last]
    server.add_tasks(project, [{"data": {"pair_key": "somebody else's"}}])
    server.add_annotation(last, 1, {"result": []})
    pulled = pull(desk)
    assert pulled.rejected["reason"].to_list() == [
        "unknown pair: the task was not pushed from this workspace"
    ]
    assert pulled.judgments.height == judgments.height - 3


def test_a_project_deleted_by_hand_is_told_and_made_again(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    gone = desk.store.project(LOCAL, "FR").project_id
    del server.projects[gone]
    assert any("is gone" in note for note in pull(desk).notes)
    assert next(one for one in status(desk) if one.country == "FR").n_tasks is None
    server.projects[99] = {"description": "", "label_config": "", "overlap": 3, "title": "x"}
    push(desk, queries, pins, samples)
    assert desk.store.project(LOCAL, "FR").project_id == 100


def test_a_changed_form_is_told(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    server.projects[1]["label_config"] = "<View/>"
    assert any("was changed" in note for note in pull(desk).notes)


def test_people_unknown_here_get_a_pseudonym(make_desk, queries, pins, samples):
    server = FakeServer()
    server.users[7] = "jane.doe@example.org"
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    grade = {"from_name": "relevance", "type": "choices", "value": {"choices": ["2"]}}
    server.add_annotation(min(server.tasks), 7, {"result": [grade], "lead_time": 3.25})
    row = pull(desk).judgments.row(0, named=True)
    assert row["annotator"].startswith("person-")
    assert "jane" not in str(row)
    assert (row["grade"], row["seconds"], row["source"]) == (2, 3.25, "endpoint")
    assert pull(desk).judgments["annotator"][0] == row["annotator"]


def test_nothing_about_arm_rank_or_score_reaches_the_server(make_desk, queries, pins, samples):
    server = FakeServer()
    marked = samples.with_columns(draw=pl.lit("gold"), stratum=pl.lit("treatment"), score=pl.lit(9))
    push(make_desk(server), queries, pins, marked)
    shown = {"pair_key", "query", "context", "title", "description", "caption", "boards", "link"}
    for task in server.tasks.values():
        assert set(task["data"]) == shown | {"image_html"}
        assert "gold" not in str(task)
        assert "treatment" not in str(task)


def test_pairs_without_query_or_pin_are_refused(make_desk, queries, pins, samples):
    with pytest.raises(InputError, match="1 query_id of the samples are not in queries"):
        push(make_desk(), queries.head(2), pins, samples)
    with pytest.raises(InputError, match="1 pin_id of the samples are not in pins, such as 'p3'"):
        push(make_desk(), queries, pins.head(3), samples)


def test_judgments_of_pairs_never_pushed_are_refused(make_desk, queries, pins, samples, judgments):
    desk = make_desk()
    push(desk, queries, pins, samples.head(1))
    with pytest.raises(InputError, match="was not pushed"):
        submit(desk, judgments)


def test_nothing_pushed_is_told(make_desk):
    with pytest.raises(InputError, match="gradewise annotation push"):
        pull(make_desk())


def test_a_server_that_stays_down_is_given_up_with_a_way_out(make_desk, queries, pins, samples):
    server = FakeServer([Fault.BEFORE] * 50)
    with pytest.raises(ServerError, match="Run the same command again to resume"):
        push(make_desk(server), queries, pins, samples)


def test_two_pushes_at_a_time_are_refused(make_desk, queries, pins, samples):
    desk = make_desk()
    second = make_desk().store.lock(timeout=0.1)
    with desk.store.lock(), pytest.raises(ServerError, match="under way"), second:
        pass


def test_the_store_is_private(make_desk):
    desk = make_desk()
    assert stat.S_IMODE(desk.store.path.stat().st_mode) == 0o600


def test_progress_reaches_the_total(make_desk, queries, pins, samples, judgments):
    desk, told = make_desk(), []
    push(desk, queries, pins, samples, chunk=2, progress=lambda *args: told.append(args[:2]))
    assert told[-1] == (12, 12)
    submit(desk, judgments, progress=lambda *args: told.append(args[:2]))
    assert told[-1] == (36, 36)
    pull(desk, progress=lambda *args: told.append(args[:2]))
    assert told[-1] == (12, 12)
