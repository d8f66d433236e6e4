from __future__ import annotations

import os
import re
import signal
import threading
import time

import httpx
import polars as pl
import pytest

from annotation.sync.webhook import SECRET_HEADER
from relevance.errors import InputError, MissingInputError, SettingsError

GRADE = {"from_name": "relevance", "type": "choices", "value": {"choices": ["4"]}}


@pytest.fixture
def here(call, space, server):
    """Twelve pushed pairs; Jane has graded three of them, the third in no time."""
    words = ("--workspace", space.root)
    call("sample", *words)
    call("push", *words)
    server.users[2] = "jane@example.org"
    for task, seconds in ((1, 3.0), (2, 4.0), (3, 0.1)):
        server.add_annotation(task, 2, {"result": [GRADE], "lead_time": seconds})
    return words


def test_pull_tells_what_is_new_edited_deleted_and_set_aside(call, here, server):
    told = call("pull", *here).stderr
    assert "pulled: 3 new" in told
    assert "2 judgments: 2 graded in Label Studio" in told
    assert "1 set aside (1 too fast)" in told
    assert "pulled: nothing new" in call("pull", *here).stderr
    server.delete_annotation(1)
    server.edit_annotation(2, [GRADE, GRADE], by=2)
    told = call("pull", *here).stderr
    assert "pulled: 1 edited, 1 deleted" in told
    assert "judgments-history.jsonl" in told
    assert "1 more than one grade" in told


def test_pull_takes_a_roster_a_least_time_and_what_a_person_accepts(call, here, tmp_path):
    assert "3 judgments" in call("pull", *here, "--accept", "too fast").stderr
    told = call("pull", *here, "--min-seconds", 3.5).stderr
    assert "2 judgments" in told, "what was accepted stays"
    assert "(1 too fast)" in told
    call("pull", *here, "--min-seconds", 0)
    roster = tmp_path / "roster.csv"
    roster.write_text("email\nsomebody@example.org\n")
    assert "3 not on the roster" in call("pull", *here, "--roster", roster).stderr
    with pytest.raises(InputError, match="not both"):
        call("pull", *here, "--roster", roster, "--everybody")
    assert "3 judgments" in call("pull", *here, "--everybody").stderr


def test_pull_tells_a_changed_form_and_takes_it_when_told(call, here, server):
    call("pull", *here)
    server.projects[1]["label_config"] = "<View/>"
    assert "--accept-config" in call("pull", *here, "--full").stderr
    assert "is taken as it is" in call("pull", *here, "--accept-config").stderr
    assert "note" not in call("pull", *here).stderr


def test_other_peoples_repeats_are_not_overwritten(call, here, space):
    own = pl.DataFrame({"query_id": ["q"], "pin_id": ["p"], "annotator": ["a"], "grade": [1]})
    space.write("repeats", own, command="data import")
    with pytest.raises(InputError, match=r"repeats\.parquet is there already"):
        call("pull", *here)
    call("pull", *here, "--overwrite")
    assert space.read("repeats").height == 1, "there are none to replace them with"


def test_forget_tells_what_remains(call, here, space, server):
    call("pull", *here)
    name = space.read("judgments")["annotator"][0]
    call("adjudicate", space.path("judgments"), "--out", space.path("qrels"))
    done = call("forget", name, *here, "--yes").stderr
    assert f"{name} is forgotten: 3 annotations and 3 events removed" in done
    assert "still as it was: qrels.parquet. Adjudicate again" in done
    assert "left on the server: server local" in done
    assert "jane" not in done
    assert space.read("judgments").height == 0
    with pytest.raises(InputError, match="nobody here is called"):
        call("forget", name, *here, "--yes")


def test_forget_asks_before_it_removes(here, space, call):
    from typer.testing import CliRunner

    from app.commands.annotation import app

    call("pull", *here)
    words = ["forget", "jane@example.org", *map(str, here)]
    refused = CliRunner().invoke(app, words, input="n\n")
    assert refused.exit_code == 1
    assert "jane" not in refused.output, "even asked by address it answers by pseudonym"
    assert space.read("judgments").height == 2
    assert CliRunner().invoke(app, words, input="y\n").exit_code == 0
    assert space.read("judgments").height == 0


def test_forget_on_the_server(call, here, server):
    call("pull", *here)
    told = call("forget", "jane@example.org", *here, "--yes", "--on-server").stderr
    assert "left on the server" not in told
    assert 2 not in server.users


def test_forget_without_a_store_is_told(call, tmp_path):
    with pytest.raises(MissingInputError, match="gradewise annotation push"):
        call("forget", "x", "--workspace", tmp_path)


def soon(act):
    """Does something once the watch under way listens to signals."""
    usual = signal.getsignal(signal.SIGTERM)

    def wait():
        while signal.getsignal(signal.SIGTERM) is usual:
            time.sleep(0.01)
        act()

    threading.Thread(target=wait, daemon=True).start()


def stop():
    os.kill(os.getpid(), signal.SIGTERM)


def test_watch_pulls_until_it_is_stopped(call, here, space):
    before = signal.getsignal(signal.SIGTERM)
    soon(lambda: (time.sleep(0.3), stop()))
    told = call("watch", *here).stderr
    assert "2 judgments" in told
    assert "stopped after 1 pulls" in told
    assert space.read("judgments").height == 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_watch_pulls_when_label_studio_rings(call, here, server, space, monkeypatch):
    monkeypatch.setattr("annotation.sync.watch.QUIET_SECONDS", 0.01)

    def ring_and_stop():
        while not server.webhooks or not space.has("judgments"):
            time.sleep(0.01)
        server.add_annotation(5, 2, {"result": [GRADE], "lead_time": 3.0})
        hook = server.webhooks[1]
        assert httpx.post(hook["url"], headers=hook["headers"]).status_code == 204
        while space.read("judgments").height < 3:
            time.sleep(0.02)
        stop()

    soon(ring_and_stop)
    told = call("watch", *here, "--listen", 0, "--register", "--every", 600)
    assert "pulled: 1 new" in told.stderr
    assert server.webhooks == {}
    secret = re.findall(SECRET_HEADER, told.output)
    assert secret == []


def test_watch_tells_what_is_missing(call, here, monkeypatch):
    with pytest.raises(InputError, match="need --listen PORT"):
        call("watch", *here, "--register")
    monkeypatch.delenv("GRADEWISE_WEBHOOK_SECRET", raising=False)
    with pytest.raises(SettingsError, match="GRADEWISE_WEBHOOK_SECRET"):
        call("watch", *here, "--listen", 0)
