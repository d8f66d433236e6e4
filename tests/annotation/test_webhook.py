from __future__ import annotations

import socket
import threading
import time

import httpx
import pytest

from annotation.client.fake import FakeServer
from annotation.client.studio import RefusedError
from annotation.sync.push import push
from annotation.sync.watch import Bell, watch
from annotation.sync.webhook import SECRET_HEADER, Receiver, registered
from relevance.errors import ServerError


def test_only_calls_with_the_secret_ring():
    rung = []
    with Receiver("s3cret", lambda: rung.append(1)) as receiver, httpx.Client() as client:
        assert receiver.url.startswith("http://127.0.0.1:")
        for headers, status in (
            ({}, 403),
            ({SECRET_HEADER: "S3cret"}, 403),
            ({SECRET_HEADER: "s3cret"}, 204),
        ):
            reply = client.post(receiver.url, headers=headers, json={"action": "x" * 10_000})
            assert (reply.status_code, reply.content) == (status, b"")
        assert client.get(receiver.url).status_code == 501
    assert rung == [1]
    with pytest.raises(httpx.ConnectError):
        httpx.post(receiver.url)


def test_a_caller_who_says_nothing_keeps_nobody_waiting(monkeypatch):
    rung = threading.Event()
    with Receiver("s", rung.set) as receiver:
        port = int(receiver.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):
            assert httpx.post(receiver.url, headers={SECRET_HEADER: "s"}).status_code == 204
    assert rung.is_set()


def test_a_taken_port_is_told():
    with Receiver("s", print) as receiver:
        port = int(receiver.url.rpartition(":")[2])
        with pytest.raises(ServerError, match=f"port {port} cannot be listened on"):
            Receiver("s", print, port=port)


def test_webhooks_are_made_and_removed(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    with registered(desk, "http://127.0.0.1:1", "s"):
        hooks = list(server.webhooks.values())
        assert [hook["project"] for hook in hooks] == [1, 2]
        assert hooks[0]["headers"] == {SECRET_HEADER: "s"}
    assert server.webhooks == {}


def test_a_server_that_refuses_says_how_to_go_on(make_desk, queries, pins, samples, monkeypatch):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    made = desk.studio.add_webhook

    def refuse(project, url, headers):
        if project == 2:
            raise RefusedError("answered 403")
        return made(project, url, headers)

    monkeypatch.setattr(desk.studio, "add_webhook", refuse)
    with (
        pytest.raises(ServerError, match=r"SSRF_PROTECTION_ENABLED=false.* polling"),
        registered(desk, "http://127.0.0.1:1", "s"),
    ):
        pass
    assert server.webhooks == {}


def test_a_watch_pulls_at_once_when_rung_and_every_so_often():
    bell, times = Bell(), []

    def pull():
        times.append(time.monotonic())
        if len(times) == 1:
            bell.ring()  # while it pulls: nothing may be missed
        elif len(times) == 4:
            bell.stop()

    assert watch(pull, bell, every=0.05, trouble=print, quiet=0.001) == 4
    assert times[1] - times[0] < 0.05
    assert times[3] - times[2] >= 0.04


def test_trouble_is_told_and_the_next_pull_tried():
    bell, told, n = Bell(), [], []

    def pull():
        n.append(1)
        if len(n) < 3:
            raise ServerError("away")
        bell.stop()

    assert watch(pull, bell, every=0.001, trouble=lambda error: told.append(str(error))) == 3
    assert told == ["away", "away"]


def test_a_watch_stopped_while_it_waits_ends_at_once():
    bell = Bell()
    threading.Timer(0.05, bell.stop).start()
    assert watch(lambda: None, bell, every=60, trouble=print) == 1
