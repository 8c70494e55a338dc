"""A request ends in time and in bounds, whatever the other side does, and goes where it was meant to go."""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Barrier, Event
from time import monotonic

import pytest

from tests.support.servers.listening import listening
from tests.support.servers.tls import authority
from worker.providers.exchange import Exchange, NoAnswer

PATIENCE_S = 30.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def exchange(timeout_s: float = PATIENCE_S, connections: int = 4, ca: str | None = None) -> closing[Exchange]:
    return closing(Exchange(timeout_s=timeout_s, connections=connections, answer_bytes_max=65_536, ca=ca))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"], ids=["headers", "body"])
def test_a_byte_now_and_then_holds_nobody(said: bytes) -> None:
    """Each byte comes in time; all of them never would."""
    over = Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(said or b"HTTP/1.1 200 OK\r\nX: ")
        while not over.wait(0.05):
            try:
                connection.sendall(b"a")
            except OSError:
                return

    with listening(drip) as url, exchange(timeout_s=0.5) as asking:
        started = monotonic()
        with pytest.raises(NoAnswer, match="timed_out"):
            asking.send("GET", url, {})
        assert monotonic() - started < PATIENCE_S
        over.set()


def test_an_answer_without_end_is_too_large() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):  # who asked has hung up
            while True:
                connection.sendall(b"a" * 65_536)

    with listening(flood) as url, exchange() as asking, pytest.raises(NoAnswer, match="answer_too_large"):
        asking.send("GET", url, {})


def test_who_is_closed_gives_up_what_is_under_way() -> None:
    heard, over = Event(), Event()

    def listen(connection: socket.socket) -> None:
        connection.recv(65_536)
        heard.set()
        over.wait(PATIENCE_S)

    with listening(listen) as url, ThreadPoolExecutor(1) as thread:
        asking = Exchange(timeout_s=PATIENCE_S, connections=1, answer_bytes_max=65_536)
        asked = thread.submit(asking.send, "POST", url, {}, b"{}")
        assert heard.wait(PATIENCE_S)
        asking.close()
        with pytest.raises(NoAnswer, match="closed"):
            asked.result(PATIENCE_S)
        with pytest.raises(NoAnswer, match="closed"):
            asking.send("POST", url, {}, b"{}")
        asking.close()
        over.set()


def test_threads_ask_at_the_same_time() -> None:
    together = Barrier(4)

    def answer(connection: socket.socket) -> None:
        connection.recv(65_536)
        together.wait(PATIENCE_S)  # all four are asked before any is answered
        connection.sendall(ANSWER)

    with listening(answer, count=4) as url, exchange(connections=4) as asking, ThreadPoolExecutor(4) as threads:
        answers = threads.map(lambda _: asking.send("POST", url, {}, b"{}"), range(4))
        assert [answer.body for answer in answers] == [b"{}"] * 4


def test_who_finds_no_connection_free_waits_within_the_time() -> None:
    over = Event()

    def listen(_connection: socket.socket) -> None:
        over.wait(PATIENCE_S)

    with (
        listening(listen) as url,
        exchange(timeout_s=0.5, connections=1) as asking,
        ThreadPoolExecutor(2) as threads,
    ):
        asked = [threads.submit(asking.send, "POST", url, {}, b"{}") for _ in range(2)]
        for each in asked:
            with pytest.raises(NoAnswer, match="timed_out"):
                each.result(PATIENCE_S)
        over.set()


def test_a_name_that_nobody_has() -> None:
    with exchange() as asking, pytest.raises(NoAnswer, match=r"not_connected|timed_out"):
        asking.send("GET", "http://nobody.invalid/", {})


def test_who_cannot_show_who_they_are_is_told_nothing(tmp_path: Path) -> None:
    known = authority(tmp_path, "known")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(known.cert, known.key)
    heard: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as safe:  # who asks may hang up
            said = b""
            while not said.endswith(b"{}"):  # what is not read by the end is answered with a reset
                said += safe.recv(65_536) or b"{}"
            heard.append(said)
            safe.sendall(ANSWER)

    with listening(answer, count=2) as url:
        safe_url = url.replace("http:", "https:")
        with exchange() as asking, pytest.raises(NoAnswer, match="not_connected"):
            asking.send("POST", safe_url, {}, b"{}")
        assert heard == []
        with exchange(ca=known.ca) as asking:
            assert asking.send("POST", safe_url, {}, b"{}").body == b"{}"


def test_a_redirect_is_an_answer_like_any_other() -> None:
    moved = b"HTTP/1.1 308 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    heard: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        heard.append(connection.recv(65_536))
        connection.sendall(moved)
        while heard[-1]:
            heard.append(connection.recv(65_536))

    with listening(answer) as url, exchange() as asking:
        assert asking.send("POST", url, {}, b"{}").status == 308
    assert b"".join(heard).count(b"HTTP/1.1") == 1, "nothing is asked for elsewhere"
