from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from annotation.sync import schema
from annotation.sync.store import PairEntry, Person, ProjectEntry, Store
from relevance.errors import InputError, ServerError

FIRST_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE projects (
    server TEXT, country TEXT, project_id INTEGER NOT NULL, config_hash TEXT NOT NULL,
    guideline_version TEXT NOT NULL, PRIMARY KEY (server, country));
CREATE TABLE pairs (
    pair_key TEXT PRIMARY KEY, country TEXT NOT NULL, query_id TEXT NOT NULL, pin_id TEXT NOT NULL);
CREATE INDEX pairs_by_id ON pairs (query_id, pin_id);
CREATE TABLE people (
    server TEXT, email TEXT, annotator TEXT NOT NULL, password TEXT, signed_up INTEGER DEFAULT 0,
    PRIMARY KEY (server, email), UNIQUE (server, annotator));
INSERT INTO meta VALUES ('key', 'aa'), ('id', 'bb');
INSERT INTO projects VALUES ('local', 'US', 1, 'c1', 'v1'), ('local', 'FR', 2, 'c1', 'v2'),
    ('http://h', 'US', 7, 'c1', 'v1');
INSERT INTO pairs VALUES ('k1', 'US', 'q1', 'p1'), ('k2', 'US', 'q1', 'p2'),
    ('k3', 'FR', 'q2', 'p1');
INSERT INTO people VALUES ('local', 'a@b.org', 'person-1', NULL, 1),
    ('local', 's@graders.example.com', 's', 'secret', 0);
