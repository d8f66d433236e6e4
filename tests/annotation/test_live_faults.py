"""Exactly once on a real Label Studio: through a misbehaving relay, kills, locks and rivals."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import polars as pl
import pytest

from annotation.gateway import SdkStudio
from annotation.local.install import find_executable
from annotation.server import LocalServer, running
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.plan import plan_push
from annotation.sync.pull import pull
from annotation.sync.push import Pushed, push
from annotation.sync.status import status
from annotation.sync.store import Store
from annotation.sync.submit import submit
from annotation.sync.verify import EDITED, FOREIGN, MISSING, TWIN, verify

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    # The SDK's own, while it refreshes a token.
    pytest.mark.filterwarnings("ignore:The `parse_obj` method:DeprecationWarning"),
]

_spec = importlib.util.spec_from_file_location("relay", Path(__file__).with_name("relay.py"))
_relay = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_relay)
Relay, Trouble = _relay.Relay, _relay.Trouble

N = 240
QUERIES = pl.DataFrame(
    {"query_id": ["q"], "text": ["boho rug"], "country": ["US"], "language": ["en"]}
)
PINS = pl.DataFrame(
    {"pin_id": [f"p{i:03}" for i in range(N)], "title": [f"Rug {i}" for i in range(N)]}
)
SAMPLES = PINS.select("pin_id").with_columns(query_id=pl.lit("q"), draw=pl.lit("measure"))
CHILD = """
import sys, time
from pathlib import Path
import polars as pl
sys.path.insert(0, sys.argv[4])
from annotation.sync.desk import LOCAL, Desk
from annotation.gateway import SdkStudio
from annotation.sync.push import Pushed, push
from annotation.sync.store import Store
folder = Path(sys.argv[1])
queries, pins, samples = (pl.read_parquet(folder / f"{n}.parquet") for n in ("q", "p", "s"))
desk = Desk(SdkStudio(sys.argv[2], sys.argv[3]), Store(folder / "s.sqlite3"), LOCAL, folder,
            frozenset(), time.sleep)
push(desk, queries, pins, samples, chunk=20,
     progress=lambda done, total, what="": print(done, flush=True))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if find_executable() is None:
        pytest.skip("needs Label Studio: gradewise annotation serve --install-only")
    with LocalServer(tmp_path_factory.mktemp("faults") / "label-studio") as started:
        yield started


@pytest.fixture
def open_desk_at(server, tmp_path):
    """Opens a desk of this test's workspace at an address, impatient so that tests are short."""
    opened = []

    def make(url: str | None = None, *, store: Path | None = None, timeout: float = 60) -> Desk:
        studio = SdkStudio(url or server.url, server.api_key, timeout=timeout)
        kept = Store(store or tmp_path / "s.sqlite3")
        desk = Desk(studio, kept, LOCAL, tmp_path, frozenset(), lambda s: time.sleep(min(s, 0.5)))
        opened.append(desk)
        return desk

    yield make
    for desk in opened:
        desk.close()


def there(desk: Desk) -> list[str]:
    """Pair keys on the server, of all projects of this workspace."""
    keys = []
    for entry in desk.store.projects(LOCAL):
        for page in range(1, 9):
            found = desk.studio.identities(entry.project_id, page=page, size=1000)
            keys += [key for _, key in found]
            if len(found) < 1000:
                break
    return keys


def everything_once(desk: Desk, n: int = N) -> None:
    """Every pair has one task, all in one project, and verify has nothing to say."""
    found = verify(desk)
    assert {one.kind for one in found.findings} <= {TWIN}
    keys = there(desk)
    assert len(keys) == len(set(keys)) == n
    assert sum(one.n_missing for one in status(desk)) == 0


def push_from_a_thread(desk: Desk, **options) -> Pushed:
    """A patient push with a store of its own: SQLite's connections stay in their thread."""
    kept = Store(desk.store.path)
    mine = Desk(desk.studio, kept, LOCAL, desk.root, frozenset(), time.sleep)
    try:
        return push(mine, QUERIES, PINS, SAMPLES, chunk=20, **options)
    finally:
        kept.close()


def port_of(url: str) -> int:
    return urlsplit(url).port


def test_a_relay_that_does_everything_wrong(server, open_desk_at):
    wrong = [one for one in Trouble if one is not Trouble.NONE]
    random.Random(5).shuffle(wrong)
    troubles = [Trouble.NONE]  # the project is made; then the tasks
    troubles += [trouble for one in wrong for trouble in (one, Trouble.NONE)]
    with Relay(port_of(server.url), troubles) as relay:
        desk = open_desk_at(relay.url)
        pushed = push(desk, QUERIES, PINS, SAMPLES, chunk=15)
        seen = {trouble for line, trouble in relay.seen if "/import" in line}
        assert seen == set(Trouble), "each went wrong at least once"
        assert pushed.n_new == N
        assert pushed.n_unclear == 5, "a slow reply and a doubled request look like any other"
        everything_once(desk)
        relay.troubles = [Trouble.HALF, Trouble.DROPPED]  # making the account
        grades = pl.DataFrame(
            {
                "query_id": ["q"] * 12,
                "pin_id": PINS["pin_id"].head(12),
                "annotator": ["ann"] * 12,
                "grade": [1, 2, 3, 4] * 3,
                "flag": pl.Series([None] * 12, dtype=pl.String),
                "comment": pl.Series([None] * 12, dtype=pl.String),
                "seconds": [3.0] * 12,
            }
        )
        submit(desk, grades.head(2))
        assert relay.troubles == []
        relay.only = "/api/token"
        relay.troubles = [Trouble.DROPPED]
        submit(desk, grades.head(3))
        relay.only = "/annotations"
        answers = [Trouble.HALF, Trouble.TWICE, Trouble.DROPPED, Trouble.GATEWAY, Trouble.CUT]
        relay.troubles = list(answers)
        assert submit(desk, grades).n_there >= 3
        assert {one for line, one in relay.seen if "/annotations" in line} >= set(answers)
        relay.troubles = [Trouble.TWICE, Trouble.GATEWAY] * 3
        assert pull(desk).judgments["grade"].to_list() == [1, 2, 3, 4] * 3
        everything_once(desk)


