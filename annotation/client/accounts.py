"""Accounts on a Label Studio Community server: sign-up by invitation, and a token for one person.

The SDK's `users.create` ignores the password and joins no organization, so accounts are made as a
person would make them, through the sign-up form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotation.secrets import redact
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


def logged_in_client(url: str, email: str, password: str) -> httpx.Client:
    """A browser without a screen, logged in as a person; its addresses are relative to `url`.

    Raises:
        ServerError: E-mail or password is wrong.
    """
    browser = _browser(url)
    if not _log_in(browser, email, password):
        browser.close()
        raise ServerError(f"Label Studio at {redact(url)} does not know this e-mail and password")
    return browser


def sign_up_closed(url: str) -> bool | None:
    """Whether strangers cannot make an account; None if it cannot be told.

    Asked with an empty form, which makes no account anywhere.
    """
    with _browser(url) as browser:
        if browser.get("/user/signup/").status_code != 200:
            return None
        token = browser.cookies.get("csrftoken") or ""
        status = browser.post("/user/signup/", data={"csrfmiddlewaretoken": token}).status_code
    return {200: False, 403: True}.get(status)


def http_client(url: str, timeout: float) -> httpx.Client:
    """A client for one server: nothing it carries goes anywhere else.

    Redirects are followed only within the server, so that neither token nor password nor tasks
    reach another host; to a loopback address it never goes through a proxy.
    """
    import httpx

    home = httpx.URL(url)
    loopback = home.host in ("127.0.0.1", "localhost", "::1")

    def stay(request: httpx.Request) -> None:
        to = request.url
        upgraded = (home.scheme, to.scheme) == ("http", "https") and home.port is to.port is None
        if to.host != home.host or not (_origin(to) == _origin(home) or upgraded):
            raise ServerError(
                f"Label Studio at {redact(url)} sends us on to {to.scheme}://{to.netloc.decode()}, "
                "which gets neither token nor data. If that is the server, name it with --server"
            )

    return httpx.Client(
        follow_redirects=True,
        timeout=timeout,
        trust_env=not loopback,
        event_hooks={"request": [stay]},
    )


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


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
