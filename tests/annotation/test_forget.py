from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partialmethod

import polars as pl
import pytest

from annotation.client.fake import FakeServer
from annotation.sync import forget as forgetting
from annotation.sync.forget import forget
from annotation.sync.pull import pull
from annotation.sync.push import push
from annotation.sync.store import Store
from annotation.sync.submit import submit
from annotation.sync.tables import HISTORY, REJECTED, write_pulled
from relevance.errors import InputError, ServerError
from relevance.workspace import Workspace

GRADE = {"from_name": "relevance", "type": "choices", "value": {"choices": ["4"]}}
BAD = {**GRADE, "value": {"choices": ["9"]}}
EMAIL = "Jane.Doe@example.org"


@pytest.fixture
def server():
    fake = FakeServer()
    fake.users |= {2: EMAIL, 3: "bob@example.org"}
    return fake


@pytest.fixture
def space(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture
def desk(make_desk, server, space, queries, pins, samples, judgments):
    """Jane and Bob have graded, changed each other's work and made mistakes; all is pulled."""
    opened = make_desk(server)
    push(opened, queries, pins, samples)
    submit(opened, judgments.head(5))
    for task in (1, 2, 3):
        for user in (2, 3):
            server.add_annotation(task, user, {"result": [GRADE], "lead_time": 3.0})
    mine = server.tasks[1]["annotations"][-2]["id"]
    bobs = server.tasks[2]["annotations"][-1]["id"]
    server.add_annotation(4, 2, {"result": [BAD]})
    write_pulled(space, opened.store, pull(opened))
    server.edit_annotation(mine, [GRADE], by=3)
    server.edit_annotation(bobs, [GRADE], by=2)
    write_pulled(space, opened.store, pull(opened))
    return opened


@pytest.fixture
def jane(desk):
    return desk.store.by_email("local")[EMAIL].annotator


def texts(root):
    """Name → everything a file says, Parquet unpacked."""
    return {
        path.name: pl.read_parquet(path).write_csv().encode()
        if path.suffix == ".parquet"
        else path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_nothing_of_a_person_is_left_in_any_file(desk, space, jane, judgments):
    before = space.read("judgments")
    assert any(EMAIL.encode() in said for said in texts(space.root).values())
    done = forget(desk.store, space, jane)
    assert (done.n_annotations, done.n_events) == (4, 5)
    assert set(done.files) == {"judgments.parquet", REJECTED, HISTORY}
    assert (done.naming, done.derived) == ((), ())
    for name, said in texts(space.root).items():
        assert EMAIL.lower().encode() not in said.lower(), name
        assert jane.encode() not in said, name
    after = space.read("judgments")
    assert after.equals(before.filter(pl.col("annotator") != jane))
    assert "unknown" in (space.root / REJECTED).read_text(), "Bob's, which Jane had changed"
    assert [one.annotator for one in desk.store.people("local") if one.password is None]


def test_while_the_account_is_there_the_person_stays_forgotten(desk, server, space, jane):
    done = forget(desk.store, space, EMAIL.lower())
    assert done.annotator == jane
    assert done.server == (
        "server local: the account and its annotations (--on-server deletes them)",
    )
    for full in (False, True):
        pulled = pull(desk, full=full)
        assert jane not in pulled.judgments["annotator"].to_list()
        assert (pulled.n_new, pulled.n_deleted) == (0, 0)
        assert any("people who were forgotten" in note for note in pulled.notes)
    write_pulled(space, desk.store, pulled)
    assert not [n for n, said in texts(space.root).items() if EMAIL.encode() in said]


def test_on_the_server_annotations_and_account_go_too(desk, server, space, jane):
    done = forget(desk.store, space, jane, on_server=desk)
    assert done.server == ()
    assert EMAIL not in server.users.values()
    assert {one["completed_by"] for t in server.tasks.values() for one in t["annotations"]} >= {3}
    assert not [
        one for t in server.tasks.values() for one in t["annotations"] if one["completed_by"] == 2
    ]
    pulled = pull(desk, full=True)
    assert pulled.notes == ()
    assert pulled.n_deleted == 0
    assert None not in pulled.rejected["annotator"].to_list()


def test_an_account_that_cannot_be_deleted_is_told(desk, space, jane, monkeypatch):
    def refuse(user):
        raise ServerError("answered 403: the organization owner cannot be deleted")

    monkeypatch.setattr(desk.studio, "delete_account", refuse)
    done = forget(desk.store, space, jane, on_server=desk)
    assert done.server == (
        "the account itself: answered 403: the organization owner cannot be deleted",
    )


def test_what_was_made_with_their_grades_and_what_names_them_is_told(desk, space, jane):
    pair = {"query_id": ["q1"], "pin_id": ["p1"]}
    qrels = pl.DataFrame({**pair, "grade": [4], "method": [f"ruling({jane})"]})
    space.write("qrels", qrels, command="annotation adjudicate", inputs={"judgments.parquet": "x"})
    own = space.read("judgments").with_columns(grade=pl.lit(1, pl.Int64))
    space.write("judgments-own", own, command="data import")
    (space.root / "people.csv").write_text(f"email\n{EMAIL.upper()}\n")
    (space.root / "other.txt").write_text(f"x{jane}x")
    done = forget(desk.store, space, jane)
    assert done.derived == ("qrels.parquet",)
    assert done.naming == ("people.csv", "qrels.parquet")
    assert "judgments-own.parquet" in done.files
    assert jane not in space.read("judgments-own")["annotator"].to_list()


def test_a_person_known_only_from_judgments_made_elsewhere(desk, space):
    pair = {"query_id": ["q1"], "pin_id": ["p1"], "grade": [1]}
    space.write("judgments-old", pl.DataFrame({**pair, "annotator": ["carl"]}), command="import")
    done = forget(desk.store, space, "carl")
    assert (done.n_annotations, done.files[0]) == (0, "judgments-old.parquet")
    assert space.read("judgments-old").height == 0
    with pytest.raises(InputError, match="nobody here is called 'carla'"):
        forget(desk.store, space, "carla")


def test_killed_anywhere_it_can_be_run_again(desk, space, jane, monkeypatch):
    write = forgetting.write_history
    compact = forgetting._compact

    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(forgetting, "write_history", die)
    with pytest.raises(KeyboardInterrupt):
        forget(desk.store, space, jane)
    assert desk.store.by_email("local")[EMAIL].annotator == jane, "half is not done"
    monkeypatch.setattr(forgetting, "write_history", write)
    monkeypatch.setattr(forgetting, "_compact", die)
    with pytest.raises(KeyboardInterrupt):
        forget(desk.store, space, jane)
    monkeypatch.setattr(forgetting, "_compact", compact)
    with pytest.raises(InputError, match="nobody here is called"):
        forget(desk.store, space, jane)  # done but for the free pages, which are done now
    for name, said in texts(space.root).items():
        assert EMAIL.encode() not in said, name


def test_a_reader_in_the_way_is_told(desk, space, jane, monkeypatch):
    monkeypatch.setattr(Store, "lock", partialmethod(Store.lock, timeout=0.1))
    with closing(sqlite3.connect(desk.store.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM people").fetchone()
        desk.store.db.execute("PRAGMA busy_timeout = 100")
        with pytest.raises(ServerError, match=r"another process is reading .* run the same"):
            forget(desk.store, space, jane)
    with pytest.raises(InputError, match="nobody here is called"):
        forget(desk.store, space, jane)
    assert EMAIL.encode() not in desk.store.path.read_bytes()
