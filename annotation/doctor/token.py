"""Whether a token opens the server, and if not, why not."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from annotation.client.studio import Json
from annotation.doctor.check import FAIL, OK, WARN, Check
from annotation.secrets import TOKEN_VARIABLE, redact, token_kind

if TYPE_CHECKING:
    import httpx

_SOON = timedelta(days=14)
_MAKE = f"make one in Label Studio (Account & Settings) and export {TOKEN_VARIABLE}=…"


@dataclass(frozen=True, slots=True)
class Access:
    """What a token is good for.

    Attributes:
        checks: What is to be said of it, and who we are.
        headers: Headers of a request with it; empty if it does not open the server.
        expires: Whether what is sent expires within minutes, by our clock.
    """

    checks: tuple[Check, ...]
    headers: Mapping[str, str]
    expires: bool = False


def check_token(client: httpx.Client, url: str, token: str) -> Access:
    """Tries a token as its kind needs: legacy as it is, personal exchanged for access."""
    if token_kind(token) == "legacy":
        return _legacy(client, url, token)
    return _personal(client, url, token)


def _legacy(client: httpx.Client, url: str, token: str) -> Access:
    headers = {"Authorization": f"Token {token}"}
    reply = client.get(f"{url}/api/current-user/whoami", headers=headers)
    if reply.status_code == 200:
        known = Check("token", OK, "legacy token, never expires")
        return Access((known, _who(reply.json())), headers)
    if "disabled" in reply.text:
        way_out = f"personal tokens are the default: {_MAKE}; or Organization → API tokens settings"
        return _refused("legacy tokens are disabled on this server", way_out)
    return _refused(f"legacy token is not known here ({_detail(reply)})", _MAKE)


def _personal(client: httpx.Client, url: str, token: str) -> Access:
    claims = _claims(token)
    if claims.get("token_type") == "access":
        found = "it is an access token, which lives 5 minutes"
        return _refused(found, "copy the personal access token itself, from Account & Settings")
    until = datetime.fromtimestamp(float(claims.get("exp", 0)), UTC) if claims.get("exp") else None
    now = datetime.now(UTC)
    if until is not None and until < now:
        return _refused(f"personal token expired on {until:%Y-%m-%d}", _MAKE)
    reply = client.post(f"{url}/api/token/refresh/", json={"refresh": token})
    if reply.status_code != 200:
        way_out = f"a person has one at a time, a newer one revokes it: {_MAKE}"
        return _refused(
            f"personal token is revoked or of another server ({_detail(reply)})", way_out
        )
    headers = {"Authorization": f"Bearer {reply.json()['access']}"}
    who = client.get(f"{url}/api/current-user/whoami", headers=headers)
    if who.status_code != 200:
        return _refused(f"personal token is refused ({_detail(who)})", _MAKE)
    named = "personal token" if until is None else f"personal token until {until:%Y-%m-%d}"
    soon = until is not None and until - now < _SOON
    known = Check("token", WARN if soon else OK, named, _MAKE if soon else "")
    return Access((known, _who(who.json())), headers, expires=True)


def _who(person: Json) -> Check:
    """Who we are, without the e-mail address."""
    return Check("who am I", OK, f"user {person.get('id')}")


def _refused(found: str, way_out: str) -> Access:
    return Access((Check("token", FAIL, found, way_out),), {})


def _detail(reply: httpx.Response) -> str:
    try:
        said = str(reply.json().get("detail", ""))
    except (ValueError, AttributeError):
        said = ""
    return f"{reply.status_code}: {redact(said)[:120]}" if said else str(reply.status_code)


def _claims(token: str) -> Json:
    """What a JSON Web Token says of itself; empty if it cannot be read."""
    part = token.split(".")[1]
    try:
        read = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
