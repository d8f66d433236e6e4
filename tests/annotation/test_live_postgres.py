"""The same promises kept by a Label Studio whose data are in PostgreSQL, by the same tests."""

from __future__ import annotations

import json

import httpx
import polars as pl
import pytest

from annotation.client.studio import UnclearError
from annotation.doctor import FAIL, examine
from annotation.local.hardening import DATABASE_VARIABLE
from annotation.local.install import DATABASE, find_executable
from annotation.server import LocalServer
from annotation.sync.desk import open_desk
from annotation.sync.push import push
from relevance.errors import SettingsError
from relevance.workspace import Workspace
from tests.annotation import test_live, test_live_faults, test_live_pull
from tests.postgres import postgres_server

pytestmark = [*test_live.pytestmark, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    folder = tmp_path_factory.mktemp("live-postgres")
    (folder / "images").mkdir()
    (folder / "images" / "p0.svg").write_text(test_live.DRAWING)
    with pytest.MonkeyPatch.context() as patch, postgres_server() as url:
        patch.setenv(DATABASE_VARIABLE, url)
        with LocalServer(folder / "label-studio") as started:
            yield started


@pytest.fixture(scope="module")
def workspace(server):
    return server.data_dir.parent


@pytest.fixture
def desk(server, workspace):
    with open_desk(workspace, server=server) as opened:
        yield opened


def test_the_data_are_in_postgres_and_the_folder_says_so(server, monkeypatch):
    folder = server.data_dir
    assert not (folder / DATABASE).exists()
    noted = json.loads((folder / "database.json").read_text())["postgresql"]
    assert server.database_label == f"PostgreSQL at {noted}"
    assert LocalServer(folder).start().wait_ready().url == server.url
    monkeypatch.delenv(DATABASE_VARIABLE)
    (folder / "server.json").rename(folder / "elsewhere.json")
    try:
        with pytest.raises(SettingsError, match=r"are in PostgreSQL at .* is not set"):
            LocalServer(folder).start()
    finally:
        (folder / "elsewhere.json").rename(folder / "server.json")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("pull-postgres"))


open_desk_at = test_live_faults.open_desk_at


class TestPush:
    test_push_submit_pull = staticmethod(test_live.test_push_submit_pull)
    test_gateway = staticmethod(test_live.test_what_the_gateway_promises)
    test_deleting = staticmethod(test_live.test_only_tasks_that_are_what_they_were_are_deleted)
    test_update = staticmethod(test_live.test_a_project_is_changed_only_when_asked)
    test_repeats_and_seniors = staticmethod(test_live.test_repeats_and_seniors)
    test_accounts = staticmethod(test_live.test_accounts_are_members_and_invitations_are_closed)
    test_uniqueness = staticmethod(test_live.test_an_annotation_is_unique_and_refusals_are_told)
    test_a_wrong_token = staticmethod(test_live.test_a_wrong_token_is_told)
    test_pictures = staticmethod(test_live.test_pictures_are_shown_to_people_logged_in_only)


class TestPull:
    """In a workspace of its own on the same server."""

    @pytest.fixture
    def api(self, server):
        token = {"Authorization": f"Token {server.api_key}"}
        with httpx.Client(base_url=server.url, headers=token, timeout=60) as client:
            yield client

    @pytest.fixture
    def desk(self, server, space, workspace):
        with open_desk(workspace, server=server) as first:
            accounts = first.store.people(first.server)
        with open_desk(space.root, server=server) as opened:
            known = {person.email for person in opened.store.people(opened.server)}
            for person in accounts:  # made by the tests before, on the same server
                if person.email not in known:
                    opened.store.save_person(opened.server, person)
            yield opened

    test_changes = staticmethod(test_live_pull.test_every_kind_of_change_is_found)
    test_tasks = staticmethod(test_live_pull.test_deleted_and_edited_tasks_are_found)
    test_bulk_deletion = staticmethod(test_live_pull.test_a_bulk_deletion_is_found)
    test_another_form = staticmethod(test_live_pull.test_a_form_changed_on_the_server)


class TestFaults:
    """But the locked database, which is SQLite's alone, and what the client does by itself."""

    test_relay = staticmethod(test_live_faults.test_a_relay_that_does_everything_wrong)
    test_project = staticmethod(
        test_live_faults.test_a_project_is_made_once_though_its_reply_was_lost
    )
    test_killed_server = staticmethod(
        test_live_faults.test_a_server_that_is_killed_in_the_middle_of_an_import
    )
    test_rivals = staticmethod(test_live_faults.test_two_machines_that_push_at_the_same_time)
    test_by_hand = staticmethod(test_live_faults.test_tasks_deleted_and_edited_by_hand)


def test_nul_characters_would_be_refused_and_are_never_sent(desk, queries, pins, samples):
    number = push(desk, queries, pins, samples).projects["en-US"]
    there = desk.studio.identities(number, page=1, size=100)
    dirty = dict.fromkeys(desk.studio.tasks(number, page=1, size=1)[0]["data"], "nul \x00 here")
    with pytest.raises(UnclearError, match=r"500.*u0000 cannot be converted"):
        desk.studio.import_tasks(number, [{"data": dirty}])
    assert desk.studio.identities(number, page=1, size=100) == there
    asked = queries.with_columns(text=pl.lit("nul \x00 here"), country=pl.lit("NZ"))
    shown = pins.with_columns(title=pl.lit("torn \x00 \x1b"))
    sent = push(desk, asked, shown, samples.filter(pl.col("query_id") == "q1"))
    assert sent.n_new == 4
    tasks = desk.studio.tasks(sent.projects["en-NZ"], page=1, size=10)
    assert [task["data"]["query"] for task in tasks] == ["nul here"] * 4


def test_the_doctor_knows_it(server, workspace):
    checks = {one.name: one for one in examine(workspace)}
    assert checks["database"].found == "PostgreSQL"
    assert checks["task locks"].found.startswith("an opened task is kept from others for 30 min")
    assert "size" not in checks
    assert checks["server"].state != FAIL
    assert checks["token"].state != FAIL
