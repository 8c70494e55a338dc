"""Connections: kept while they are good, no more of them than allowed, and given up in the end."""

from __future__ import annotations

import asyncio
import socket
from threading import Barrier, Event, Lock
from typing import Any

import pytest

from tasks.events.sender import Fate
from tests.integration.webhooks.events import PATIENCE_S, event, resolving, sender, sent
from tests.support.servers.listening import listening, request_of
from tests.support.servers.receiver import Receiver
from worker.webhooks import pool
from worker.webhooks.sender import HttpWebhookSender
from worker.webhooks.wire import Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MORE = OK.replace(b"200", b"410")
HERE = resolving(["127.0.0.1"])


class Server:
    """Answers on each connection as often as it is told to, and hangs up then: after it has read one more request."""

    def __init__(self, *answers: int) -> None:
        self._answers, self._lock = [*answers], Lock()
        self.heard: list[list[str]] = []  # ids, for each connection

    def speak(self, connection: socket.socket) -> None:
        with self._lock:
            left, heard = self._answers.pop(0), list[str]()
            self.heard.append(heard)
        while request := request_of(connection):
            heard.append(request.partition(b"webhook-id: ")[2].partition(b"\r\n")[0].decode())
            if not left:
                return
            left -= 1
            connection.sendall(OK)


def codes(by: HttpWebhookSender, *requests: Any) -> list[str]:
    return [receipt.code for receipt in sent(by, *requests)]


def test_one_connection_for_event_after_event() -> None:
    server = Server(9)
    with listening(server.speak) as url, sender() as sending:
        for name in "abc":
            assert codes(sending, event(url, name)) == ["http_200"]
    assert server.heard == [["a", "b", "c"]]


def test_one_that_is_closed_just_as_it_is_used_is_no_failure() -> None:
    """The endpoint is well. It may have read the event: it sees the same id again."""
    server = Server(1, 9)
    with listening(server.speak, count=2) as url, sender() as sending:
        assert codes(sending, event(url, "a"), event(url, "b")) == ["http_200", "http_200"]
    assert server.heard == [["a", "b"], ["b"]]


def test_one_that_is_new_is_asked_once() -> None:
    server = Server(0, 9)
    with listening(server.speak, count=2) as url, sender() as sending:
        assert codes(sending, event(url, "a"), event(url, "b")) == ["connection_lost"]
        assert server.heard == [["a"]]
        assert codes(sending, event(url, "b")) == ["http_200"]


def test_one_that_was_closed_while_it_waited_is_not_used() -> None:
    gone = Event()
    heard = list[bytes]()

    def speak(connection: socket.socket) -> None:
        heard.append(request_of(connection))
        connection.sendall(OK)
        connection.close()
        gone.set()

    with listening(speak, count=2) as url, sender() as sending:
        assert codes(sending, event(url, "a")) == ["http_200"]
        assert gone.wait(PATIENCE_S)
        assert codes(sending, event(url, "b")) == ["http_200"]
    assert len(heard) == 2


@pytest.mark.parametrize("together", [True, False])
def test_what_was_said_without_being_asked_is_no_answer(together: bool) -> None:
    """A receiver that has answered the next request in advance is asked on another connection."""
    said = Event()
    heard = list[bytes]()

    def speak(connection: socket.socket) -> None:
        heard.append(request_of(connection))
        for part in [OK + MORE] if together else [OK, MORE]:
            connection.sendall(part)
        said.set()
        connection.recv(1)

    with listening(speak, count=2) as url, sender() as sending:
        for name in "ab":
            said.clear()
            assert codes(sending, event(url, name)) == ["http_200"]
            assert said.wait(PATIENCE_S)
    assert [b"webhook-id: a" in each for each in heard] == [True, False]


def test_what_came_a_moment_ago_is_noticed_before_the_loop_has_read_it() -> None:
    async def notices() -> list[bool]:
        ours, theirs = socket.socketpair()
        with theirs:
            _, wire = await asyncio.get_running_loop().create_connection(Wire, sock=ours)
            silent = [wire.silent]
            theirs.sendall(MORE)
            silent.append(wire.silent)
            wire.abort()
            return [*silent, wire.silent]

    assert asyncio.run(notices()) == [True, False, False]


def test_one_that_waits_too_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_MAX_S", 0.05)
    closed = Event()

    def speak(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK)
        assert connection.recv(1) == b""
        closed.set()

    with listening(speak) as url, sender() as sending:
        assert codes(sending, event(url)) == ["http_200"]
        assert closed.wait(PATIENCE_S)


