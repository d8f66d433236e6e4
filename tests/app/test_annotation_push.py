"""`gradewise annotation push`, `verify` and `status` on a fake server."""

from __future__ import annotations

import csv
import io
import json

import polars as pl
import pytest

from annotation.client.fake import Fault
from relevance.errors import InputError, MissingInputError, ServerError


@pytest.fixture
def here(call, space):
    """Where the verbs work; all pairs are drawn."""
    where = ("--workspace", space.root)
    call("sample", *where)
    return where


def test_push_takes_finished_judgments_and_only_some_draws(call, space, server):
    here = ("--workspace", space.root)
    call("sample", *here, "--queries", 1, "--draw", "training")
    call("sample", *here, "--draw", "pool", "--append")
    judgments = pl.DataFrame(
        {"query_id": ["q1"], "pin_id": ["p1"], "annotator": ["ann"], "grade": [5]}
    )
    judgments.write_csv(space.root / "mine.csv")
    told = call("push", *here, "--draw", "pool", "--finished", space.root / "mine.csv").stderr
    assert "12 pairs pushed" in told
    assert "1 finished judgments imported" in told
    assert "0 graded in Label Studio, 1 imported" in call("pull", *here).stderr


def test_missing_tables_name_the_command_that_makes_them(call, space, server):
    with pytest.raises(MissingInputError, match="gradewise annotation sample"):
        call("push", "--workspace", space.root)


def test_without_a_server_the_way_to_start_one_is_told(call, space):
    with pytest.raises(ServerError, match="gradewise annotation serve"):
        call("status", "--workspace", space.root)


def test_a_dry_run_shows_what_would_be_sent_per_project(call, here, server):
    told = call("push", *here, "--dry-run", "--format", "json")
    rows = json.loads(told.stdout)
    assert [(row["locale"], row["project"], row["would_make"]) for row in rows] == [
        ("en-US", "(new)", 6),
        ("fr-FR", "(new)", 6),
    ]
    assert "12 tasks would be made; nothing was sent" in told.stderr
    assert server.projects == {}
    call("push", *here)
    server.delete_task(1)
    rows = json.loads(call("push", *here, "--dry-run", "--format", "json").stdout)
    assert [(row["project"], row["would_make"], row["gone_by_hand"]) for row in rows] == [
        (1, 1, 1),
        (2, 0, 0),
    ]
    assert len(server.tasks) == 11


def test_push_says_what_it_did(call, here, server):
    server.faults = [Fault.NONE, Fault.AFTER]
    told = call("push", *here)
    assert "12 pairs pushed, 0 were there already" in told.stderr
    assert "1 requests got no clear answer" in told.stderr
    assert "fr-FR" in told.stdout
    server.projects[1]["label_config"] = "<View/>"
    assert "note: the form of project 1 (en-US, grade) was changed" in call("push", *here).stderr
    call("push", *here, "--update")
    assert server.projects[1]["label_config"] != "<View/>"
    assert "note:" not in call("push", *here).stderr


def test_a_queue_is_pushed_to_the_seniors(call, here, space, server):
    call("push", *here)
    queue = space.read("samples").head(2).with_columns(reason=pl.lit("range"))
    queue.write_parquet(space.root / "queue-senior.parquet")
    where = ("--purpose", "senior", "--samples", space.root / "queue-senior.parquet")
    call("push", *here, *where)
    rows = json.loads(call("status", *here, "--format", "json").stdout)
    assert [(r["locale"], r["purpose"], r["overlap"], r["n_pairs"]) for r in rows] == [
        ("en-US", "grade", 3, 6),
        ("en-US", "senior", 1, 2),
        ("fr-FR", "grade", 3, 6),
    ]
    with pytest.raises(InputError, match="Did you mean 'senior'"):
        call("push", *here, "--purpose", "seniors")


def test_no_sample_of_a_draw_is_told(call, here, server):
    with pytest.raises(InputError, match="no sample was drawn for gold; there are: measure"):
        call("push", *here, "--draw", "gold")


def test_verify_exits_with_3_on_leftovers_and_says_what_to_do(call, here, server):
    assert "nothing was pushed yet" in call("verify", *here).stderr
    call("push", *here)
    fine = call("verify", *here)
    assert fine.exit_code == 0
    assert "every pair pushed has exactly one task" in fine.stderr
    server.delete_task(2)
    server.edit_task(3, title="Something else")
    server.add_tasks(1, [{"data": {"pair_key": "stranger"}}, {"data": server.tasks[1]["data"]}])
    found = call("verify", *here)
    assert found.exit_code == 3
    assert "1 doubled tasks that nobody had graded were removed" in found.stderr
    for line in ("missing: project 1 (", "edited: project 1 task 3 (", "foreign: project 1 task"):
        assert line in found.stderr
    assert "missing → push again: gradewise annotation push" in found.stderr
    said = json.loads(call("verify", *here, "--format", "json").stdout)
    assert {one["kind"] for one in said["findings"]} == {"missing", "edited", "foreign"}
    assert said["projects"][0]["n_foreign"] == 1
    assert call("push", *here, "--verify").exit_code == 3


def test_many_leftovers_are_not_all_printed(call, here, server):
    call("push", *here)
    server.add_tasks(1, [{"data": {"pair_key": f"stranger {i}"}} for i in range(30)])
    assert "… and 10 more" in call("verify", *here).stderr


def test_push_can_verify_at_once(call, here, server):
    told = call("push", *here, "--verify")
    assert told.exit_code == 0
    assert "every pair pushed has exactly one task" in told.stderr


def test_status_shows_what_is_missing(call, here, server):
    assert "nothing was pushed yet" in call("status", *here).stderr
    call("push", *here)
    server.delete_task(4)
    told = call("status", *here, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(told.stdout)))
    assert [(row["locale"], row["n_tasks"], row["n_missing"]) for row in rows] == [
        ("en-US", "5", "1"),
        ("fr-FR", "6", "0"),
    ]
    assert "1 pairs have no task (any more). Push again" in told.stderr
    assert "fr-FR" in call("status", *here).stdout
    assert call("status", *here, "--format", "markdown").stdout.startswith("| locale")
