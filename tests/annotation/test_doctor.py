from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest

from annotation.client.fake import FakeServer
from annotation.doctor import FAIL, OK, WARN, examine
from annotation.doctor.server import ask_server
from annotation.doctor.workspace import ask_files, ask_pictures, ask_workspace
from annotation.sync.push import push
from annotation.sync.store import Person
from relevance.progress import silent
from relevance.workspace import Workspace

LEGACY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"


def jwt(**claims) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.c2lnbmF0dXJl"


PERSONAL = jwt(token_type="refresh", exp=4_102_444_800)  # the year 2100


class Stub:
    """Answers as a Label Studio does; every answer can be replaced."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ahead = 0.0
        self.prefix = ""
        self.answers = {
            "GET /api/version": (200, {"release": "1.23.2"}),
            "GET /api/current-user/whoami": (200, {"id": 7, "email": "ann@example.org"}),
            "POST /api/token/refresh/": (200, {"access": "eyJaccess.x.y"}),
            "GET /user/signup/": (200, "<form>"),
            "POST /user/signup/": (403, "no"),
            "GET /user/login/": (200, "window.APP_SETTINGS.collect_analytics = false;"),
            "GET /version/": (200, settings()),
            "POST /api/webhooks/": (403, {"detail": "URL resolves to a reserved network address"}),
            "GET /api/webhooks/": (200, []),
        }

    def handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.removeprefix(stub.prefix) if stub.prefix else self.path
                stub.asked.append(f"{self.command} {self.path}")
                status, body = stub.answers.get(f"{self.command} {path}", (404, "nothing here"))
                if stub.prefix and not self.path.startswith(stub.prefix):
                    status, body = 404, "nothing here"
                sent = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response_only(status)
                now = datetime.now(UTC) + timedelta(seconds=stub.ahead)
                self.send_header("Date", format_datetime(now, usegmt=True))
                if status == 302:
                    self.send_header("Location", str(body))
                self.send_header("Set-Cookie", "csrftoken=abc")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def settings(**changes: str) -> str:
    shown = {
        "TASK_LOCK_TTL": "1800",
        "SENTRY_DSN": "",
        "DATABASES": "{'default': {'ENGINE': 'django.db.backends.postgresql', 'USER': 'x'}}",
    }
    return f"<pre>{json.dumps({'settings': {**shown, **changes}}, indent=1)}</pre>"


@pytest.fixture
def stub():
    made = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), made.handler())
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


def asked(stub, token: str = LEGACY) -> dict:
    return {one.name: one for one in ask_server(stub.url + stub.prefix, token, None)}


def test_a_server_that_is_as_it_should_be(stub):
    found = asked(stub)
    assert {one.state for one in found.values()} == {OK}
    assert found["who am I"].found == "user 7"
    assert found["task locks"].found == "an opened task is kept from others for 30 min"
    assert found["database"].found == "PostgreSQL"
    assert not any("@" in one.found for one in found.values())


def test_a_personal_token_is_exchanged_under_the_servers_own_path(stub):
    stub.prefix = "/labelstudio"
    found = asked(stub, PERSONAL)
    assert {one.state for one in found.values()} == {OK}
    assert found["token"].found.startswith("personal token until 2")
    assert "POST /labelstudio/api/token/refresh/" in stub.asked
    assert "/labelstudio" in found["path"].found


@pytest.mark.parametrize(
    ("answer", "found", "way_out"),
    [
        ((404, "<html>"), "answers 404, but not as a Label Studio", "with its path"),
        ((200, "<html>"), "answers 200, but not as a Label Studio", "with its path"),
        ((302, "https://elsewhere.example/"), "sends us on to https://elsewhere", "--server"),
    ],
)
def test_what_is_no_label_studio_ends_the_questions(stub, answer, found, way_out):
    stub.answers["GET /api/version"] = answer
    (only,) = asked(stub).values()
    assert only.state == FAIL
    assert found in only.found
    assert way_out in only.way_out


def test_nobody_there():
    (only,) = ask_server("http://127.0.0.1:1", LEGACY, None)
    assert (only.name, only.state) == ("server", FAIL)
    assert "does not answer (ConnectError)" in only.found


@pytest.mark.parametrize("release", ["1.22.0", "1.23.0", "0.9"])
def test_an_old_server_fails(stub, release):
    stub.answers["GET /api/version"] = (200, {"release": release})
    version = asked(stub)["version"]
    assert (version.state, version.found) == (FAIL, release)
    assert "1.23.1 or newer" in version.way_out


@pytest.mark.parametrize(
    ("token", "answers", "found"),
    [
        (
            LEGACY,
            {"GET /api/current-user/whoami": (401, {"detail": "Invalid token."})},
            "not known",
        ),
        (
            LEGACY,
            {
                "GET /api/current-user/whoami": (
                    401,
                    {"detail": "legacy token authentication has been disabled"},
                )
            },
            "legacy tokens are disabled",
        ),
        (jwt(token_type="access", exp=9e9), {}, "it is an access token"),
        (jwt(token_type="refresh", exp=1.6e9), {}, "expired on 2020-09-13"),
        (
            PERSONAL,
            {"POST /api/token/refresh/": (401, {"detail": "Token is blacklisted"})},
            "revoked or of another server (401: Token is blacklisted)",
        ),
        (PERSONAL, {"GET /api/current-user/whoami": (401, "x")}, "personal token is refused (401)"),
    ],
)
def test_a_token_that_does_not_open_is_told_why(stub, token, answers, found):
    stub.answers |= answers
    checks = asked(stub, token)
    assert checks["token"].state == FAIL
    assert found in checks["token"].found
    assert checks["token"].way_out
    assert "webhooks" not in checks
    assert checks["sign-up"].state == OK
    assert token not in str(checks)


def test_a_token_that_ends_soon_is_warned_of(stub):
    token = jwt(token_type="refresh", exp=time.time() + 86_400)
    assert asked(stub, token)["token"].state == WARN


@pytest.mark.parametrize(
    ("change", "name", "state", "found"),
    [
        ({"POST /user/signup/": (200, "<form>")}, "sign-up", WARN, "strangers can make"),
        ({"GET /user/signup/": (404, "")}, "sign-up", WARN, "cannot be told"),
        ({"POST /api/webhooks/": (400, {"project": ["Invalid pk"]})}, "ssrf", WARN, "off: whoever"),
        ({"POST /api/webhooks/": (500, "")}, "ssrf", WARN, "answered 500"),
        (
            {"GET /user/login/": (200, "collect_analytics = true;")},
            "telemetry",
            WARN,
            "usage are told to the vendor",
        ),
        ({"GET /version/": (200, settings(SENTRY_DSN="https://x"))}, "telemetry", WARN, "errors"),
        ({"GET /version/": (200, settings(TASK_LOCK_TTL="86400"))}, "task locks", WARN, "24 h"),
        ({"GET /version/": (200, "<pre>{}</pre>")}, "task locks", WARN, "does not show"),
        ({"GET /version/": (200, "<pre>{}</pre>")}, "database", WARN, "does not show"),
        (
            {"GET /api/webhooks/": (200, [{"is_active": True, "url": "http://far.example/x"}])},
            "webhooks",
            WARN,
            "1 of 1 send judgments unencrypted",
        ),
        (
            {"GET /api/webhooks/": (200, [{"is_active": True, "url": "http://127.0.0.1:9/x"}])},
            "webhooks",
            OK,
            "1 active",
        ),
    ],
)
def test_what_is_left_open_is_told(stub, change, name, state, found):
    stub.answers |= change
    check = asked(stub)[name]
    assert check.state == state
    assert found in check.found


@pytest.mark.parametrize(
    ("ahead", "token", "state"),
    [(2, LEGACY, OK), (-100, LEGACY, WARN), (1000, LEGACY, WARN), (1000, PERSONAL, FAIL)],
)
def test_the_clocks(stub, ahead, token, state):
    stub.ahead = ahead
    clock = asked(stub, token)["clock"]
    assert clock.state == state
    if state != OK:
        assert ("ahead of" if ahead > 0 else "behind") in clock.found


@pytest.fixture
def pushed(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    return desk, server


def looked(desk) -> dict:
    return {one.name: one for one in ask_workspace(desk, silent, on_postgres=False)}


def test_a_workspace_whose_projects_are_as_pushed(pushed):
    found = looked(pushed[0])
    assert {one.state for one in found.values()} == {OK}
    assert found["tasks en-US"].found == "8 as pushed; 0 finished, 0 judgments"
    assert found["doubled tasks"].found == "none among 12"


def test_nothing_pushed_is_no_failure(make_desk):
    (only,) = ask_workspace(make_desk(), silent, on_postgres=False)
    assert (only.state, only.found) == (WARN, "nothing was pushed to this server")


def test_a_project_that_is_gone_unmarked_or_doubled(pushed):
    desk, server = pushed
    description = server.projects[1]["description"]
    server.projects[1]["description"] = "mine now"
    lost = looked(desk)["project en-US"]
    assert lost.state == FAIL
    assert "lost our marker" in lost.found
    assert f"[{desk.store.marker}:en-US:grade]" in lost.way_out
    server.projects[1]["description"] = description
    server.projects[9] = dict(server.projects[1])
    assert "also 9 with the same marker" in looked(desk)["project en-US"].found
    del server.projects[1]
    assert looked(desk)["project en-US"].found == "1 is gone, 9 has our marker"
    del server.projects[9]
    assert looked(desk)["project en-US"].state == FAIL
    assert "tasks en-US" not in looked(desk)


def test_a_form_or_guidelines_changed_on_the_server(pushed):
    desk, server = pushed
    server.projects[1]["label_config"] += "<!-- x -->"
    changed = looked(desk)["form en-US"]
    assert changed.state == FAIL
    assert "changed on the server" in changed.found
    server.projects[2]["instruction"] = "grade as you like"
    assert "guidelines of project 2" in looked(desk)["form fr-FR"].found


def test_tasks_missing_added_and_doubled(pushed):
    desk, server = pushed
    first = server.of_project(1)[0]
    server.delete_task(first["id"])
    assert "8 pairs were pushed, 7 tasks are there" in looked(desk)["tasks en-US"].found
    copy = {"data": server.of_project(1)[0]["data"]}
    server.add_tasks(1, [copy, copy])
    found = looked(desk)
    assert (found["tasks en-US"].state, found["doubled tasks"].state) == (WARN, FAIL)
    assert found["doubled tasks"].found == "2 in en-US"


def test_many_people_on_sqlite_are_told_to_move(pushed):
    desk, _ = pushed
    for number in range(5):
        person = Person(f"p{number}@example.org", f"person-{number}", None, signed_up=True)
        desk.store.save_person(desk.server, person)
    size = looked(desk)["size"]
    assert size.state == WARN
    assert "PostgreSQL" in size.way_out
    assert "size" not in {one.name for one in ask_workspace(desk, silent, on_postgres=True)}


def test_files_that_others_may_read(tmp_path):
    assert ask_files(tmp_path) == []
    folder = tmp_path / "label-studio"
    folder.mkdir(mode=0o755)
    (folder / "secrets.json").touch(mode=0o600)
    assert ask_files(tmp_path)[0].state == OK
    (folder / "secrets.json").chmod(0o644)
    (readable,) = ask_files(tmp_path)
    assert readable.state == FAIL
    assert f"chmod 600 {folder / 'secrets.json'}; chmod 700 {folder}" in readable.way_out
    folder.chmod(0o700)
    assert ask_files(tmp_path)[0].state == OK


def test_where_pictures_come_from(pushed, pins):
    desk, _ = pushed
    assert ask_pictures(desk) == []
    (desk.root / "images").mkdir()
    (desk.root / "images" / "p0.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    Workspace(desk.root).write("pins", pins, command="test")
    (lost,) = ask_pictures(desk)
    assert (lost.state, lost.found) == (WARN, "1 of 3 can be shown (1 from images/)")
    named = replace(desk, image_hosts=frozenset({"cdn.example"}))
    assert "1 from cdn.example" in ask_pictures(named)[0].found


def test_examine_without_a_server_and_without_a_token(tmp_path, stub, monkeypatch):
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    (only,) = examine(tmp_path)
    assert (only.name, only.state) == ("server", FAIL)
    assert "gradewise annotation serve --workspace" in only.way_out
    found = {one.name: one for one in examine(tmp_path, server=stub.url)}
    assert found["token"].state == FAIL
    assert "LABEL_STUDIO_API_KEY" in found["token"].way_out
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", LEGACY)
    found = {one.name: one for one in examine(tmp_path, server=stub.url)}
    assert found["projects"].found == "nothing was pushed from here yet"


def test_pairs_without_country_have_a_name(make_desk, queries, pins, samples):
    desk = make_desk()
    push(desk, queries.with_columns(country=pl.lit(""), language=pl.lit("")), pins, samples)
    assert "project all" in looked(desk)
