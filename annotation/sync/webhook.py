"""A tiny receiver that hears from Label Studio that something was graded.

It only rings: what it is told is thrown away and everything is pulled as always, so a lost, late or
forged call costs nothing but a question. The server calls it within an annotator's request and
gives it a second, so it answers at once.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from annotation.sync.desk import Desk, attempt
from relevance.errors import ServerError

SECRET_HEADER = "X-Gradewise-Secret"  # noqa: S105 - the name, not the secret
SECRET_VARIABLE = "GRADEWISE_WEBHOOK_SECRET"  # noqa: S105 - the name, not the secret
LOOPBACK = "127.0.0.1"
SECONDS_TO_READ = 2.0


class Receiver:
    """Listens on loopback while it is entered.

    Args:
        secret: What a call must carry in the header `X-Gradewise-Secret`.
        ring: Called for each call that does.
        port: Port on 127.0.0.1; 0 for any free one.

    Raises:
        ServerError: The port is taken.
    """

    def __init__(self, secret: str, ring: Callable[[], None], *, port: int = 0) -> None:
        handler = partial(_Handler, secret, ring)
        try:
            self._http = ThreadingHTTPServer((LOOPBACK, port), handler)
        except OSError as error:
            raise ServerError(
                f"port {port} cannot be listened on ({error.strerror}). Give another, or 0 for any"
            ) from error
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        """Starts listening."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops listening and lets go of the port."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def registered(desk: Desk, url: str, secret: str) -> Iterator[None]:
    """Has the server call an address about each of our projects, until left.

    Raises:
        ServerError: The server refused; it does so with addresses of its own network.
    """
    with ExitStack() as stack:
        for entry in desk.store.projects(desk.server):
            number = _register(desk, entry.project_id, url, secret)
            stack.callback(attempt, desk, partial(desk.studio.remove_webhook, number))
        yield


def _register(desk: Desk, project_id: int, url: str, secret: str) -> int:
    try:
        return desk.studio.add_webhook(project_id, url, {SECRET_HEADER: secret})
    except ServerError as error:
        raise ServerError(
            f"the server does not take {url} as a webhook: {error} Label Studio refuses addresses "
            "of private networks unless it runs with SSRF_PROTECTION_ENABLED=false, which "
            "`annotation serve` never does; polling (without --register) needs nothing"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    timeout = SECONDS_TO_READ

    def __init__(self, secret: str, ring: Callable[[], None], *args: Any) -> None:
        self._secret, self._ring = secret, ring
        super().__init__(*args)

    def do_POST(self) -> None:
        """Rings if the secret is right; the body is not even read."""
        given = self.headers.get(SECRET_HEADER, "")
        right = hmac.compare_digest(given.encode(), self._secret.encode())
        if right:
            self._ring()
        self.send_response(204 if right else 403)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing: headers hold the secret."""