def test_a_project_is_made_once_though_its_reply_was_lost(server, open_desk_at):
    with Relay(port_of(server.url), [Trouble.DROPPED]) as relay:
        desk = open_desk_at(relay.url)
        push(desk, QUERIES, PINS, SAMPLES.head(3))
        assert relay.seen[0][1] is Trouble.DROPPED
        assert len(desk.studio.find_projects(desk.store.marker)) == 1


def test_a_client_that_is_killed_at_several_moments(server, open_desk_at, tmp_path):
    for name, frame in {"q": QUERIES, "p": PINS, "s": SAMPLES}.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    root = str(Path(__file__).parents[2])
    words = [sys.executable, "-c", CHILD, str(tmp_path), server.url, server.api_key, root]
    for moment, delay in ((0, 0.02), (40, 0.0), (120, 0.05)):
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        with child:
            for line in child.stdout:
                if int(line) >= moment:
                    break
            time.sleep(delay)  # into the middle of the next request
            os.kill(child.pid, signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
    desk = open_desk_at()
    pushed = push(desk, QUERIES, PINS, SAMPLES)
    assert 0 < pushed.n_new < N, "the killed ones had got somewhere, not everywhere"
    everything_once(desk)


def test_a_server_that_is_killed_in_the_middle_of_an_import(server, open_desk_at):
    desk = open_desk_at()
    push(desk, QUERIES, PINS, SAMPLES.head(20))
    folder, port = server.data_dir, port_of(server.url)
    killed = threading.Event()

    def kill_soon(done: int, total: int, what: str = "") -> None:
        if done >= 60 and not killed.is_set():
            killed.set()
            threading.Timer(0.03, os.kill, (running(folder).pid, signal.SIGKILL)).start()

    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push_from_a_thread, desk, progress=kill_soon)
        assert killed.wait(30)
        server._process.wait(timeout=30)
        heir = LocalServer(folder, port=port).start().wait_ready()
        server._process, server._running = heir._process, heir._running
        pushed = pushing.result(timeout=120)
    assert pushed.n_unclear > 0
    assert pushed.n_new == N - 20
    everything_once(desk)


def test_a_database_that_is_locked_for_longer_than_the_client_waits(server, open_desk_at):
    """The server goes on alone: what the client has given up is stored long after."""
    desk = open_desk_at()
    push(desk, QUERIES, PINS, SAMPLES.head(20))
    impatient = open_desk_at(timeout=2)
    database = server.data_dir / "label_studio.sqlite3"
    holder = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    released = threading.Timer(5, holder.execute, ("ROLLBACK",))
    released.start()
    pushed = push(impatient, QUERIES, PINS, SAMPLES, chunk=110)
    released.join()
    holder.close()
    assert pushed.n_unclear >= 1
    until, counts = time.monotonic() + 40, [0]
    while time.monotonic() < until and counts[-4:] != counts[-1:] * 4:
        time.sleep(1)  # requests that were given up are still being stored
        counts.append(len(there(desk)))
    everything_once(desk)


def test_two_machines_that_push_at_the_same_time(server, open_desk_at, tmp_path):
    first = open_desk_at()
    second = open_desk_at(store=tmp_path / "copy.sqlite3")
    first.store.db.backup(second.store.db)
    stores = {"one": first, "two": second}

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(push_from_a_thread, stores.values()))
    assert sum(one.n_new for one in made) > N, "they did get into each other's way"
    everything_once(first)
    everything_once(second)
    numbers = {desk.store.project(LOCAL, "en-US").project_id for desk in stores.values()}
    assert len(numbers) == 1


def test_tasks_deleted_and_edited_by_hand(server, open_desk_at):
    desk = open_desk_at()
    push(desk, QUERIES, PINS, SAMPLES.head(20))
    project = desk.store.project(LOCAL, "en-US").project_id
    numbers = [number for number, _ in desk.studio.identities(project, page=1, size=20)]
    token = {"Authorization": f"Token {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=token) as hand:
        for number in numbers[:3]:
            hand.delete(f"/api/tasks/{number}/").raise_for_status()
        task = hand.get(f"/api/tasks/{numbers[5]}/").json()
        data = {**task["data"], "title": "Grade this 5"}
        hand.patch(f"/api/tasks/{numbers[5]}/", json={"data": data}).raise_for_status()
        copy = {"data": hand.get(f"/api/tasks/{numbers[7]}/").json()["data"]}
        stranger = {"data": {**task["data"], "pair_key": "stranger"}}
        hand.post(f"/api/projects/{project}/import", json=[copy, stranger]).raise_for_status()
    plan = plan_push(desk, QUERIES, PINS, SAMPLES.head(20)).projects[0]
    assert (plan.n_new, plan.n_there, plan.n_gone) == (3, 17, 3)
    found = verify(desk)
    assert found.n_removed == 1
    assert sorted(one.kind for one in found.findings) == [EDITED, FOREIGN] + [MISSING] * 3
    assert push(desk, QUERIES, PINS, SAMPLES.head(20)).n_new == 3
    left = verify(desk)
    assert {one.kind for one in left.findings} == {EDITED, FOREIGN}
    assert [one.task_id for one in left.findings if one.kind == EDITED] == [numbers[5]]
