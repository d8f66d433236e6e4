"""Which pulled annotations are judgments, and which are set aside until a person takes them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from annotation.client.fake import FakeServer
from annotation.interface import label_config
from annotation.sync.desk import LOCAL
from annotation.sync.pull import pull
from annotation.sync.push import push
from annotation.sync.roster import RosterEntry
from annotation.sync.store import ProjectEntry
from annotation.sync.submit import submit
from annotation.sync.tables import write_pulled
from relevance.errors import InputError
from relevance.workspace import Workspace

GRADE = {"from_name": "relevance", "type": "choices", "value": {"choices": ["4"]}}
OTHER = {**GRADE, "value": {"choices": ["2"]}}


@pytest.fixture
def server():
    return FakeServer()


@pytest.fixture
def desk(make_desk, server, queries, pins, samples):
    """A desk in whose server 12 pairs wait: project 1 is American (8 tasks), project 2 French."""
    opened = make_desk(server)
    push(opened, queries, pins, samples)
    return opened


def graded(desk, task=1, result=GRADE, **more):
    desk.studio.server.add_annotation(task, 1, {"result": [result], "lead_time": 3.0, **more})
    return desk.studio.server._annotations


def test_a_form_changed_by_hand_quarantines_what_comes_after_until_accepted(desk, server):
    before = graded(desk, 1)
    pull(desk)
    server.projects[1]["label_config"] = "<View/>"
    after = graded(desk, 2)
    pulled = pull(desk)
    assert any("--accept-config" in note for note in pulled.notes)
    assert pulled.by_reason == {"other form": 1}
    assert pulled.rejected["annotation_id"].to_list() == [after]
    assert pulled.judgments.height == 1
    server.projects[1]["label_config"] = label_config()
    again = pull(desk)
    assert (again.notes, again.by_reason) == ((), {"other form": 1})
    assert pull(desk, full=True).by_reason == {"other form": 1}, "it was graded with the other"
    server.projects[1]["label_config"] = "<View/>"
    accepted = pull(desk, accept_config=True)
    assert accepted.rejected.height == 0
    versions = accepted.judgments.sort("created_at")["guideline_version"].to_list()
    assert versions[0] != versions[1]
    assert versions[1].startswith(versions[0] + "+")
    assert pull(desk).notes == ()
    assert before < after


def test_a_form_changed_while_a_pull_reads_is_noticed(desk, server, monkeypatch):
    graded(desk, 1)
    pull(desk)
    graded(desk, 2)
    ask = desk.studio.tasks

    def slowly(*args, **options):
        server.projects[1]["label_config"] = "<View/>"
        return ask(*args, **options)

    monkeypatch.setattr(desk.studio, "tasks", slowly)
    pulled = pull(desk)
    assert pulled.by_reason == {"other form": 1}
    assert pulled.judgments.height == 1
    assert any("--accept-config" in note for note in pulled.notes)


def test_the_guidelines_are_those_of_the_day(desk, server):
    graded(desk, 1)
    server.wait(3600)
    entry = next(one for one in desk.store.projects(LOCAL) if one.project_id == 1)
    changed = ProjectEntry(entry.locale, entry.purpose, 1, entry.config_hash, "v2", 3)
    desk.store.save_project(LOCAL, changed, since=datetime(2026, 1, 1, 0, 30, tzinfo=UTC))
    graded(desk, 2)
    judgments = pull(desk).judgments.sort("created_at")
    assert judgments["guideline_version"].to_list() == [entry.guideline_version, "v2"]


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("changed by another person", lambda server, one: server.edit_annotation(one, [GRADE], by=2)),  # noqa: E501
        ("task changed", lambda server, one: server.edit_task(1, title="Something else")),
        ("too fast", lambda server, one: server._annotation(one)[1].update(lead_time=0.1)),
    ],
)  # fmt: skip
def test_what_is_set_aside_can_be_released(desk, server, reason, spoil):
    server.users[2] = "b@example.org"
    number = graded(desk, 1)
    spoil(server, number)
    held = pull(desk)
    assert held.by_reason == {reason: 1}
    with pytest.raises(InputError, match=r"reason 'too slow' holds nothing back.*too fast"):
        pull(desk, accept=["too slow"])
    released = pull(desk, accept=[reason])
    assert (released.judgments["grade"].to_list(), released.rejected.height) == ([4], 0)
    assert pull(desk).judgments.height == 1, "it stays released"
    server.edit_annotation(number, [OTHER], by=1)
    server._annotation(number)[1].update(lead_time=0.1)
    assert pull(desk, full=True).rejected.height == 1, "changed again, it is judged anew"


def test_a_single_annotation_can_be_released_from_all_that_holds_it_back(desk, server):
    server.users[2] = "b@example.org"
    first, second = graded(desk, 1, lead_time=0.1), graded(desk, 2, lead_time=0.1)
    server.edit_annotation(first, [GRADE], by=2)
    graded(desk, 3, {**GRADE, "value": {"choices": ["9"]}})
    assert pull(desk).rejected.height == 3
    pulled = pull(desk, accept=[str(first)])
    assert pulled.judgments.height == 1
    assert pulled.judgments["updated_by"][0].startswith("person-")
    assert pulled.by_reason == {"too fast": 1, "unknown grade": 1}
    with pytest.raises(InputError, match=r"annotation 3 cannot be waived \(unknown grade\)"):
        pull(desk, accept=["3"])
    with pytest.raises(InputError, match="annotation 99 holds nothing back"):
        pull(desk, accept=["99"])
    with pytest.raises(InputError, match="reason 'unknown grade' cannot be waived"):
        pull(desk, accept=["unknown grade"])
    assert second not in pulled.judgments


def test_the_least_time_stays_in_force(desk):
    graded(desk, 1, lead_time=2.0)
    assert pull(desk, min_seconds=2.5).by_reason == {"too fast": 1}
    assert pull(desk).by_reason == {"too fast": 1}
    assert pull(desk, min_seconds=0).by_reason == {}


def test_the_roster_says_who_may_grade_what(desk, server, queries, pins, samples):
    server.users |= {2: "Ann@example.org", 3: "b@example.org", 4: "c@example.org", 5: "d@e.org"}
    american, french = (
        next(task for task, one in server.tasks.items() if one["project"] == project)
        for project in (1, 2)
    )
    push(desk, queries, pins, samples, purpose="senior")
    ruled = next(task for task, one in server.tasks.items() if one["project"] == 3)
    for user in (2, 3, 4, 5):
        for task in (french, american, ruled):
            server.add_annotation(task, user, {"result": [GRADE], "lead_time": 3.0})
    free = pull(desk)
    assert (free.judgments.height, free.rulings.height) == (8, 4)
    roster = [
        RosterEntry("ann@example.org", "", ("fr",), "annotator"),
        RosterEntry("b@example.org", "", (), "senior"),
        RosterEntry("d@e.org", "", ("en-US", "fr"), "annotator"),
    ]
    strict = pull(desk, roster=roster)
    assert (strict.judgments.height, strict.rulings.height) == (5, 1)
    assert strict.by_reason == {"not on the roster": 3, "language": 2, "not a senior": 1}
    assert pull(desk).by_reason == strict.by_reason, "it stays in force"
    assert pull(desk, accept=["language"]).judgments.height == 6
    assert pull(desk, everybody=True).judgments.height == 8


def test_repeats_and_rulings_are_tables_of_their_own(desk, queries, pins, samples, judgments):
    first = samples.head(2).with_columns(draw=pl.lit("repeat"))
    push(desk, queries, pins, first)
    push(desk, queries, pins, samples.head(2), purpose="senior")
    push(desk, queries, pins, samples.head(2), purpose="extra")
    mine = judgments.join(first, on=["query_id", "pin_id"], how="semi").filter(
        pl.col("grade").is_not_null()
    )
    submit(desk, mine)
    submit(desk, mine.with_columns(grade=pl.lit(5)), repeats=True)
    alone = mine.unique(["query_id", "pin_id"]).with_columns(annotator=pl.lit("x"))
    submit(desk, alone, purpose="extra")
    submit(desk, alone, purpose="senior")
    pulled = pull(desk)
    assert (pulled.judgments.height, pulled.repeats.height) == (mine.height + 2, mine.height)
    assert pulled.rulings["annotator"].to_list() == ["x", "x"]
    assert set(pulled.repeats["grade"]) == {5}
    assert pulled.judgments.filter(pl.col("annotator") == "x")["purpose"].unique().to_list() == [
        "extra"
    ]


def test_a_deleted_account_takes_nothing_back_that_was_known(desk, server):
    server.users[2] = "b@example.org"
    server.add_annotation(1, 2, {"result": [GRADE], "lead_time": 3.0})
    name = pull(desk).judgments["annotator"][0]
    server.add_annotation(2, 2, {"result": [GRADE], "lead_time": 3.0})
    server.delete_account(2)
    pulled = pull(desk, full=True)
    assert pulled.judgments["annotator"].to_list() == [name]
    assert pulled.by_reason == {"no annotator": 1}


def test_no_address_leaves_the_store(desk, server, tmp_path):
    server.users |= {2: "jane.doe@example.org", 3: "bob@example.org"}
    server.add_annotation(1, 2, {"result": [GRADE], "lead_time": 3.25})
    server.edit_annotation(1, [GRADE], by=3)
    server.add_annotation(2, 2, {"result": [{**GRADE, "value": {"choices": ["9"]}}]})
    pulled = pull(desk)
    write_pulled(Workspace(tmp_path), desk.store, pulled)
    for path in tmp_path.glob("*.*"):
        assert b"example.org" not in path.read_bytes(), path
    assert set(pulled.rejected["annotator"]) == {pull(desk).rejected["annotator"][0]}
