"""What a real Label Studio that we start is closed against, each asked of the running server."""

from __future__ import annotations

import socket
import sqlite3
import stat
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from annotation.client.accounts import personal_token
from annotation.doctor import FAIL, examine
from annotation.local.hardening import LOCK_SECONDS
from annotation.local.install import DATABASE, find_executable
from annotation.server import LocalServer, running
from annotation.sync.desk import open_desk
from annotation.sync.pull import pull
from annotation.sync.push import push
from annotation.sync.submit import submit

pytestmark = [
    pytest.mark.live,
    # The SDK's own, while it refreshes a token.
    pytest.mark.filterwarnings("ignore:The `parse_obj` method:DeprecationWarning"),
]

FORM = (
    '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/>'
    "</Choices></View>"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    with LocalServer(tmp_path_factory.mktemp("closed") / "label-studio") as started:
        yield started


@pytest.fixture
def api(server):
    token = {"Authorization": f"Token {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=token, timeout=60) as client:
        yield client


@pytest.fixture
def project(api):
    made = api.post("/api/projects/", json={"title": "closed?", "label_config": FORM}).json()["id"]
    api.post(f"/api/projects/{made}/import", json=[{"text": "one"}]).raise_for_status()
    return made


def test_it_listens_on_loopback_only(server):
    port = int(server.url.rpartition(":")[2])
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == port
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_strangers_cannot_sign_up_even_with_a_right_form(server):
    with httpx.Client(base_url=server.url) as browser:
        browser.get("/user/signup/")
        form = {
            "email": "stranger@example.org",
            "password": "long-enough-1",
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        assert browser.post("/user/signup/", data=form).status_code == 403
        assert browser.get("/api/current-user/whoami").status_code == 401


def test_a_page_of_another_site_gets_nothing(server):
    elsewhere = "https://evil.example"
    reply = httpx.get(f"{server.url}/api/version", headers={"Origin": elsewhere})
    assert "access-control-allow-origin" not in reply.headers
    own = httpx.get(f"{server.url}/api/version", headers={"Origin": server.url})
    assert own.headers["access-control-allow-origin"] == server.url
    port = server.url.rpartition(":")[2]
    for host, status in (("evil.example", 400), (f"localhost:{port}", 200)):
        assert httpx.get(f"{server.url}/user/login/", headers={"Host": host}).status_code == status


def test_the_session_cookie_stays_from_scripts_and_other_sites(server):
    cookies = httpx.get(f"{server.url}/user/login/").headers.get_list("set-cookie")
    session = next(one for one in cookies if one.strip().startswith("sessionid="))
    assert "HttpOnly" in session
    assert "SameSite=Lax" in session


def test_it_fetches_nothing_from_private_addresses(api, project):
    hook = {"url": "http://127.0.0.1:9/x", "project": project}
    reply = api.post("/api/webhooks/", json=hook)
    assert reply.status_code == 403
    assert "reserved network" in reply.json()["detail"]
    assert api.get("/api/webhooks/").json() == []
    inside = api.post(f"/api/projects/{project}/import", json={"url": "http://127.0.0.1:9/x"})
    assert inside.status_code >= 400


def test_it_tells_nobody_and_asks_nobody(server, api):
    page = httpx.get(f"{server.url}/user/login/").text
    assert "APP_SETTINGS.collect_analytics = false" in page
    assert (
        api.get("/api/version").json()["label-studio-os-package"]["latest_version_from_pypi"]
        is None
    )
    pid = running(server.data_dir).pid
    links = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
    sockets = {link[8:-1] for link in links if link.startswith("socket:")}
    far = [
        line.split()[2]
        for table in (f"/proc/{pid}/net/tcp", f"/proc/{pid}/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[9] in sockets and not line.split()[2].startswith(("0100007F", "00000000"))
    ]
    assert far == []


def test_a_task_is_given_back_after_half_an_hour(server, api, project):
    asked = api.post(f"/api/dm/actions?id=next_task&project={project}", json={})
    assert asked.json()["data"] == {"text": "one"}
    with sqlite3.connect(f"file:{server.data_dir / DATABASE}?mode=ro", uri=True) as database:
        row = database.execute("SELECT created_at, expire_at FROM tasks_tasklock").fetchone()
    made, ends = (datetime.fromisoformat(one) for one in row)
    assert abs((ends - made).total_seconds() - LOCK_SECONDS) < 5


def test_exports_and_the_log_do_not_outlive_the_server(tmp_path):
    folder = tmp_path / "label-studio"
    with LocalServer(folder) as server:
        token = {"Authorization": f"Token {server.api_key}"}
        with httpx.Client(base_url=server.url, headers=token, timeout=60) as api:
            made = api.post("/api/projects/", json={"title": "export", "label_config": FORM}).json()
            api.post(f"/api/projects/{made['id']}/import", json=[{"text": "one"}])
            api.get(f"/api/projects/{made['id']}/export?exportType=JSON&download_all_tasks=true")
            personal = personal_token(server.url, server.secrets.email, server.secrets.password)
        httpx.get(f"{server.url}/user/signup/?token=abcdef123456&email={server.secrets.email}")
        assert list((folder / "export").iterdir())
        wait_for(lambda: "abcdef123456" in (folder / "label-studio.log").read_text())
        open_to_others = [
            path.name
            for path in [folder, *folder.iterdir()]
            if stat.S_IMODE(path.stat().st_mode) & 0o077
        ]
        assert open_to_others == []
    assert list((folder / "export").iterdir()) == []
    log = (folder / "label-studio.log").read_text()
    assert "/user/signup/?token=[hidden]" in log
    for secret in (server.secrets.password, server.api_key, personal, server.secrets.email):
        assert secret not in log
    assert stat.S_IMODE((folder / "label-studio.log").stat().st_mode) == 0o600


def test_a_port_that_is_taken_while_it_starts_is_noticed(tmp_path, monkeypatch):
    from annotation import server as module
    from relevance.errors import ServerError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(module, "is_free", lambda _: True)
        with (
            pytest.raises(ServerError, match=f"port {port} was taken by another program"),
            LocalServer(tmp_path / "label-studio", port=port),
        ):
            pass
    assert running(tmp_path / "label-studio") is None


def test_a_workspace_moves_to_an_empty_database(tmp_path, queries, pins, samples, judgments):
    """As docs/annotation.md says: pull, start on the other database, push with the judgments."""
    folder = tmp_path / "label-studio"
    with LocalServer(folder) as server, open_desk(tmp_path, server=server) as desk:
        push(desk, queries, pins, samples)
        submit(desk, judgments.head(6))
        before = pull(desk).judgments
    assert before.height == 6
    (folder / DATABASE).unlink()
    with LocalServer(folder) as server:
        with open_desk(tmp_path, server=server) as desk:
            again = push(desk, queries, pins, samples, finished=before)
            assert (again.n_new, again.n_finished) == (12, 6)
            after = pull(desk, full=True)
        checks = examine(tmp_path)
    kept = ["query_id", "pin_id", "annotator", "grade", "flag", "comment", "seconds"]
    assert after.judgments.select(kept).equals(before.select(kept))
    assert after.rejected.height == 0
    assert [one for one in checks if one.state == FAIL] == []
    assert {one.found for one in checks if one.name == "doubled tasks"} == {"none among 12"}


@pytest.mark.browser
def test_its_pages_ask_no_other_host(chromium, server, project):
    from playwright.sync_api import sync_playwright

    asked = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda one: asked.append(one.url))
        page.goto(f"{server.url}/user/login/")
        page.fill("input[name=email]", server.secrets.email)
        page.fill("input[name=password]", server.secrets.password)
        page.press("input[name=password]", "Enter")
        page.wait_for_function("() => !location.pathname.startsWith('/user/login')")
        for place in (
            "/projects",
            f"/projects/{project}/data",
            f"/projects/{project}/data?labeling=1",
            f"/projects/{project}/settings",
            "/organization",
            "/user/account",
        ):
            page.goto(server.url + place)
            page.wait_for_load_state("networkidle")
        browser.close()
    assert len(asked) > 50
    home = (server.url + "/", "data:", f"blob:{server.url}")
    assert [one for one in asked if not one.startswith(home)] == []


def wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
