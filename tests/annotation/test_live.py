"""The same promises kept by a real Label Studio."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import httpx
import polars as pl
import pytest

from annotation.desk import open_desk
from annotation.gateway import ConflictError, RefusedError
from annotation.install import find_executable, install
from annotation.server import LocalServer, answers, running
from annotation.sync import pull, push, status, submit
from relevance.errors import ServerError

pytestmark = [
    pytest.mark.live,
    # The SDK's own, while it refreshes a token.
    pytest.mark.filterwarnings("ignore:The `parse_obj` method:DeprecationWarning"),
]

SAID = ["query_id", "pin_id", "annotator", "grade", "flag", "comment", "seconds"]
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 5"><rect width="3" height="4"/></svg>'
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    (folder / "images").mkdir()
    (folder / "images" / "p0.svg").write_text(DRAWING)
    return folder


@pytest.fixture(scope="module")
def server(workspace):
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    with LocalServer(workspace / "label-studio") as started:
        yield started


@pytest.fixture
def desk(server, workspace):
    with open_desk(workspace, server=server) as opened:
        yield opened


def test_push_submit_pull(desk, workspace, queries, pins, samples, judgments):
    direct = judgments.filter(pl.col("query_id") == "q1")
    finished = judgments.filter(pl.col("query_id") == "q2")
    pushed = push(desk, queries, pins, samples, finished=finished)
    assert (pushed.n_new, pushed.n_finished, pushed.n_without_picture) == (12, 12, 6)
    assert submit(desk, direct).n_new == 12
    pulled = pull(desk)
    wanted = pl.concat([direct, finished])
    assert pulled.judgments.select(SAID).rows() == wanted.select(SAID).sort(SAID[:3]).rows()
    assert pulled.by_source == {"endpoint": 12, "import": 12}
    assert pulled.notes == ()
    again = push(desk, queries, pins, samples, finished=finished)
    assert (again.n_new, again.n_unsent, again.n_surplus) == (0, 0, 0)
    assert submit(desk, direct).n_there == 12
    assert sum(one.n_judgments for one in status(desk)) == 24


def test_accounts_are_members_and_invitations_are_closed(server, desk, judgments):
    assert {"q1-a@graders.example.com", "q1-b@graders.example.com"} <= set(
        desk.studio.people().values()
    )
    reply = httpx.get(f"{server.url}/api/projects/")
    assert reply.status_code == 401
    form = httpx.post(f"{server.url}/user/signup/", data={"email": "x@y.org", "password": "p" * 12})
    assert form.status_code == 403


def test_an_annotation_is_unique_and_refusals_are_told(desk):
    task = desk.studio.tasks(1, page=1, size=1)[0]
    annotation = {"result": [], "unique_id": "5f0c8f3e-6b0d-4a1e-9a43-0d3c3b7f5a11"}
    desk.studio.annotate(task["id"], annotation)
    with pytest.raises(ConflictError):
        desk.studio.annotate(task["id"], annotation)
    with pytest.raises(RefusedError, match="404"):
        desk.studio.annotate(999_999, annotation)
    assert "no grade" in pull(desk).rejected["reason"].to_list()
    assert desk.studio.tasks(1, page=99, size=10) == []


def test_secrets_and_data_are_private(server, workspace):
    for name in ("secrets.json", "server.json", "gradewise.sqlite3"):
        mode = stat.S_IMODE((workspace / "label-studio" / name).stat().st_mode)
        assert mode == 0o600, name
    log = (workspace / "label-studio" / "label-studio.log").read_text(errors="replace")
    assert server.secrets.password not in log
    assert server.secrets.token not in log


def test_a_second_start_finds_the_running_server(server, workspace):
    second = LocalServer(workspace / "label-studio").start().wait_ready()
    assert second.url == server.url
    second.stop()
    assert answers(server.url, server.api_key), "stopping the second stopped the first"


def test_a_wrong_token_is_told(server, workspace):
    with (
        pytest.raises(RefusedError, match="LABEL_STUDIO_API_KEY"),
        open_desk(workspace, server=server.url, api_key="0" * 40) as desk,
    ):
        desk.studio.people()


def test_pictures_are_shown_to_people_logged_in_only(server, desk, queries, pins, samples):
    push(desk, queries, pins, samples)
    address = f"{server.url}/data/local-files/?d=images/p0.svg"
    token = {"Authorization": f"Token {server.api_key}"}
    assert httpx.get(address, headers=token).text == DRAWING
    assert "rect" not in httpx.get(address).text
    outside = f"{server.url}/data/local-files/?d=label-studio/secrets.json"
    assert httpx.get(outside, headers=token).status_code in (403, 404)


def test_a_server_whose_starter_died_is_taken_over(tmp_path):
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    install()
    folder = tmp_path / "label-studio"
    code = (
        "import sys, time; from pathlib import Path; from annotation.server import LocalServer;"
        "LocalServer(Path(sys.argv[1])).start().wait_ready(); print('ready', flush=True);"
        "time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    with starter:
        assert starter.stdout.readline().strip() == "ready"
        os.kill(starter.pid, signal.SIGKILL)
    heir = LocalServer(folder).start().wait_ready()
    assert answers(heir.url, heir.api_key)
    heir.stop()
    assert running(folder) is None
    with pytest.raises(ServerError, match="gradewise annotation serve"):
        open_desk(tmp_path)


@pytest.mark.browser
def test_a_person_grades_by_keyboard(chromium, server, desk, workspace, queries, pins):
    asked = queries.head(1).with_columns(
        country=pl.lit("JP"), text=pl.lit("ラグ 北欧"), query_id=pl.lit("jp")
    )
    pictured = pins.with_columns(image=pl.lit("images/p0.svg"))
    todo = pl.DataFrame({"query_id": ["jp"] * 4, "pin_id": ["p0", "p1", "p2", "p3"]})
    project = push(desk, asked, pictured, todo, overlap=1).countries["JP"]
    from playwright.sync_api import sync_playwright

    wanted = ["5", "2", "0", "4"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        elsewhere = []
        page.on("request", lambda one: elsewhere.append(one.url))
        log_in(page, server)
        page.goto(f"{server.url}/projects/{project}/data?labeling=1")
        page.wait_for_selector(".rv .lsf-choices label", timeout=60_000)
        page.keyboard.press("Escape")  # the guidelines, shown first
        page.wait_for_selector("text=Labeling Instructions", state="hidden")
        check_layout(page)
        page.screenshot(path=workspace / "page.png")
        for number, key in enumerate(wanted):
            done = page.expect_response(lambda reply: "/annotations" in reply.url and reply.ok)
            with done:
                page.keyboard.press(key)
                page.wait_for_selector(".rv input:checked")
                page.keyboard.press("Control+Enter")
            if number + 1 < len(wanted):
                page.wait_for_selector(".rv label:has(input)")
                page.wait_for_selector(".rv input:checked", state="detached")
        browser.close()
    assert not [url for url in elsewhere if not url.startswith((server.url, "data:", "blob:"))]
    found = pull(desk).judgments.filter(pl.col("query_id") == "jp").sort("created_at")
    assert found["grade"].to_list() == [5, 2, None, 4]
    assert found["flag"].to_list() == [None, None, "cannot_judge", None]
    assert set(found["source"]) == {"endpoint"}
    assert found["seconds"].min() > 0


def log_in(page, server) -> None:
    page.goto(f"{server.url}/user/login/")
    page.fill("input[name=email]", server.secrets.email)
    page.fill("input[name=password]", server.secrets.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{server.url}/**", wait_until="load")
    page.wait_for_function("() => !location.pathname.startsWith('/user/login')")


def check_layout(page) -> None:
    """Six even buttons, the picture and the query are above the fold."""
    bottoms = page.eval_on_selector_all(
        ".rv .lsf-choices label", "all => all.map(one => one.getBoundingClientRect().bottom)"
    )
    assert len(bottoms) == 6
    assert max(bottoms) < 900
    assert len({round(bottom) for bottom in bottoms}) == 1
    assert "ラグ 北欧" in page.inner_text(".rv .q")
    page.wait_for_function("() => document.querySelector('.rv .cols img')?.naturalWidth > 0")
    picture = page.locator(".rv .cols img").bounding_box()
    assert picture["width"] > 100
    assert picture["y"] + picture["height"] < 900
