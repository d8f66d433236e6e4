"""A relay that stands before a server and misbehaves as proxies, networks and people's laptops do.

It forwards HTTP requests one by one; what goes wrong with the next request that changes something
(anything but GET) is taken from a list.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Self


class Trouble(enum.Enum):
    """What goes wrong with one request.

    Attributes:
        NONE: Nothing.
        REFUSED: The connection is cut before anything was forwarded.
        CUT: The connection is cut in the middle of the body, on both sides.
        DROPPED: The server answers; the reply is lost.
        HALF: Half of the reply arrives.
        GATEWAY: The relay answers 504 at once; the server goes on.
        SLOW: The reply comes late.
        TWICE: The request is forwarded twice; the second reply arrives.
    """

    NONE = "none"
    REFUSED = "refused"
    CUT = "cut"
    DROPPED = "dropped"
    HALF = "half"
    GATEWAY = "gateway"
    SLOW = "slow"
    TWICE = "twice"


_GATEWAY = b"HTTP/1.1 504 Gateway Time-out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_SLOWNESS = 0.7


class Relay:
    """Listens on loopback and forwards to a server.

    Args:
        port: Port of the server on loopback.
        troubles: What goes wrong with the next requests that change something; then nothing.

    Attributes:
        only: Text in the first line of the requests that something goes wrong with.
        seen: First lines of the requests that change something, and what went wrong.
    """

    def __init__(self, port: int, troubles: Iterable[Trouble] = ()) -> None:
        self.troubles = list(troubles)
        self.only = ""
        self.seen: list[tuple[str, Trouble]] = []
        self._port = port
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._clients: list[socket.socket] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Stops listening, and waits for what it has forwarded."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)
        for thread in list(self._threads):
            thread.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, work, *args) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(60)
        with client, contextlib.suppress(OSError):
            for head, body in _messages(client):
                method = head.split(b" ", 1)[0].decode()
                if not self._relayed(client, method, head, body):
                    return

    def _relayed(self, client: socket.socket, method: str, head: bytes, body: bytes) -> bool:
        """Whether the connection goes on."""
        trouble = self._next(method, head)
        if trouble is Trouble.REFUSED:
            return False
        if trouble is Trouble.GATEWAY:
            self._start(self._asked, head, body)
            client.sendall(_GATEWAY)
            return False
        if trouble is Trouble.CUT:
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                server.sendall(head + body[: len(body) // 2])
            return False
        if trouble is Trouble.TWICE:
            self._asked(head, body)
        reply = self._asked(head, body)
        if trouble is Trouble.DROPPED:
            return False
        if trouble is Trouble.SLOW:
            time.sleep(_SLOWNESS)
        if trouble is Trouble.HALF:
            client.sendall(reply[: len(reply) // 2])
            return False
        client.sendall(reply)
        return True

    def _next(self, method: str, head: bytes) -> Trouble:
        if method == "GET":
            return Trouble.NONE
        with self._lock:
            line = head.split(b"\r\n", 1)[0].decode()
            due = self.troubles and self.only in line
            trouble = self.troubles.pop(0) if due else Trouble.NONE
            self.seen.append((line, trouble))
            return trouble

    def _asked(self, head: bytes, body: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as server:
            server.sendall(head + body)
            for answer, content in _messages(server):
                return answer + content
        raise OSError("the server said nothing")


def _messages(connection: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Heads (with the empty line) and bodies of HTTP messages."""
    waiting = b""
    while True:
        while b"\r\n\r\n" not in waiting:
            more = connection.recv(65536)
            if not more:
                return
            waiting += more
        head, _, waiting = waiting.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        length = _length(head)
        while len(waiting) < length:
            more = connection.recv(65536)
            if not more:
                return
            waiting += more
        yield head, waiting[:length]
        waiting = waiting[length:]


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
