from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from annotation import server as module
from annotation.local import install as installation
from annotation.local.hardening import (
    DATABASE_VARIABLE,
    check_port,
    database_of,
    parse_database,
    remember_database,
    said_in_log,
    server_settings,
    tidy,
)
from annotation.local.install import (
    cache_folder,
    clean_environment,
    find_executable,
    install,
    installed_version,
)
from annotation.local.processes import alive, free_port
from annotation.secrets import redact
from annotation.server import LocalServer, answers, running
from annotation.sync.desk import open_desk
from relevance.errors import ServerError, SettingsError

# Behaves like Label Studio's command as far as the start is concerned.
STAND_IN = """#!{python}
import http.server, os, sys
from pathlib import Path
folder = Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"])
database = folder / "label_studio.sqlite3"
if sys.argv[1] == "version":
    database.write_text("migrated")
    sys.exit(0)
if {broken}:
    sys.exit("the database is broken")
assert database.read_text() == "migrated"
(folder / "seen.txt").write_text(os.environ["COLLECT_ANALYTICS"] + os.environ.get("DJANGO_DB", ""))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ours = self.headers["Authorization"] == "Token " + os.environ["LABEL_STUDIO_USER_TOKEN"]
        self.send_response(200 if ours else 401)
        self.end_headers()
    def log_message(self, *_):
        pass
host = sys.argv[sys.argv.index("--internal-host") + 1]
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer((host, port), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def a_port_of_its_own(monkeypatch):
    """Which no test of another process takes between the choice and the start."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]
    monkeypatch.setattr(module, "PREFERRED_PORT", 18_080 + 100 * int(worker))


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """An executable that stands for Label Studio's, named by the environment."""

    def make(*, broken: bool = False) -> Path:
        path = tmp_path / "env" / "bin" / "label-studio"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STAND_IN.format(python=sys.executable, broken=broken))
        path.chmod(0o755)
        packages = tmp_path / "env" / "lib" / "python3" / "site-packages"
        (packages / "label_studio-1.23.2.dist-info").mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("GRADEWISE_LABEL_STUDIO", str(path))
        monkeypatch.setenv("GRADEWISE_CACHE", str(tmp_path / "cache"))
        return path

    return make


def test_start_wait_stop(stand_in, tmp_path, monkeypatch):
    stand_in()
    monkeypatch.setenv("DJANGO_DB", "sqlite-elsewhere")
    server = LocalServer(tmp_path / "w" / "label-studio").start()
    told = []
    server.wait_ready(progress=lambda *args: told.append(args))
    assert told[-1][0] == told[-1][1]
    assert answers(server.url, server.api_key)
    assert not answers(server.url, "0" * 40)
    assert server.url.startswith("http://127.0.0.1:")
    assert running(server.data_dir).url == server.url
    assert (server.data_dir / "seen.txt").read_text() == "falsesqlite"
    for name in ("secrets.json", "server.json"):
        assert stat.S_IMODE((server.data_dir / name).stat().st_mode) == 0o600
    second = LocalServer(server.data_dir).start().wait_ready()
    assert second.url == server.url
    second.stop()
    assert answers(server.url, server.api_key)
    server.stop()
    server.stop()
    assert not answers(server.url, server.api_key)
    assert running(server.data_dir) is None


def test_secrets_stay_the_same_and_are_not_in_the_log(stand_in, tmp_path):
    stand_in()
    folder = tmp_path / "label-studio"
    with LocalServer(folder) as server:
        first = server.secrets
    with LocalServer(folder) as server:
        assert server.secrets == first
    log = (folder / "label-studio.log").read_text()
    assert first.password not in log
    assert first.token not in log
    assert len(first.password) >= 16


def test_a_server_that_breaks_is_told_with_its_last_words(stand_in, tmp_path):
    stand_in(broken=True)
    with (
        pytest.raises(ServerError, match=r"stopped while starting: .*the database is broken"),
        LocalServer(tmp_path / "label-studio"),
    ):
        pass


def test_a_server_that_does_not_answer_is_given_up(stand_in, tmp_path):
    path = stand_in()
    path.write_text(path.read_text().replace("serve_forever()", "fileno() and input()"))
    path.write_text(
        path.read_text().replace(
            "import http", "import time; input = lambda: time.sleep(60)\nimport http", 1
        )
    )
    server = LocalServer(tmp_path / "label-studio").start()
    with pytest.raises(ServerError, match="did not answer within 1 s"):
        server.wait_ready(timeout=1)
    server.stop()


def test_a_taken_port_is_told_or_gone_around(stand_in, tmp_path):
    stand_in()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
        with pytest.raises(ServerError, match=f"port {port} is taken"):
            LocalServer(tmp_path / "label-studio", port=port).start()


