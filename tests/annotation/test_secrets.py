from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import types

import pytest

from annotation import secrets as module
from annotation.secrets import conceal, guard, redact, redacted_traceback, token_for, token_kind
from relevance.errors import SettingsError

LEGACY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
PERSONAL = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCIsImV4cCI6OH0"
    ".Zt2mS9Bq-oQx_3vN0b8Yd1c"
)


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    monkeypatch.setattr(module, "_concealed", set())
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"answered 401 to Token {LEGACY}", LEGACY),
        (f"Authorization: Token {LEGACY}", LEGACY),
        (f"{{'Authorization': 'Bearer {PERSONAL}'}}", PERSONAL),
        (f"api_key='{PERSONAL}'", PERSONAL),
        (f"refresh={PERSONAL[:-8]}", PERSONAL[:-8]),
        ('{"email": "x", "password": "hunter two, three"}', "hunter two"),
        ("password=hunter2&next=/", "hunter2"),
        ("LABEL_STUDIO_PASSWORD=hunter2 started", "hunter2"),
        ("POSTGRE_PASSWORD: hunter2", "hunter2"),
        ("/user/signup/?token=0c1d2e3f4a5b&x=1", "0c1d2e3f4a5b"),
        ("csrftoken=abcDEF; sessionid=.eJxVjDsOwjAQ", "eJxVjDsOwjAQ"),
        ("postgresql://ann:hunter2@db.example.org:5432/ls", "hunter2"),
        ("did not accept the account ann.b+x@graders.example.com.", "ann.b+x@graders"),
        ("GET /api/users?email=ann%40example.org", "ann%40example"),
        ("«zoé.müller@exämple.fr»", "zoé.müller"),
    ],
)
def test_no_secret_survives(text, gone):
    hidden = redact(text)
    assert gone not in hidden
    assert "[hidden]" in hidden or "[e-mail]" in hidden
    assert redact(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "Label Studio at http://127.0.0.1:8080 answered 404: No Project matches",
        "no token for https://ls.example.org. Copy it from Label Studio's Account & Settings",
        "12,000 tokens a second; the token is wrong",
        "nDCG@20 and P@8 of label-studio@1.23.2",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "password in demo/label-studio/secrets.json",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_named_texts_are_hidden_and_so_is_the_token_of_the_environment(monkeypatch):
    assert redact("correct horse") == "correct horse"
    conceal("correct horse", None, "")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "odd-token-1")
    assert redact("correct horse, odd-token-1") == "[hidden], [hidden]"


