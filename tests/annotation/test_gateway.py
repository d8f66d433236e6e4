"""How requests travel: to one host only, past proxies, once, and without telling secrets."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from annotation.client.accounts import http_client, personal_token, sign_up_closed
from annotation.client.replies import facts_of
from annotation.gateway import ConflictError, RefusedError, SdkStudio, UnclearError
from annotation.sync.desk import open_desk
from relevance.errors import ServerError

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PASSWORD = "correct horse battery"


class Site:
    """An HTTP server whose answers a test chooses; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict, bytes]] = []
        self.answers: list[tuple[int, dict, object]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                site.asked.append((self.command, self.path, dict(self.headers), body))
                status, headers, said = site.answers.pop(0) if site.answers else (200, {}, {})
                content = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PATCH = do_GET  # noqa: N815 - names that http.server looks for

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


@pytest.fixture
def elsewhere():
    made = Site()
    yield made
    made.close()


@pytest.fixture
def studio(site, monkeypatch):
    monkeypatch.setattr("annotation.gateway._READ_PAUSES", (0.0, 0.0))
    made = SdkStudio(site.url, TOKEN, timeout=5)
    yield made
    made.close()


def import_one(studio) -> list[int]:
    return studio.import_tasks(7, [{"data": {"query": "gâteau"}}])


def test_an_import_is_one_request_with_the_tasks_alone(site, studio):
    site.answers = [(201, {}, {"task_count": 1, "task_ids": [5]})]
    assert import_one(studio) == [5]
    ((method, path, headers, body),) = site.asked
    assert (method, urlsplit(path).path) == ("POST", "/api/projects/7/import")
    assert json.loads(body) == [{"data": {"query": "gâteau"}}]
    assert headers["Authorization"] == f"Token {TOKEN}"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
def test_what_may_have_happened_is_unclear_and_never_repeated(site, studio, status):
    site.answers = [(status, {"Retry-After": "0"}, {"detail": "overrun"})]
    with pytest.raises(UnclearError, match=f"answered {status}: overrun") as caught:
        import_one(studio)
    assert len(site.asked) == 1
    assert caught.value.timed_out == (status in (504, 408))


@pytest.mark.parametrize("status", [500, 504])
def test_other_changes_are_not_repeated_by_the_sdk_either(site, studio, status):
    for act in (
        lambda: studio.annotate(3, {"result": []}),
        lambda: studio.update_project(3, overlap=2),
        lambda: studio.delete_tasks(3, [1], keys=["k"], n_annotations=0),
        studio.close_invitations,
    ):
        site.answers, site.asked = [(status, {}, {})], []
        with pytest.raises(UnclearError):
            act()
        assert len(site.asked) == 1


def test_reading_is_repeated(site, studio):
    site.answers = [(503, {}, {}), (502, {}, {}), (200, {}, {"tasks": [{"id": 1, "data": {}}]})]
    assert studio.identities(7, page=1, size=10) == [(1, "")]
    site.answers = [(503, {}, {})] * 3
    with pytest.raises(UnclearError, match="503"):
        studio.identities(7, page=1, size=10)


def test_refusals_and_conflicts_are_told_apart(site, studio):
    site.answers = [(400, {}, {"detail": "no such field"})]
    with pytest.raises(RefusedError, match="answered 400: no such field"):
        import_one(studio)
    site.answers = [(409, {}, {"detail": "there already"})]
    with pytest.raises(ConflictError, match="there already"):
        studio.annotate(3, {"result": []})
    site.answers = [(403, {}, b"<html>nginx</html>")]
    with pytest.raises(RefusedError, match=r"a page of HTML.*Is the token in LABEL_STUDIO_API_KEY"):
        import_one(studio)


def test_a_page_behind_the_last_is_empty_but_a_missing_project_is_told(site, studio):
    site.answers = [(404, {}, {"detail": "Invalid page."})]
    assert studio.tasks(7, page=2, size=10) == []
    site.answers = [(404, {}, {"detail": "No Project matches"})]
    with pytest.raises(RefusedError, match="No Project matches"):
        studio.tasks(7, page=1, size=10)


def test_tasks_are_asked_for_by_key_and_time(site, studio):
    site.answers = [(200, {}, {"tasks": []})]
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    studio.tasks(7, page=3, size=50, keys=["a", "b"], since=moment)
    asked = parse_qs(urlsplit(site.asked[0][1]).query)
    assert (asked["project"], asked["page"], asked["page_size"]) == (["7"], ["3"], ["50"])
    keys, since = json.loads(asked["query"][0])["filters"]["items"]
    assert (keys["filter"], keys["operator"], keys["value"]) == (
        "filter:tasks:data.pair_key",
        "in_list",
        ["a", "b"],
    )
    assert (since["operator"], since["value"]) == ("greater", "2026-01-02T03:04:05.000006Z")


def test_a_redirect_to_another_host_gets_nothing(site, elsewhere, studio):
    for status in (301, 302, 303, 307, 308):
        for act in (lambda: import_one(studio), studio.people, studio.release):
            site.answers = [(status, {"Location": f"{elsewhere.url}/api/steal"}, {})]
            with pytest.raises(ServerError, match=r"sends us on to .* neither token nor data"):
                act()
    assert elsewhere.asked == []


def test_a_redirect_within_the_server_is_followed(site, studio):
    site.answers = [
        (302, {"Location": f"{site.url}/api/version/2"}, {}),
        (200, {}, {"release": "1.23.2"}),
    ]
    assert studio.release() == "1.23.2"
    assert site.asked[1][2]["Authorization"] == f"Token {TOKEN}"


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("http://ls.example/x", True),
        ("http://ls.example:80/x", True),
        ("https://ls.example/x", True),
        ("https://ls.example:8443/x", False),
        ("http://ls.example:8080/x", False),
        ("http://evil.example/x", False),
        ("http://ls.example.evil.example/x", False),
    ],
)
def test_where_a_client_may_go(address, allowed):
    with http_client("http://ls.example", 1) as client:
        (hook,) = client.event_hooks["request"]
        if allowed:
            hook(httpx.Request("GET", address))
        else:
            with pytest.raises(ServerError, match="name it with --server"):
                hook(httpx.Request("GET", address))


