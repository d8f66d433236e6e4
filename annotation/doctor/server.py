"""What can be told of a Label Studio from outside: is it the right one, and is it closed?

Every question is one that changes nothing, whatever the answer.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from annotation.client.accounts import http_client, logged_in_client, sign_up_closed
from annotation.client.studio import Json
from annotation.doctor.check import FAIL, OK, WARN, Check
from annotation.doctor.token import Access, check_token
from annotation.gateway import MINIMUM_RELEASE
from annotation.local.install import DATABASE
from annotation.server import LocalServer
from relevance.errors import ServerError

if TYPE_CHECKING:
    import httpx

_TIMEOUT = 20.0
_SKEW_WARNS = 30.0
_SKEW_BREAKS = 240.0  # an access token lives 300 s, by our clock
_LOCK_AT_MOST = 3600
_NOBODY = 2_000_000_000  # number of a project that is not there

_CLOSE = "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK=true"


def ask_server(url: str, token: str, own: LocalServer | None) -> list[Check]:
    """Every question about the server itself; fewer if it does not answer.

    Args:
        url: Its address.
        token: Token for it; empty if there is none.
        own: The workspace's own server, if it is that one.
    """
    with http_client(url, _TIMEOUT) as client:
        reached, release, skew = _reach(client, url)
        if reached.state == FAIL:
            return [reached]
        checks = [reached, _version(release), _path(url)]
        access = check_token(client, url, token) if token else Access((), {})
        checks += access.checks
        checks.append(_clock(skew, access.expires))
        settings = _settings(client, url, access, own) if access.headers else {}
        checks += _closed(client, url, access, settings)
        if access.headers:
            checks += [*_kept(settings, own), _webhooks(client, url, access)]
        return checks


def _reach(client: httpx.Client, url: str) -> tuple[Check, str, float]:
    """Whether a Label Studio answers, its version, and how far its clock is ahead, in seconds."""
    import httpx

    begun, before = time.perf_counter(), datetime.now(UTC)
    try:
        reply = client.get(f"{url}/api/version")
        seconds = time.perf_counter() - begun
        release = str(reply.json()["release"])
    except httpx.TransportError as error:
        found = f"{url} does not answer ({type(error).__name__})"
        way_out = "is it running, and does a firewall or a proxy stand between?"
        return Check("server", FAIL, found, way_out), "", 0.0
    except ServerError as error:
        found, _, way_out = str(error).partition(". ")
        return Check("server", FAIL, found, way_out), "", 0.0
    except (ValueError, KeyError, TypeError):
        found = f"{url} answers {reply.status_code}, but not as a Label Studio"
        way_out = "give the address with its path, as the browser shows it before /projects"
        return Check("server", FAIL, found, way_out), "", 0.0
    ahead = 0.0
    with suppress(KeyError, ValueError):
        there = parsedate_to_datetime(reply.headers["date"])
        ahead = (there - (before + timedelta(seconds=seconds / 2))).total_seconds()
    return Check("server", OK, f"{url} answers in {seconds * 1000:.0f} ms"), release, ahead


def _version(release: str) -> Check:
    numbers = tuple(int(part) for part in re.findall(r"\d+", release)[:3])
    least = ".".join(map(str, MINIMUM_RELEASE))
    if numbers < MINIMUM_RELEASE:
        return Check("version", FAIL, release, f"update it to {least} or newer")
    return Check("version", OK, f"{release} (at least {least})")


def _path(url: str) -> Check:
    path = urlsplit(url).path
    if not path:
        return Check("path", OK, "at the root of its host")
    return Check("path", OK, f"under {path}: requests go to {url}/…, token refresh included")


def _clock(ahead: float, expires: bool) -> Check:
    off = abs(ahead)
    # The Date header has whole seconds.
    found = f"{max(0.0, off - 1):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if off <= _SKEW_WARNS:
        return Check("clock", OK, "as ours, within a few seconds")
    way_out = "set both by a time server (NTP)"
    if off > _SKEW_BREAKS and expires:
        return Check("clock", FAIL, f"{found}; access tokens live 300 s", way_out)
    return Check("clock", WARN, f"{found}; times of judgments are off", way_out)


def _closed(
    client: httpx.Client, url: str, access: Access, settings: Mapping[str, str]
) -> list[Check]:
    """Sign-up, SSRF protection, telemetry."""
    loopback = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    closed = sign_up_closed(url)
    if closed is None:
        sign_up = Check("sign-up", WARN, "cannot be told", f"set {_CLOSE}")
    elif closed:
        sign_up = Check("sign-up", OK, "closed: only by invitation")
    else:
        found = "open: strangers can make an account and see everything"
        sign_up = Check("sign-up", WARN if loopback else FAIL, found, f"set {_CLOSE}")
    return [sign_up, _ssrf(client, url, access), _telemetry(client, url, settings)]


def _ssrf(client: httpx.Client, url: str, access: Access) -> Check:
    """Asks for a webhook to loopback in a project that is not there: neither answer makes one."""
    way_out = "set LABEL_STUDIO_SSRF_PROTECTION_ENABLED=true, unless webhooks need it off"
    if not access.headers:
        return Check("ssrf", WARN, "cannot be told without a token", way_out)
    hook = {"url": "http://127.0.0.1:9/", "project": _NOBODY}
    reply = client.post(f"{url}/api/webhooks/", json=hook, headers=access.headers)
    if reply.status_code == 403 and "reserved" in reply.text:
        return Check("ssrf", OK, "the server fetches nothing from private addresses")
    if reply.status_code == 400:
        found = "off: whoever logs in can make the server ask its private network"
        return Check("ssrf", WARN, found, way_out)
    return Check("ssrf", WARN, f"cannot be told (answered {reply.status_code})", way_out)


def _telemetry(client: httpx.Client, url: str, settings: Mapping[str, str]) -> Check:
    page = client.get(f"{url}/user/login/").text
    told = re.search(r"collect_analytics = (true|false)", page)
    collects = told is not None and told[1] == "true"
    crashes = bool(settings.get("SENTRY_DSN") or settings.get("FRONTEND_SENTRY_DSN"))
    if collects or crashes:
        kinds = [name for name, on in (("usage", collects), ("errors", crashes)) if on]
        return Check(
            "telemetry",
            WARN,
            f"{' and '.join(kinds)} are told to the vendor, e-mail addresses included",
            "set COLLECT_ANALYTICS=false, SENTRY_DSN= and FRONTEND_SENTRY_DSN= (empty)",
        )
    if told is None:
        return Check("telemetry", WARN, "cannot be told", "set COLLECT_ANALYTICS=false")
    more = "" if settings else "; error reports cannot be told: set SENTRY_DSN="
    return Check("telemetry", OK, f"usage is not told to the vendor{more}")


def _kept(settings: Mapping[str, str], own: LocalServer | None) -> list[Check]:
    """Task locks and the database."""
    seconds = int(settings.get("TASK_LOCK_TTL", -1))
    way_out = "set LABEL_STUDIO_TASK_LOCK_TTL=1800 (its default is a day)"
    if seconds < 0:
        locks = Check("task locks", WARN, "the server does not show how long they last", way_out)
    elif seconds > _LOCK_AT_MOST:
        found = f"an opened task is kept from others for {seconds / 3600:.0f} h"
        locks = Check("task locks", WARN, found, way_out)
    else:
        found = f"an opened task is kept from others for {seconds / 60:.0f} min"
        locks = Check("task locks", OK, found + _locked_now(own))
    engine = re.search(r"'ENGINE': 'django\.db\.backends\.(\w+)'", settings.get("DATABASES", ""))
    if engine is None:
        hint = "with more than 3 busy annotators it should be PostgreSQL"
        return [locks, Check("database", WARN, "the server does not show which", hint)]
    name = {"sqlite3": "SQLite", "postgresql": "PostgreSQL"}.get(engine[1], engine[1])
    return [locks, Check("database", OK, name)]


def _locked_now(own: LocalServer | None) -> str:
    """How many tasks are opened now, where the database can be looked into."""
    path = None if own is None else own.data_dir / DATABASE
    if path is None or not path.exists():
        return ""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as database,
    ):
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
        row = database.execute(
            "SELECT count(*) FROM tasks_tasklock WHERE expire_at > ?", (now,)
        ).fetchone()
        return f"; {row[0]:,} opened now"
    return ""


def _webhooks(client: httpx.Client, url: str, access: Access) -> Check:
    reply = client.get(f"{url}/api/webhooks/", headers=access.headers)
    if reply.status_code != 200:
        return Check("webhooks", WARN, f"cannot be told (answered {reply.status_code})")
    hooks = [one for one in reply.json() if one.get("is_active")]
    if not hooks:
        return Check("webhooks", OK, "none; pull asks for what is new by itself")
    open_ones = [one for one in hooks if str(one.get("url", "")).startswith("http://")]
    far = [one for one in open_ones if not _is_loopback(one["url"])]
    if far:
        found = f"{len(far)} of {len(hooks)} send judgments unencrypted"
        return Check("webhooks", WARN, found, "give their receivers an https address")
    return Check("webhooks", OK, f"{len(hooks)} active; they only hint, pull is what counts")


def _is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")


def _settings(
    client: httpx.Client, url: str, access: Access, own: LocalServer | None
) -> dict[str, str]:
    """The server's settings, which it shows to its superusers; empty if it does not show them."""
    asks: list[Callable[[], str]] = [
        lambda: client.get(f"{url}/version/", headers=access.headers).text
    ]
    if own is not None:
        asks.append(lambda: _page_of(url, own))
    for ask in asks:
        with suppress(ValueError, KeyError, ServerError):
            page = unescape(ask()).removeprefix("<pre>").removesuffix("</pre>")
            shown: Json = json.loads(page)["settings"]
            return {name: str(value) for name, value in shown.items()}
    return {}


def _page_of(url: str, own: LocalServer) -> str:
    account = own.secrets
    with closing(logged_in_client(url, account.email, account.password)) as browser:
        return browser.get("/version/").text
