"""Receivers that lie, drip, flood and break off: each gets a receipt, in time."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from time import monotonic

import pytest

from tasks.events.sender import Fate
from tests.integration.webhooks.events import PATIENCE_S, event, sender, sent
from tests.support.servers.listening import listening, request_of, reset

Speak = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def saying(*parts: bytes) -> Speak:
    """Reads the request, says this and hangs up."""

    def speak(connection: socket.socket) -> None:
        request_of(connection)
        for part in parts:
            connection.sendall(part)

    return speak


def flooding(head: bytes, part: bytes) -> Speak:
    """Without end, as fast as it is read."""

    def speak(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head)
        with suppress(OSError):  # who asked has hung up
            while True:
                connection.sendall(part)

    return speak


def dying(head: bytes) -> Speak:
    def speak(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head)
        reset(connection)

    return speak


def deaf(connection: socket.socket) -> None:
    """Answers before it has read anything, and hangs up."""
    connection.recv(1)
    connection.sendall(b"HTTP/1.1 413 Too much\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
    connection.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        while connection.recv(65_536):
            pass


def stopping(head: bytes) -> Speak:
    """Says this and no more, and waits for the other side to hang up."""

    def speak(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head)
        with suppress(OSError):
            connection.recv(1)

    return speak


DELIVERED = {
    "more than is read, and the rest never comes": stopping(OK + b"Content-Length: 9000\r\n\r\n" + b"a" * 3_000),
    "a flood of a length": flooding(OK + b"Content-Length: 99999999999\r\n\r\n", b"a" * 65_536),
    "a flood without a length": flooding(OK + b"\r\n", b"a" * 65_536),
    "a flood of chunks": flooding(CHUNKED, b"10000\r\n" + b"a" * 65_536 + b"\r\n"),
    "a flood of small chunks in long clothes": flooding(CHUNKED, b"1;" + b"x" * 8_000 + b"\r\na\r\n"),
    "a body that ends with the connection": saying(OK + b"\r\nthanks"),
    "HTTP/1.0": saying(b"HTTP/1.0 200 OK\r\n\r\nthanks"),
    "an answer before the answer": saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"),
    "more than one answer": saying((OK + b"Content-Length: 1\r\n\r\na") * 2),
    "no word for the status": saying(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    "one byte a time": saying(*(bytes([byte]) for byte in OK + b"Content-Length: 1\r\n\r\na")),
}
BROKEN: dict[str, tuple[str, Speak]] = {
    "not a word": ("connection_lost", saying()),
    "a reset": ("connection_lost", dying(b"")),
    "half a head": ("connection_lost", saying(b"HTTP/1.1 20")),
    "half a body after 200": ("connection_lost", saying(OK + b"Content-Length: 40\r\n\r\nhalf")),
    "half a body in chunks after 200": ("connection_lost", saying(CHUNKED + b"8\r\nhalf")),
    "chunks without an end after 200": ("connection_lost", saying(CHUNKED + b"4\r\nhalf\r\n")),
    "200 and a reset": ("connection_lost", dying(OK + b"Content-Length: 40\r\n\r\nhalf")),
    "200 without a length and a reset": ("connection_lost", dying(OK + b"\r\nhalf")),
    "another protocol": ("unreadable_answer", saying(b"SSH-2.0-OpenSSH\r\n")),
    "noise": ("unreadable_answer", saying(b"\x00\xff\n" * 1_000)),
    "a chunk of no length": ("unreadable_answer", saying(CHUNKED + b"much\r\n")),
    "a chunk that lies": ("unreadable_answer", saying(CHUNKED + b"1\r\nabc\r\n0\r\n\r\n")),
    "two lengths": ("unreadable_answer", saying(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na")),
    "a length that is none": ("unreadable_answer", saying(OK + b"Content-Length: -1\r\n\r\na")),
    "another protocol from now on": ("unreadable_answer", saying(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")),
    "a head without end": ("unreadable_answer", flooding(OK, b"X: " + b"a" * 1_000 + b"\r\n")),
    "a line without end": ("unreadable_answer", flooding(b"HTTP/1.1 200 ", b"a" * 1_000)),
    "answers before the answer without end": ("unreadable_answer", flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
}


@pytest.mark.parametrize("name", DELIVERED)
def test_strange_and_taken(name: str) -> None:
    with listening(DELIVERED[name]) as url, sender() as sending:
        receipts = sent(sending, event(url))
    assert [(each.fate, each.code, each.status) for each in receipts] == [(Fate.DELIVERED, "http_200", 200)]
    assert len(receipts[0].answer or "") <= 500


@pytest.mark.parametrize("name", BROKEN)
def test_broken_and_sent_again_later(name: str) -> None:
    code, speak = BROKEN[name]
    with listening(speak) as url, sender() as sending:
        receipts = sent(sending, event(url))
    assert [(each.fate, each.code) for each in receipts] == [(Fate.FAILED, code)]


def test_what_broke_off_keeps_what_was_said() -> None:
    said = b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 40\r\n\r\nlater"
    with listening(saying(said)) as url, sender() as sending:
        (receipt,) = sent(sending, event(url))
    assert (receipt.code, receipt.status, receipt.answer, receipt.retry_after_s) == ("connection_lost", 503, "later", 7)


def test_who_answers_before_everything_was_read() -> None:
    with listening(deaf) as url, sender() as sending:
        (receipt,) = sent(sending, event(url, body=b" " * 2_000_000))
    # What is still on its way to a socket that is closed is answered with a reset, which may outrun the answer.
    assert receipt.code in ("http_413", "connection_lost")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\nX: ",
        OK + b"Content-Length: 2000\r\n\r\n",
        OK + b"\r\n",
        b"HTTP/1.1 410 Gone\r\nX:",
    ],
    ids=["line", "head", "body", "body without a length", "gone"],
)
def test_a_byte_now_and_then_holds_nobody(said: bytes) -> None:
    """Each byte comes in time; all of them never would."""
    over = Event()

    def drip(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(said)
        with suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(b"1")

    with listening(drip) as url, sender(timeout_s=0.5) as sending:
        began = monotonic()
        (receipt,) = sent(sending, event(url))
        assert monotonic() - began < PATIENCE_S
        over.set()
    assert (receipt.fate, receipt.code) == (Fate.FAILED, "timed_out")
    assert 0.4 < receipt.seconds < PATIENCE_S


def test_who_does_not_read_what_is_sent() -> None:
    over = Event()

    def listen(_connection: socket.socket) -> None:
        over.wait(PATIENCE_S)

    with listening(listen) as url, sender(timeout_s=0.5) as sending:
        assert [receipt.code for receipt in sent(sending, event(url, body=b" " * 20_000_000))] == ["timed_out"]
        over.set()