def test_https_is_never_left(site):
    with http_client("https://ls.example", 1) as client:
        (hook,) = client.event_hooks["request"]
        with pytest.raises(ServerError, match=r"sends us on to http://ls\.example"):
            hook(httpx.Request("GET", "http://ls.example/x"))


def test_loopback_never_goes_through_a_proxy(site, elsewhere, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.url)
    with SdkStudioOf(site) as studio:
        site.answers = [(200, {}, {"release": "1.23.2"})]
        assert studio.release() == "1.23.2"
    assert elsewhere.asked == []


class SdkStudioOf:
    """A studio at a site, closed at the end."""

    def __init__(self, site: Site) -> None:
        self._studio = SdkStudio(site.url, TOKEN, timeout=5)

    def __enter__(self) -> SdkStudio:
        return self._studio

    def __exit__(self, *_: object) -> None:
        self._studio.close()


def test_no_secret_in_errors_and_logs(site, studio, caplog):
    caplog.set_level(logging.DEBUG)
    for body in ({"detail": f"bad token {TOKEN}"}, {"token": TOKEN}, f"Token {TOKEN}".encode()):
        site.answers = [(401, {}, body)]
        with pytest.raises(RefusedError) as caught:
            import_one(studio)
        assert TOKEN not in str(caught.value)
        assert caught.value.__cause__ is None
    site.answers = [(200, {}, {}), (403, {}, {}), (401, {}, {})]
    with pytest.raises(ServerError) as wrong:
        personal_token(site.url, "ann@example.org", PASSWORD)
    assert PASSWORD not in str(wrong.value)
    assert TOKEN not in caplog.text
    assert PASSWORD not in caplog.text


def test_a_server_that_is_not_there_is_told_without_its_password(monkeypatch):
    monkeypatch.setattr("annotation.gateway._READ_PAUSES", ())
    studio = SdkStudio("http://user:geheim123@127.0.0.1:9", TOKEN)
    with pytest.raises(UnclearError, match=r"does not answer \(ConnectError\)") as caught:
        studio.release()
    studio.close()
    assert "geheim123" not in str(caught.value)


def test_something_that_is_no_label_studio_is_told(site, studio, tmp_path):
    site.answers = [(200, {}, b"<html>welcome</html>")]
    with pytest.raises(RefusedError, match="does not answer as Label Studio does"):
        studio.release()
    site.answers = [(200, {}, {"release": "1.20.0"})]
    with pytest.raises(ServerError, match=r"is 1\.20\.0; it must be 1\.23\.1 or newer"):
        open_desk(tmp_path, server=site.url, api_key=TOKEN)


def test_whether_strangers_can_sign_up(site):
    site.answers = [(200, {}, {}), (403, {}, {})]
    assert sign_up_closed(site.url) is True
    site.answers = [(200, {}, {}), (200, {}, {})]
    assert sign_up_closed(site.url) is False
    assert b"email" not in site.asked[-1][3], "an empty form makes no account"
    site.answers = [(404, {}, {})]
    assert sign_up_closed(site.url) is None


def test_facts_that_only_some_may_see():
    page = """{"settings": {"SSRF_PROTECTION_ENABLED": "False", "DATABASES":
    "{'default': {'ENGINE': 'django.db.backends.postgresql', 'PASSWORD': 'geheim'}}"}}"""
    facts = facts_of("1.23.2", "personal", page, sign_up_closed=None)
    assert (facts.ssrf_protected, facts.database) == (False, "postgresql")
    assert "geheim" not in repr(facts)
    plain = facts_of("1.23.2", "legacy", "<pre>{}</pre>", sign_up_closed=True)
    assert (plain.ssrf_protected, plain.database, plain.sign_up_closed) == (None, None, True)


def test_a_success_that_cannot_be_read_is_unclear(site, studio):
    site.answers = [(201, {}, b"<html>thank you</html>")]
    with pytest.raises(UnclearError, match="answered 201 with something that is no JSON"):
        import_one(studio)
