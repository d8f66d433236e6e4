from __future__ import annotations

from contextlib import closing

import pytest

from annotation.sync.roster import (
    RosterEntry,
    forgotten,
    has_roster,
    lift_roster,
    pseudonym,
    read_roster,
    recognise,
    save_roster,
    trace,
)
from annotation.sync.settle import covers
from annotation.sync.store import Person, Store
from relevance.errors import InputError, MissingInputError, TableError

ANN = RosterEntry("Ann@b.org", "", ("fr", "pt-BR"), "senior")
BOB = RosterEntry("", "bob", (), "annotator")


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "s.sqlite3")) as made:
        yield made


def write(tmp_path, text, name="roster.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_and_toml_say_the_same(tmp_path):
    csv = "\ufeffemail,annotator,languages,role\nAnn@b.org,,fr; pt-BR,senior\n,bob,,\n,,,\n"
    toml = """[[person]]
    email = "Ann@b.org"
    languages = ["fr", "pt-BR"]
    role = "senior"
    [[person]]
    annotator = "bob"
    """
    assert read_roster(write(tmp_path, csv)) == [ANN, BOB]
    assert read_roster(write(tmp_path, toml, "roster.toml")) == [ANN, BOB]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("email,languges\na@b.org,fr\n", "'languges' is unknown. Did you mean 'languages'"),
        ("email\n", "names nobody"),
        ("email,role\na@b.org,boss\n", "line 2, column role: role must be one of annotator"),
        ("email\na.b.org\n", "line 2, column email: this is no e-mail address"),
        ("annotator\na@b.org\n", "must not be an e-mail address"),
        ("email,role\n,senior\n", "line 2: an e-mail address or a pseudonym is needed"),
        ("email\na@b.org\nA@b.org\n", "column email: somebody is named twice"),
        ("email\na@b.org,x,y\n", "line 2: it has more cells than the header"),
    ],
)
def test_mistakes_are_told_with_their_line_and_without_an_address(tmp_path, text, told):
    with pytest.raises(TableError, match=told) as found:
        read_roster(write(tmp_path, text))
    assert "b.org" not in str(found.value)


def test_broken_toml_and_missing_files_are_told(tmp_path):
    with pytest.raises(TableError, match="it is no TOML"):
        read_roster(write(tmp_path, "[[person", "r.toml"))
    with pytest.raises(TableError, match=r"must hold \[\[person\]\] tables"):
        read_roster(write(tmp_path, "person = 3", "r.toml"))
    with pytest.raises(MissingInputError, match="columns email"):
        read_roster(tmp_path / "nowhere.csv")


def test_a_roster_keeps_names_and_is_replaced_by_the_next(store):
    store.save_person("s", Person("ann@b.org", "person-1", None, signed_up=True))
    store.save_person("s", Person("bob@b.org", "bob", "pw", signed_up=True, role="synthetic"))
    save_roster(store, "s", [ANN, BOB])
    ann, bob = (store.by_email("s")[one] for one in ("ann@b.org", "bob@b.org"))
    assert (ann.annotator, ann.role, ann.languages, ann.listed) == (
        "person-1", "senior", ("fr", "pt-BR"), True,
    )  # fmt: skip
    assert (bob.password, bob.role, bob.listed) == ("pw", "annotator", True)
    save_roster(store, "s", [RosterEntry("new@b.org", "newcomer", (), "annotator")])
    assert [one.annotator for one in store.people("s") if one.listed] == ["newcomer"]
    assert has_roster(store, "s")
    assert not has_roster(store, "elsewhere")
    lift_roster(store, "s")
    assert not has_roster(store, "s")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (RosterEntry("", "carl", (), "annotator"), "'carl' is nobody the server or the store"),
        (RosterEntry("ann@b.org", "anna", (), "annotator"), "calls 'person-1' 'anna'"),
        (RosterEntry("new@b.org", "person-1", (), "annotator"), "is somebody else's"),
    ],
)
def test_a_roster_renames_nobody_and_lends_no_name(store, entry, told):
    store.save_person("s", Person("ann@b.org", "person-1", None, signed_up=True))
    with pytest.raises(InputError, match=told):
        save_roster(store, "s", [entry])
    assert not has_roster(store, "s")
    assert [one.annotator for one in store.people("s")] == ["person-1"]


def test_accounts_are_recognised_and_new_people_get_a_name(store):
    store.save_person("s", Person("ann@b.org", "ann", None, signed_up=True))
    named = recognise(store, "s", {1: "ANN@b.org", 2: "new@b.org"})
    assert named == {1: "ann", 2: pseudonym(store.key, "new@b.org")}
    assert recognise(store, "s", {5: "new@b.org"}) == {5: named[2]}
    assert "b.org" not in named[2]


def test_the_forgotten_are_left_out_until_the_roster_names_them(store):
    store.db.execute("INSERT INTO forgotten VALUES ('s', ?)", (trace(store.key, "Ann@B.org"),))
    assert recognise(store, "s", {1: "ann@b.org"}) == {}
    save_roster(store, "s", [ANN])
    assert list(recognise(store, "s", {1: "ann@b.org"})) == [1]
    assert forgotten(store, "s") == set()


@pytest.mark.parametrize(
    ("language", "locale", "wanted"),
    [
        ("pt", "pt-BR", True),
        ("pt-BR", "pt-BR", True),
        ("PT-br", "pt-BR", True),
        ("pt-BR", "pt-PT", False),
        ("pt-BR", "pt", False),
        ("p", "pt-BR", False),
        ("fr", "pt-BR", False),
        ("fr", "BR", True),
        ("fr", "", True),
    ],
)
def test_which_language_includes_which_locale(language, locale, wanted):
    assert covers(language, locale) == wanted
