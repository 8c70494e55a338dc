"""Frames of AMQP come out as they went in, however the network cuts them up."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from itertools import pairwise
from struct import pack
from typing import Any

import pytest
from amqp.exceptions import UnexpectedFrame
from hypothesis import given
from hypothesis import strategies as st

from worker.brokers.rabbitmq.frames import Frame, TcpTransport

FRAMES = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 2**16 - 1), st.binary(max_size=300)), max_size=6)


class Link:
    """Hands out what is given to it, a piece at a time; an exception among the pieces is raised."""

    def __init__(self, pieces: list[bytes | Exception]) -> None:
        self._pieces: Iterator[bytes | Exception] = iter(pieces)

    def __call__(self, most: int) -> bytes:
        piece = next(self._pieces, b"")
        if isinstance(piece, Exception):
            raise piece
        assert len(piece) <= most
        return piece


def transport(pieces: list[bytes | Exception]) -> Any:
    made: Any = TcpTransport("127.0.0.1:1")
    made._quick_recv, made.connected = Link(pieces), True
    return made


def written(frames: list[Frame]) -> bytes:
    return b"".join(pack(">BHI", kind, channel, len(body)) + body + b"\xce" for kind, channel, body in frames)


@given(frames=FRAMES, cuts=st.sets(st.integers(1, 2000), max_size=12), waits=st.booleans())
def test_however_they_are_cut(frames: list[Frame], cuts: set[int], waits: bool) -> None:
    """`waits`: between two pieces nothing comes for longer than anybody waits; what has come is kept."""
    text = written(frames)
    at = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces: list[bytes | Exception] = []
    for start, end in pairwise(at):
        pieces += [text[start:end], *([TimeoutError("timed out")] if waits else [])]
    link = transport(pieces)
    read: list[Frame] = []
    while len(read) < len(frames):
        try:
            read.append(link.read_frame())
        except TimeoutError:
            assert waits
    assert read == frames
    assert link.frame_here() is None


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINTR, errno.ENOENT])
def test_what_is_not_here_yet_is_no_fault_of_the_connection(number: int) -> None:
    link = transport([OSError(number, "not now"), written([(1, 1, b"x")])])
    with pytest.raises(TimeoutError):
        link.read_frame()
    assert link.connected
    assert link.read_frame() == (1, 1, b"x")


@pytest.mark.parametrize("end", [b"", OSError(errno.ECONNRESET, "reset")])
def test_a_connection_that_is_gone_is_known_to_be(end: bytes | Exception) -> None:
    link = transport([written([(1, 1, b"x")])[:5], end])
    with pytest.raises(OSError, match=r"reset|closed"):
        link.read_frame()
    assert not link.connected


def test_a_frame_that_does_not_end_as_one_is_refused() -> None:
    with pytest.raises(UnexpectedFrame):
        transport([written([(1, 1, b"xyz")])[:-1] + b"\x00"]).read_frame()


def test_frames_that_are_here_are_had_without_asking_the_system_again() -> None:
    frames = [(1, 1, b"a"), (2, 1, b"b"), (3, 1, b"c")]
    link = transport([written(frames), OSError(errno.ECONNRESET, "asked again")])
    assert [link.read_frame() for _ in frames] == frames


def test_what_is_held_back_goes_out_as_one_whatever_ends_the_block() -> None:
    link = transport([])
    written_at_once: list[bytes] = []
    link._write = written_at_once.append
    memory = bytearray(b"first")

    def write_and_fail() -> None:
        with link.held_back():
            link.write(memoryview(memory))
            memory[:] = b"again"
            link.write(memoryview(memory))
            assert written_at_once == []
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    link.write(b"alone")
    assert written_at_once == [b"firstagain", b"alone"]
