from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.commands import dashboard
from app.views import PAGES
from relevance.errors import GradewiseError, InputError

APP = Path(dashboard.__file__).parents[1]
SCRIPT = APP / "dashboard.py"
LAUNCH = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@pytest.fixture
def page(results_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from streamlit.testing.v1 import AppTest

    monkeypatch.setenv("GRADEWISE_WORKSPACE", str(results_workspace))
    return AppTest.from_file(str(SCRIPT), default_timeout=30)


def html_of(page: Any) -> str:
    return "".join(str(element.proto.body) for element in page.get("html"))


def test_every_page_file_is_in_the_navigation() -> None:
    files = {path.name for path in (APP / "views").glob("*.py")} - {"__init__.py"}
    assert files == {view.file for view in PAGES}
    assert [view.path for view in PAGES].count("") == 1


def test_no_module_is_named_like_one_of_others() -> None:
    """Streamlit puts the script's folder first on sys.path: `app/html.py` would shadow `html`."""
    ours = {path.stem for path in APP.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert ours.isdisjoint(sys.stdlib_module_names)
    assert ours.isdisjoint(
        {"streamlit", "plotly", "polars", "relevance", "annotation", "evaluation"}
    )


def test_overview_shows_verdict_figures_and_charts(page: Any) -> None:
    page.run()
    assert not page.exception
    assert page.title[0].value == "Overview"
    shown = html_of(page)
    for text in ("Ship", "+2.20%", "15,012 users, 120,096 sessions", "Model quality: Accuracy"):
        assert text in shown
    assert len(page.get("plotly_chart")) == 2


@pytest.mark.parametrize("view", PAGES[1:], ids=lambda view: view.path)
def test_every_page_runs(page: Any, view: Any) -> None:
    page.run()
    page.switch_page(f"views/{view.file}").run()
    assert not page.exception
    assert page.title[0].value == view.title


def test_choice_changes_the_page(page: Any) -> None:
    page.run()
    page.switch_page("views/rankings.py").run()
    page.segmented_control(key="metric").set_value("P@8").run()
    page.segmented_control(key="country").set_value("JP").run()
    assert not page.exception
    assert "Compared with Production: P@8" in html_of(page)
    assert "Systems, JP" in html_of(page)


def test_choice_is_read_from_the_address(page: Any) -> None:
    page.query_params["metric"] = "nDCG@20"
    page.run()
    assert "Model quality: nDCG@20" in html_of(page)


@pytest.mark.parametrize("view", PAGES, ids=lambda view: view.title)
def test_empty_workspace_names_the_commands(
    page: Any, view: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADEWISE_WORKSPACE", str(tmp_path / "nothing here"))
    page.run()
    if view.path:
        page.switch_page(f"views/{view.file}").run()
    assert not page.exception
    assert "gradewise " in html_of(page)


def test_free_port_leaves_a_busy_one() -> None:
    with socket.socket() as busy:
        busy.bind((dashboard.HOST, 0))
        busy.listen()
        taken = busy.getsockname()[1]
        assert dashboard.free_port(taken) > taken


def test_command_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gradewise demo"):
        dashboard.dashboard(tmp_path / "none")


def test_start_tells_why_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [sys.executable, "-c", "raise SystemExit('no such thing')", "--server.port=1"]
    monkeypatch.setattr(dashboard, "command", lambda port: broken)
    with pytest.raises(GradewiseError, match="no such thing"):
        dashboard.start_dashboard(tmp_path, 1, wait=20)


@pytest.fixture
def served(results_workspace: Path) -> Iterator[str]:
    process = dashboard.start_dashboard(results_workspace, dashboard.free_port(0))
    try:
        yield dashboard.address_of(process)
    finally:
        dashboard.stop_dashboard(process)
    assert process.poll() is not None


@pytest.mark.browser
def test_browser_shows_our_theme_and_asks_nobody_else(served: str, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    errors: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=LAUNCH)
        for scheme, width, paper in (
            ("light", 1440, "rgb(255, 255, 255)"),
            ("dark", 390, "rgb(17, 21, 27)"),
        ):
            tab = browser.new_page(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            tab.on("request", lambda request: asked.append(request.url))
            tab.on("pageerror", lambda error: errors.append(str(error)))
            tab.goto(served)
            tab.wait_for_selector(".js-plotly-plot .scatterlayer", timeout=60_000)
            assert tab.inner_text(".gw-word") == "Ship"
            look = "e => getComputedStyle(e).backgroundColor"
            assert tab.eval_on_selector("[data-testid=stApp]", look) == paper
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            tab.close()
        browser.close()
    assert errors == []
    assert all(url.startswith((served, "data:", "blob:")) for url in asked)


HEEDS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_serves_until_interrupted(results_workspace: Path, number: signal.Signals) -> None:
    port = dashboard.free_port(0)
    code = f"{HEEDS_CTRL_C}; from app.cli import main; main()"
    start = [sys.executable, "-c", code, "dashboard"]
    flags = ["--workspace", str(results_workspace), "--port", str(port)]
    process = subprocess.Popen([*start, *flags], stderr=subprocess.PIPE, text=True, process_group=0)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert f"http://127.0.0.1:{port}" in "".join(said.split())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/_stcore/health")
        assert connection.getresponse().read() == b"ok"
        connection.close()
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its server too, should the test have failed
        process.wait()
        process.stderr.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
        pass
