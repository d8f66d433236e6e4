"""Accounts on a Label Studio Community server: sign-up by invitation, and a token for one person.

The SDK's `users.create` ignores the password and joins no organization, so accounts are made as a
person would make them, through the sign-up form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from relevance.errors import ServerError

if TYPE_CHECKING:
    import httpx

_TIMEOUT = 60.0


def sign_up(url: str, invitation: str, email: str, password: str) -> None:
    """Fills in the sign-up form of an invitation; an account that is there already is left alone.

    Args:
        url: Address of the server.
        invitation: Path or address of the invitation, as the server gives it.
        email: E-mail address of the account.
        password: Its password, at least 8 characters.

    Raises:
        ServerError: The server refused, or the account has another password.
    """
    address = invitation if invitation.startswith("http") else url + invitation
    with _browser(url) as browser:
        browser.get(address)
        form = {"email": email, "password": password, "allow_newsletters": "false"}
        _post(browser, address, form)
        if _logged_in(browser):
            return
        if not _log_in(browser, email, password):
            raise ServerError(
                f"Label Studio at {url} did not accept the account {email}. Is it there already, "
                "with another password?"
            )


def personal_token(url: str, email: str, password: str) -> str:
    """A new personal access token; the server keeps one a person, so any former one is revoked.

    Raises:
        ServerError: E-mail or password is wrong.
    """
    with _browser(url) as browser:
        if not _log_in(browser, email, password):
            raise ServerError(f"Label Studio at {url} knows no {email} with this password")
        browser.headers["X-CSRFToken"] = browser.cookies["csrftoken"]
        reply = browser.post("/api/token/")
        if reply.status_code == 409:
            for known in browser.get("/api/token/").json():
                browser.post("/api/token/blacklist/", json={"refresh": known["token"]})
            reply = browser.post("/api/token/")
        reply.raise_for_status()
        return str(reply.json()["token"])


def http_client(url: str, timeout: float) -> httpx.Client:
    """A client that follows redirects; to a loopback address it never goes through a proxy."""
    import httpx

    loopback = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    return httpx.Client(follow_redirects=True, timeout=timeout, trust_env=not loopback)


def _browser(url: str) -> httpx.Client:
    browser = http_client(url, _TIMEOUT)
    browser.base_url = url
    browser.headers["Referer"] = url
    return browser


def _log_in(browser: httpx.Client, email: str, password: str) -> bool:
    browser.get("/user/login/")
    _post(browser, "/user/login/", {"email": email, "password": password})
    return _logged_in(browser)


def _post(browser: httpx.Client, address: str, form: dict[str, str]) -> None:
    token = browser.cookies.get("csrftoken") or ""
    browser.post(address, data={**form, "csrfmiddlewaretoken": token})


def _logged_in(browser: httpx.Client) -> bool:
    return browser.get("/api/current-user/whoami").status_code == 200
