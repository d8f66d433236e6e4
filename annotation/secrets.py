"""Secrets: where a token comes from, and how none of them gets into what we print or write.

A token comes from the environment (`LABEL_STUDIO_API_KEY`), else from the keyring of the operating
system (service `gradewise`, name = the server's address), else from the workspace's own server.
Never from a flag, which would stay in the shell's history and in the list of processes.

`redact` takes tokens, passwords and e-mail addresses out of a text. `guard` does that to every log
record and every traceback of the process; the command line calls it first.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import re
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from relevance.errors import SettingsError

TOKEN_VARIABLE = "LABEL_STUDIO_API_KEY"  # noqa: S105 - the name, not the token
KEYRING_SERVICE = "gradewise"
HIDDEN = "[hidden]"
HIDDEN_EMAIL = "[e-mail]"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # The user and password of an address, such as that of a database.
    (re.compile(r"(?<=://)[^\s/@:'\"]*:[^\s/@'\"]+(?=@)"), HIDDEN),
    # JSON Web Tokens: personal access tokens and what they are exchanged for.
    (re.compile(r"\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?"), HIDDEN),
    # Legacy tokens of Label Studio.
    (re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{40}(?![0-9A-Za-z])"), HIDDEN),
    (re.compile(r"(?i)\b((?:token|bearer|basic)\s+)(?=\S*\d)[\w.~+/=-]{16,}"), rf"\1{HIDDEN}"),
    # name=value, "name": "value", name: value of what must not be seen.
    (
        re.compile(
            r"(?i)([\"']?\b(?:[\w-]*password|passwd|[\w-]*secret|api[_-]?key|[\w]*token|refresh"
            r"|sessionid|csrftoken|csrfmiddlewaretoken|authorization|set-cookie|cookie"
            r"|LABEL_STUDIO_API_KEY|LABEL_STUDIO_USER_TOKEN|POSTGRE_PASSWORD)[\"']?"
            r"\s*(?:=|:\s)\s*)(?!\[hidden\])(\"[^\"]*\"|'[^']*'|[^\s,;&)}\]]+)"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"[\w.!#$&*+/=?^`{|}~-]+(?:@|%40)(?:[\w-]+\.)+[^\W\d_]{2,}\b"), HIDDEN_EMAIL),
)
_SHORTEST = 6
_concealed: set[str] = set()


def conceal(*values: str | None) -> None:
    """Makes `redact` hide these very texts too: passwords look like nothing in particular."""
    for value in values:
        if value and len(value) >= _SHORTEST:
            _concealed.add(value)


def redact(text: str) -> str:
    """The text without tokens, passwords and e-mail addresses; safe to print and to keep.

    Hidden are: whatever `conceal` was told, the token in `LABEL_STUDIO_API_KEY`, legacy tokens (40
    hexadecimal digits), JSON Web Tokens, values of names like `password` or `token`, the password
    in an address, and e-mail addresses.
    """
    known = {*_concealed, os.environ.get(TOKEN_VARIABLE, "").strip()}
    for value in sorted(known, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def token_for(server: str, *, workspace: Path | None = None) -> str:
    """The token for a server: from the environment, the keyring, or the workspace's own server.

    Args:
        server: Its address; the name in the keyring (without a closing slash).
        workspace: Whose own server may be meant.

    Raises:
        SettingsError: There is none, or it cannot be a token.
    """
    address = server.rstrip("/")
    found = _cleaned(os.environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE)
    remark = ""
    if not found:
        stored, remark = _from_keyring(address)
        found = _cleaned(stored, f"keyring {KEYRING_SERVICE}")
    if not found and workspace is not None:
        found = _own(workspace, address)
    if not found:
        raise SettingsError(
            f"no token for {redact(address)}. Copy it from Label Studio's Account & Settings and "
            f"export {TOKEN_VARIABLE}=…, or keep it in the keyring: "
            f"keyring set {KEYRING_SERVICE} {redact(address)}{remark}"
        )
    conceal(found)
    return found


def token_kind(token: str) -> str:
    """`personal` for a personal access token (a JSON Web Token), else `legacy`."""
    return "personal" if token.startswith("eyJ") and token.count(".") == 2 else "legacy"


def guard() -> None:
    """Redacts every log record and every traceback of this process from here on."""
    factory = logging.getLogRecordFactory()
    if getattr(factory, "redacts", False):
        return

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return _redacted(factory(*args, **kwargs))

    make.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)
    sys.excepthook = _print_redacted


def redacted_traceback(error: BaseException) -> str:
    """The traceback of an error as Python prints it, redacted."""
    return redact("".join(traceback.format_exception(error)))


def _print_redacted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _redacted(record: logging.LogRecord) -> logging.LogRecord:
    try:
        message = record.getMessage()
    except (TypeError, ValueError):  # logging itself reports a template that does not fit
        return record
    record.msg, record.args = redact(message), ()
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = redacted_traceback(record.exc_info[1]).rstrip("\n")
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
    return record


def _cleaned(value: str, place: str) -> str:
    """A token without what people copy along with it."""
    token = re.sub(r"(?i)^(?:authorization:\s*)?(?:token|bearer)\s+", "", value.strip())
    token = token.strip("\"'")
    if not token.isascii() or re.search(r"\s", token):
        raise SettingsError(
            f"{place} holds no token: it has blanks or characters that no token has. Copy it again "
            "from Label Studio's Account & Settings"
        )
    return token


def _from_keyring(address: str) -> tuple[str, str]:
    """The token in the keyring, and what to tell if there is none."""
    if importlib.util.find_spec("keyring") is None:
        return "", " (after pip install keyring)"
    keyring: Any = importlib.import_module("keyring")
    errors: Any = importlib.import_module("keyring.errors")
    try:
        return keyring.get_password(KEYRING_SERVICE, address) or "", ""
    except errors.KeyringError as error:
        return "", f" (the keyring could not be read: {type(error).__name__})"


def _own(workspace: Path, address: str) -> str:
    """The token of the workspace's own server if that is at this address."""
    folder = workspace / "label-studio"
    try:
        running = json.loads((folder / "server.json").read_text())
        if str(running["url"]).rstrip("/") != address:
            return ""
        kept = json.loads((folder / "secrets.json").read_text())
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    conceal(kept.get("password"))
    return str(kept.get("token", ""))