"""
GRADES = ProjectEntry("fr-FR", "grade", 3, "c1", "v1", 3)


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "folder" / "s.sqlite3")) as made:
        yield made


def test_a_file_of_the_first_schema_is_brought_up_to_date_without_loss(tmp_path):
    path = tmp_path / "s.sqlite3"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(FIRST_SCHEMA)
    for _ in range(2):  # the second opening finds nothing to do
        with closing(Store(path)) as store:
            assert (store.key, store.marker) == (b"\xaa", "gradewise:bb")
            assert store.projects("local") == [
                ProjectEntry("FR", "grade", 2, "c1", "v2", 0),
                ProjectEntry("US", "grade", 1, "c1", "v1", 0),
            ]
            assert store.pairs() == {
                "k1": PairEntry("k1", "US", "q1", "p1", "old"),
                "k2": PairEntry("k2", "US", "q1", "p2", "old"),
                "k3": PairEntry("k3", "FR", "q2", "p1", "old"),
            }
            assert store.n_pairs("US", "grade", "local") == 2
            assert store.n_pairs("US", "grade", "http://h") == 2
            assert store.n_pairs("FR", "grade", "local") == 1
            assert [form.guideline_version for form in store.forms("local")] == ["v1", "v2"]
            assert store.people("local") == [
                Person("a@b.org", "person-1", None, signed_up=True),
                Person("s@graders.example.com", "s", "secret", signed_up=False, role="synthetic"),
            ]
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            names = store.db.execute("SELECT name FROM sqlite_master").fetchall()
            assert not [name for (name,) in names if name.startswith("old_")]


def test_an_upgrade_that_dies_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "s.sqlite3"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(FIRST_SCHEMA)
    broken = {1: schema._UPGRADES[1] + "; SELECT no_such_column FROM meta"}
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_UPGRADES", broken)
        with pytest.raises(ServerError, match="no_such_column"):
            Store(path)
    with closing(Store(path)) as store:
        assert len(store.pairs()) == 3


def test_files_of_others_and_of_newer_programs_are_told(tmp_path, store):
    text = tmp_path / "notes.sqlite3"
    text.write_text("not a database at all, but long enough to have a header" * 40)
    with pytest.raises(InputError, match="is not a store of gradewise"):
        Store(text)
    store.db.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    with pytest.raises(InputError, match=r"newer gradewise \(schema 99; this one knows 2\)"):
        Store(store.path)


def test_the_file_is_private_and_in_wal_mode(store):
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.db.execute("PRAGMA secure_delete").fetchone() == (1,)
    for beside in store.path.parent.iterdir():
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600, beside


def test_secrets_stay_the_same_and_differ_between_workspaces(store, tmp_path):
    with closing(Store(store.path)) as again, closing(Store(tmp_path / "other")) as other:
        assert (again.key, again.marker) == (store.key, store.marker)
        assert (other.key, other.marker) != (store.key, store.marker)
    assert len(store.key) == 32


def test_projects_by_locale_and_purpose_and_the_forms_they_had(store):
    before = datetime.now(UTC)
    store.save_project("s", GRADES)
    store.save_project("s", ProjectEntry("fr-FR", "senior", 4, "c1", "v1", 1))
    store.save_project("s", GRADES)
    changed = ProjectEntry("fr-FR", "grade", 3, "c1", "v2", 5)
    store.save_project("s", changed)
    assert store.project("s", "fr-FR") == changed
    assert store.project("s", "fr-FR", "senior").project_id == 4
    assert store.project("s", "fr-FR", "extra") is None
    assert store.project("elsewhere", "fr-FR") is None
    forms = store.forms("s")
    assert [(one.project_id, one.guideline_version) for one in forms] == [
        (3, "v1"), (4, "v1"), (3, "v2"),
    ]  # fmt: skip
    assert before <= forms[0].since <= forms[-1].since <= before + timedelta(minutes=1)


def test_pairs_repeats_and_where_they_were_sent(store):
    first = PairEntry("k1", "fr-FR", "q", "p", "measure")
    again = PairEntry("k2", "fr-FR", "q", "p", "repeat")
    store.save_pairs([first, again, PairEntry("k1", "x", "x", "x")])
    store.save_pairs([PairEntry("k3", "fr-FR", "q", "p", "pool")])
    assert store.pairs()["k1"] == first
    assert store.keys() == {("q", "p"): ("k3", "fr-FR")}
    assert store.keys(repeats=True) == {("q", "p"): ("k2", "fr-FR")}
    store.save_project("s", GRADES)
    store.save_tasks("s", 3, {"k1": None, "k2": 12})
    store.save_tasks("s", 3, {"k1": 11, "k2": None})
    store.save_tasks("elsewhere", 3, {"k3": None})
    assert store.tasks("s", 3) == {"k1": 11, "k2": 12}
    assert store.n_pairs("fr-FR", "grade", "s") == 2
    assert store.n_pairs("fr-FR", "senior", "s") == 0


def test_people_keep_roles_and_languages(store):
    person = Person("a@b.org", "ann", None, signed_up=True, role="senior", languages=("fr", "en"))
    store.save_person("s", person)
    assert store.people("s") == [person]
    assert store.by_email("s") == {"a@b.org": person}
    assert store.people("elsewhere") == []


def test_marks(store):
    assert store.mark("s", "watermark", 3) is None
    store.set_mark("s", "watermark", "x", 3)
    store.set_mark("s", "watermark", "y", 3)
    assert (store.mark("s", "watermark", 3), store.mark("s", "watermark")) == ("y", None)
    store.set_mark("s", "watermark", None, 3)
    assert store.mark("s", "watermark", 3) is None


def test_a_transaction_is_all_or_nothing_and_nests(store):
    def half():
        with store.transaction():
            store.save_pairs([PairEntry("k", "", "q", "p")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert store.pairs() == {}
    with store.transaction():
        store.save_pairs([PairEntry("k", "", "q", "p")])
    assert len(store.pairs()) == 1


def test_two_pushes_at_a_time_are_refused_but_a_pull_goes_on(store):
    with closing(Store(store.path)) as other, store.lock():
        with (
            pytest.raises(ServerError, match="another push of this workspace is under way"),
            other.lock(timeout=0.1),
        ):
            pass
        with (
            other.lock("pull", timeout=0.1),
            pytest.raises(ServerError, match="another pull"),
            store.lock("pull", timeout=0.1),
        ):
            pass
    with store.lock(timeout=0.1):
        pass