def test_one_that_is_old_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "AGE_MAX_S", 0.0)
    server = Server(9, 9)
    with listening(server.speak, count=2) as url, sender() as sending:
        assert codes(sending, event(url, "a"), event(url, "b")) == ["http_200", "http_200"]
    assert server.heard == [["a"], ["b"]]


def test_no_more_are_kept_than_may_be() -> None:
    first, second = Server(9, 9), Server(9)
    with (
        listening(first.speak, count=2) as one,
        listening(second.speak) as other,
        sender(concurrency=1) as sending,
    ):
        assert codes(sending, event(one, "a")) == ["http_200"]
        assert codes(sending, event(other, "b")) == ["http_200"]  # one may be kept: the first is closed
        assert codes(sending, event(one, "c")) == ["http_200"]
    assert first.heard == [["a"], ["c"]]


def test_a_slow_host_leaves_room_for_the_others(receiver: Receiver) -> None:
    over, asked = Event(), Event()

    def hold(connection: socket.socket) -> None:
        request_of(connection)
        asked.set()
        over.wait(PATIENCE_S)
        connection.sendall(OK)

    with listening(hold, count=9) as url, sender(concurrency=2, per_host=1, resolve=HERE) as sending:
        slow_url = url.replace("127.0.0.1", "slow.example.com")
        slow = [sending.submit([event(slow_url, str(number))]) for number in range(5)]
        assert asked.wait(PATIENCE_S)
        assert codes(sending, event(receiver.url)) == ["http_200"]
        assert not any(each.done() for each in slow)
        over.set()
        assert [each.result(PATIENCE_S)[0].fate for each in slow] == [Fate.DELIVERED] * 5


@pytest.mark.parametrize(("hosts", "peak"), [(1, 2), (6, 3)])
def test_no_more_at_once_than_may_be(hosts: int, peak: int) -> None:
    """Two to one host, three in all."""
    lock, at_once, most, together = Lock(), list[int](), list[int](), Barrier(peak)

    def speak(connection: socket.socket) -> None:
        while request_of(connection):
            with lock:
                at_once.append(1)
                most.append(len(at_once))
            together.wait(PATIENCE_S)
            Event().wait(0.05)  # for more to come, if they may
            with lock:
                at_once.pop()
            connection.sendall(OK)

    with listening(speak, count=12) as url, sender(concurrency=3, per_host=2, resolve=HERE) as sending:
        places = [url.replace("127.0.0.1", f"host{number % hosts}.example.com") for number in range(6)]
        asked = [sending.submit([event(place)]) for place in places]
        assert [each.result(PATIENCE_S)[0].fate for each in asked] == [Fate.DELIVERED] * 6
    assert max(most) == peak


def test_who_waits_for_a_turn_loses_no_time_of_its_own() -> None:
    held = list[str]()

    def speak(connection: socket.socket) -> None:
        """The first is never answered; who comes later is."""
        request = request_of(connection)
        held.append("")
        if len(held) == 1:
            connection.recv(1)
        elif request:
            connection.sendall(OK)

    with listening(speak, count=2) as url, sender(timeout_s=1.0, concurrency=1) as sending:
        first, second = sending.submit([event(url, "a")]), sending.submit([event(url, "b")])
        assert [each.code for each in first.result(PATIENCE_S)] == ["timed_out"]
        assert [each.code for each in second.result(PATIENCE_S)] == ["http_200"]


def test_who_is_closed_gives_up_what_is_under_way() -> None:
    server, over, held = Server(9), Event(), Event()

    def hold(connection: socket.socket) -> None:
        request_of(connection)
        held.set()
        over.wait(PATIENCE_S)

    with listening(server.speak) as good, listening(hold) as bad, sender() as sending:
        asked = sending.submit([event(good, "a"), event(bad, "b"), event(good, "c")])
        assert held.wait(PATIENCE_S)
        assert not asked.cancel()
        sending.close()
        assert [receipt.code for receipt in asked.result(0)] == ["http_200"], "nobody knows about the second"
        assert sending.submit([event(good, "d")]).result(0) == []
        sending.close()
        over.set()
    assert server.heard == [["a"]]


def test_many_at_once(receiver: Receiver) -> None:
    with sender(concurrency=8, per_host=4) as sending:
        asked = [
            sending.submit([event(f"{receiver.url}/{line}", f"{line}-{number}") for number in range(10)])
            for line in range(12)
        ]
        told = [each.result(PATIENCE_S) for each in asked]
    assert all(receipt.fate is Fate.DELIVERED for receipts in told for receipt in receipts)
    for line in range(12):
        assert [each for each in receiver.ids if each.startswith(f"{line}-")] == [f"{line}-{n}" for n in range(10)]