def test_log_records_are_redacted_with_their_tracebacks(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    factory = logging.getLogRecordFactory()
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    guard()
    logger = logging.getLogger("gradewise.test")
    logger.addHandler(handler)
    try:
        logger.warning("user %s, 100%% of %d", "ann@example.org", 3)
        raise_with(f"Token {LEGACY}")
    except ValueError:
        logger.exception("failed with %r", {"password": "hunter2"})
    finally:
        logger.removeHandler(handler)
        logging.setLogRecordFactory(factory)
    text = out.getvalue()
    assert "user [e-mail], 100% of 3" in text
    assert "Traceback" in text
    assert not [one for one in (LEGACY, "hunter2", "ann@") if one in text]


def raise_with(text: str) -> None:
    raise ValueError(text)


def test_a_traceback_shows_neither_the_message_nor_its_cause():
    try:
        try:
            raise_with("mail ann@example.org")
        except ValueError as error:
            raise RuntimeError(f"key {LEGACY}") from error
    except RuntimeError as error:
        text = redacted_traceback(error)
    assert text.count("Traceback") == 2
    assert "key [hidden]" in text
    assert "mail [e-mail]" in text


@pytest.mark.parametrize("traceback", ["", "1"])
def test_the_command_line_hides_them_in_errors_and_tracebacks(traceback, tmp_path, monkeypatch):
    code = (
        "import sys, app.cli\n"
        "from relevance.errors import ServerError\n"
        "def fail(): raise ServerError('account ann@example.org, ' + sys.argv[1])\n"
        "app.cli.app = fail\n"
        "app.cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"Token {LEGACY}"],
        capture_output=True, text=True, check=False, env=environment(GRADEWISE_TRACEBACK=traceback),
    )  # fmt: skip
    assert done.returncode == 1
    assert "account [e-mail], Token [hidden]" in done.stderr
    assert ("Traceback" in done.stderr) is bool(traceback)
    assert LEGACY not in done.stderr


def test_an_unforeseen_error_of_a_command_is_redacted_too():
    code = (
        "import sys, app.cli\n"
        "token = sys.argv[1]\n"
        "@app.cli.app.command()\n"
        "def crash(): raise ValueError('Token ' + token)\n"
        "sys.argv = ['gradewise', 'crash']\n"
        "app.cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, LEGACY],
        capture_output=True, text=True, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 1
    assert "ValueError: Token [hidden]" in done.stderr
    assert LEGACY not in done.stderr


def test_guard_covers_unforeseen_errors_and_foreign_loggers():
    code = (
        "import logging, sys\n"
        "from annotation.secrets import guard\n"
        "guard(); guard()\n"
        "logging.basicConfig()\n"
        "logging.getLogger('httpx').warning('GET /?token=%s', 'abc123')\n"
        "raise ValueError('Bearer ' + sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, PERSONAL],
        capture_output=True, text=True, check=False, env=environment(),
    )  # fmt: skip
    assert "GET /?token=[hidden]" in done.stderr
    assert "ValueError: Bearer [hidden]" in done.stderr
    assert PERSONAL not in done.stderr


def environment(**more: str) -> dict[str, str]:
    import os

    return {**os.environ, **more}


def test_a_token_comes_from_the_environment_first(monkeypatch, tmp_path):
    own_server(tmp_path)
    keyring(monkeypatch, {("gradewise", "http://127.0.0.1:8080"): PERSONAL})
    assert token_for("http://127.0.0.1:8080", workspace=tmp_path) == PERSONAL
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "  Token 'abc-123456'\n")
    assert token_for("http://127.0.0.1:8080", workspace=tmp_path) == "abc-123456"
    assert redact("abc-123456") == "[hidden]"


def test_then_from_the_keyring_then_from_the_own_server(monkeypatch, tmp_path):
    own_server(tmp_path)
    assert token_for("http://127.0.0.1:8080/", workspace=tmp_path) == LEGACY
    assert redact("pass-word-1") == "[hidden]"
    keyring(monkeypatch, {})
    assert token_for("http://127.0.0.1:8080/", workspace=tmp_path) == LEGACY
    with pytest.raises(SettingsError, match=r"no token for http://127\.0\.0\.1:9.*LABEL_STUDIO_A"):
        token_for("http://127.0.0.1:9", workspace=tmp_path)


def test_a_missing_keyring_and_a_broken_one_are_told(monkeypatch):
    with pytest.raises(SettingsError, match=r"keyring set gradewise .*pip install keyring"):
        token_for("https://ls.example.org")
    keyring(monkeypatch, None)
    with pytest.raises(SettingsError, match=r"could not be read: KeyringError"):
        token_for("https://ls.example.org")


def test_what_cannot_be_a_token_is_told_without_showing_it(monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "my pass word")
    with pytest.raises(SettingsError, match="LABEL_STUDIO_API_KEY holds no token") as told:
        token_for("https://ls.example.org")
    assert "pass word" not in str(told.value)


def test_kinds_of_tokens():
    assert token_kind(PERSONAL) == "personal"
    assert token_kind(LEGACY) == "legacy"


def own_server(workspace) -> None:
    folder = workspace / "label-studio"
    folder.mkdir()
    (folder / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:8080"}))
    (folder / "secrets.json").write_text(json.dumps({"password": "pass-word-1", "token": LEGACY}))


def keyring(monkeypatch, entries: dict[tuple[str, str], str] | None) -> None:
    """A keyring with these entries; None for one that cannot be read."""
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})
    made = types.ModuleType("keyring")
    made.errors = errors

    def get_password(service, name):
        if entries is None:
            raise errors.KeyringError
        return entries.get((service, name))

    made.get_password = get_password
    monkeypatch.setitem(sys.modules, "keyring", made)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
