from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.client.fake import FakeServer, FakeStudio, Fault, KilledError
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.pull import pull
from annotation.sync.push import push
from annotation.sync.store import Store
from annotation.sync.submit import submit
from relevance.errors import InputError, ServerError

KEY = ["query_id", "pin_id", "annotator"]
SAID = [*KEY, "grade", "flag", "comment", "seconds"]


def said(frame: pl.DataFrame) -> list[tuple]:
    return frame.select(SAID).sort(KEY).rows()


def n_annotations(server: FakeServer) -> int:
    return sum(len(task["annotations"]) for task in server.tasks.values())


def test_everything_comes_back_and_says_which_way(make_desk, queries, pins, samples, judgments):
    desk = make_desk()
    direct = judgments.filter(pl.col("query_id") == "q1")
    finished = judgments.filter(pl.col("query_id") != "q1")
    push(desk, queries, pins, samples, finished=finished)
    assert submit(desk, direct).n_new == 12
    pulled = pull(desk)
    assert said(pulled.judgments) == said(judgments)
    assert pulled.by_source == {"endpoint": 12, "import": 24}
    ways = dict(pulled.judgments.select("query_id", "source").unique().iter_rows())
    assert ways == {"q1": "endpoint", "q2": "import", "q3": "import"}
    assert pulled.rejected.height == 0
    assert pulled.judgments[KEY].equals(pulled.judgments[KEY].sort(KEY))
    versions = {one.guideline_version for one in desk.store.projects(LOCAL)}
    assert set(pulled.judgments["guideline_version"]) == versions
    assert set(pulled.judgments["purpose"]) == {"grade"}


def test_a_second_submission_changes_nothing(make_desk, queries, pins, samples, judgments):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    submit(desk, judgments.head(3))
    submitted = submit(make_desk(server), judgments.head(4))
    assert (submitted.n_new, submitted.n_there) == (1, 3)
    assert n_annotations(server) == 4


def test_finished_judgments_that_were_not_sent_can_be_submitted(
    make_desk, queries, pins, samples, judgments
):
    desk = make_desk()
    push(desk, queries, pins, samples)
    assert push(desk, queries, pins, samples, finished=judgments).n_unsent == judgments.height
    submit(desk, judgments)
    assert said(pull(desk).judgments) == said(judgments)
    assert push(desk, queries, pins, samples, finished=judgments).n_unsent == 0


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    calm=st.integers(0, 40), faults=st.lists(st.sampled_from(list(Fault)), min_size=1, max_size=6)
)
def test_whatever_fails_every_judgment_arrives_exactly_once(
    queries, pins, samples, judgments, calm, faults
):
    server = FakeServer(lateness=10)
    mine = judgments.filter(pl.col("query_id") == "q1")
    with tempfile.TemporaryDirectory() as folder:
        for attempt in range(len(faults) + 2):
            store = Store(Path(folder) / "s.sqlite3")
            desk = Desk(FakeStudio(server), store, LOCAL, Path(folder), frozenset(), server.wait)
            if not attempt:
                push(desk, queries, pins, samples)
                server.faults += [Fault.NONE] * calm + faults
            try:
                submit(desk, mine, threads=1)
                pulled = pull(desk)
            except (KilledError, ServerError):
                continue
            finally:
                store.close()
            break
    assert said(pulled.judgments) == said(mine)
    assert n_annotations(server) == mine.height
    assert pulled.rejected.height == 0


def test_judgments_of_pairs_never_pushed_are_refused(make_desk, queries, pins, samples, judgments):
    desk = make_desk()
    push(desk, queries, pins, samples.head(1))
    with pytest.raises(InputError, match="was not pushed"):
        submit(desk, judgments)
    with pytest.raises(InputError, match="was not pushed"):
        submit(desk, judgments.head(1), repeats=True)


def test_a_task_that_is_gone_is_told(make_desk, queries, pins, samples, judgments):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    server.tasks.clear()
    with pytest.raises(InputError, match="is gone from the server"):
        submit(desk, judgments.head(1))


def test_progress_reaches_the_total(make_desk, queries, pins, samples, judgments):
    desk, told = make_desk(), []
    push(desk, queries, pins, samples)
    submit(desk, judgments.head(6))
    submit(desk, judgments, progress=lambda *args: told.append(args[:2]))
    assert told[-1] == (36, 36)