@pytest.mark.slow
def test_a_port_that_is_lost_while_starting_is_given_up_for_another(
    stand_in, tmp_path, monkeypatch
):
    path = stand_in()
    start = "http.server.HTTPServer((host, port), Handler)"
    other = (
        "import socket\nport += socket.socket().connect_ex((host, port)) == 0\n"
        'print("server at http://127.0.0.1:%d/" % port, flush=True)\n'
    )
    path.write_text(
        path.read_text()
        .replace(start, f"server = {start}")
        .replace(f"server = {start}.serve_forever()", f"{other}{start}.serve_forever()")
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        offered = iter([port])
        monkeypatch.setattr(module, "free_port", lambda _: next(offered, 0) or free_port(port))
        with LocalServer(tmp_path / "label-studio") as server:
            assert not server.url.endswith(f":{port}")
            assert answers(server.url, server.api_key)
            assert running(server.data_dir).url == server.url
        monkeypatch.setattr(module, "is_free", lambda _: True)
        with (
            pytest.raises(ServerError, match=f"port {port} was taken by another program"),
            LocalServer(tmp_path / "label-studio", port=port),
        ):
            pass
    assert running(tmp_path / "label-studio") is None


def test_a_stale_note_of_a_dead_server_is_ignored(tmp_path):
    note = {"url": "http://127.0.0.1:1", "pid": 2**22 - 3, "owner": 1}
    (tmp_path / "server.json").write_text(json.dumps(note))
    assert running(tmp_path) is None
    (tmp_path / "server.json").write_text("{broken")
    assert running(tmp_path) is None


def test_a_dead_process_that_nobody_waited_for_is_dead():
    with subprocess.Popen([sys.executable, "-c", "print('done')"], stdout=subprocess.PIPE) as child:
        child.stdout.read()
        deadline = time.monotonic() + 10
        while alive(child.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(child.pid)
        assert child.returncode is None, "nobody waited for it yet"


def test_a_workspace_without_server_says_how_to_start_one(tmp_path):
    with pytest.raises(ServerError, match="gradewise annotation serve --workspace"):
        open_desk(tmp_path)


def test_a_foreign_server_needs_a_token(tmp_path, monkeypatch):
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="LABEL_STUDIO_API_KEY"):
        open_desk(tmp_path, server="http://127.0.0.1:1")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADEWISE_CACHE", "/a/b")
    assert cache_folder() == Path("/a/b")
    monkeypatch.delenv("GRADEWISE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/gradewise")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert cache_folder() == Path("/home/ann/.cache/gradewise")


def test_a_named_executable_must_be_one(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADEWISE_LABEL_STUDIO", str(tmp_path))
    with pytest.raises(SettingsError, match="is not an executable"):
        find_executable()


def test_the_database_is_prepared_once(stand_in, tmp_path):
    executable = stand_in()
    assert installed_version(executable) == "1.23.2"
    told = []
    assert install(lambda *args: told.append(args)) == executable
    assert (tmp_path / "cache" / "label-studio-1.23.2.sqlite3").read_text() == "migrated"
    assert "preparing" in told[0][2]
    told.clear()
    install(lambda *args: told.append(args))
    assert told == []


def test_an_interrupted_installation_is_done_again(stand_in, tmp_path, monkeypatch):
    stand_in()
    monkeypatch.delenv("GRADEWISE_LABEL_STUDIO")
    folder = cache_folder() / "label-studio-1.23.2"
    folder.mkdir(parents=True)
    (folder / "half").touch()
    assert find_executable() is None
    commands = []

    def run(command, progress):
        commands.append(command)
        if "venv" in command:
            (folder / "bin").mkdir(parents=True)
            (folder / "bin" / "label-studio").write_text(
                (tmp_path / "env/bin/label-studio").read_text()
            )
            (folder / "bin" / "label-studio").chmod(0o755)
        elif "-c" in command:
            raise ServerError("no wheel for this Python")

    monkeypatch.setattr(installation, "_run", run)
    assert install() == folder / "bin" / "label-studio"
    assert not (folder / "half").exists()
    assert find_executable() == folder / "bin" / "label-studio"
    assert [command[-1] for command in commands[1:]] == ["label-studio==1.23.2"] * 2
    assert Path(commands[1][commands[1].index("-c") + 1]).read_text().count("label-studio==1.23.2")
    install()
    assert len(commands) == 3


def test_a_failing_pip_is_told(monkeypatch):
    with pytest.raises(ServerError, match=r"failed: .*no such package.*GRADEWISE_LABEL_STUDIO"):
        installation._run(
            [sys.executable, "-c", "print('no such package'); raise SystemExit(1)"], print
        )


def test_nothing_of_our_environment_redirects_the_server(monkeypatch):
    for name in ("LABEL_STUDIO_BASE_DATA_DIR", "POSTGRE_HOST", "DJANGO_DB", "PYTHONPATH"):
        monkeypatch.setenv(name, "elsewhere")
    settings = clean_environment({"LABEL_STUDIO_HOST": "here"})
    assert "elsewhere" not in settings.values()
    assert settings["LABEL_STUDIO_HOST"] == "here"
    assert settings["COLLECT_ANALYTICS"] == settings["LATEST_VERSION_CHECK"] == "false"
    assert settings["SENTRY_DSN"] == settings["FRONTEND_SENTRY_DSN"] == ""


POSTGRES = "postgresql://ann:p%40ss-word@db.example.org:6432/studio"


def test_a_postgres_database_is_told_to_label_studio_and_nobody_else():
    database = parse_database(POSTGRES)
    assert database.settings == {
        "DJANGO_DB": "default",
        "POSTGRE_HOST": "db.example.org",
        "POSTGRE_PORT": "6432",
        "POSTGRE_NAME": "studio",
        "POSTGRE_USER": "ann",
        "POSTGRE_PASSWORD": "p@ss-word",
    }
    assert database.label == "db.example.org:6432/studio"
    assert redact("it said p@ss-word") == "it said [hidden]"
    assert parse_database("postgres://ann@localhost/studio").settings["POSTGRE_PORT"] == "5432"


@pytest.mark.parametrize(
    "address",
    [
        "mysql://ann:hunter2@db/x",
        "postgresql://ann:hunter2@db",
        "postgresql://:hunter2@db/x",
        "postgresql://ann:hunter2@db:port/x",
        "postgresql://ann:hunter2@db/x/y",
        "hunter2",
    ],
)
def test_what_is_no_database_is_told_without_its_password(address):
    with pytest.raises(SettingsError, match=f"{DATABASE_VARIABLE} is not an address") as told:
        parse_database(address)
    assert "hunter2" not in str(told.value)


def test_a_folder_never_falls_back_to_sqlite_in_silence(tmp_path, monkeypatch):
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    assert database_of(tmp_path) is None
    monkeypatch.setenv(DATABASE_VARIABLE, POSTGRES)
    database = database_of(tmp_path)
    remember_database(tmp_path, database)
    assert "ann" not in (tmp_path / "database.json").read_text()
    assert database_of(tmp_path) == database
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql://ann@db.example.org:6432/other")
    with pytest.raises(SettingsError, match=r"at db\.example\.org:6432/studio, .* says .*/other"):
        database_of(tmp_path)
    monkeypatch.delenv(DATABASE_VARIABLE)
    with pytest.raises(SettingsError, match="is not set"):
        LocalServer(tmp_path).start()


def test_what_the_server_is_told_closes_it(tmp_path):
    account = {"email": "a@b.org", "password": "p", "token": "t"}
    told = server_settings(tmp_path / "label-studio", "http://127.0.0.1:9", account, None)
    assert told["DJANGO_DB"] == "sqlite"
    assert told["LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK"] == "true"
    assert told["LABEL_STUDIO_SSRF_PROTECTION_ENABLED"] == "true"
    assert told["LABEL_STUDIO_ALLOWED_HOSTS"] == "127.0.0.1,localhost"
    assert told["LABEL_STUDIO_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:9"
    assert told["LABEL_STUDIO_TASK_LOCK_TTL"] == "1800"
    opened = server_settings(tmp_path, "http://127.0.0.1:9", account, None, private_webhooks=True)
    assert opened["LABEL_STUDIO_SSRF_PROTECTION_ENABLED"] == "false"


def test_a_folder_is_tidied(tmp_path):
    (tmp_path / "export" / "deep").mkdir(parents=True)
    (tmp_path / "export" / "all.json").write_text("[]")
    (tmp_path / "label_studio.sqlite3").write_text("")
    (tmp_path / "label-studio.log").write_text("old\n" * 600_000 + "GET /?token=abc ann@x.org\n")
    tidy(tmp_path)
    assert list((tmp_path / "export").iterdir()) == []
    log = (tmp_path / "label-studio.log").read_text()
    assert log.endswith("GET /?token=[hidden] [e-mail]\n")
    assert len(log) < 2_100_000
    for path in (tmp_path, *tmp_path.glob("label*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_the_log_tells_where_it_listens(tmp_path):
    log = tmp_path / "label-studio.log"
    assert check_port(tmp_path, 0, 80) is False
    log.write_text("server at http://127.0.0.1:9/ of yesterday\n")
    since = log.stat().st_size
    assert check_port(tmp_path, since, 80) is False
    with log.open("a") as file:
        file.write("Starting development server at http://127.0.0.1:81/\npassword=hunter2\n")
    assert check_port(tmp_path, since, 81) is True
    with pytest.raises(ServerError, match="port 80 was taken by another program"):
        check_port(tmp_path, since, 80)
    assert said_in_log(tmp_path, since).startswith("Starting development server")
    assert "hunter2" not in said_in_log(tmp_path, since)


def test_a_database_of_another_workspace_is_told(stand_in, tmp_path):
    path = stand_in()
    text = path.read_text().replace("200 if ours else 401", "401")
    note = 'print("server at http://127.0.0.1:%d/" % port, flush=True)\nhttp.server.HTTPServer('
    path.write_text(text.replace("http.server.HTTPServer(", note))
    started = LocalServer(tmp_path / "label-studio")
    with pytest.raises(ServerError, match=r"does not know the token .*made for another"), started:
        pass
