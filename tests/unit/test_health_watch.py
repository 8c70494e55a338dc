"""What stands behind the page of health is asked once for all who look, and keeps nobody waiting for ever."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from worker.flower import health
from worker.flower.health import _Source

LONG_S = 60.0


class Counted:
    """Answers how often it was asked, once it may."""

    def __init__(self) -> None:
        self.asked = self.closed = 0
        self.may, self.error = Event(), ""

    def look(self) -> int:
        self.asked += 1
        assert self.may.wait(LONG_S)
        if self.error:
            raise ValueError(self.error)
        return self.asked

    def close(self) -> None:
        self.closed += 1


def test_pages_that_are_loaded_together_ask_once() -> None:
    look = Counted()
    look.may.set()
    source = _Source(look, str)

    async def load() -> list[object]:
        return await asyncio.gather(*(source.now(LONG_S) for _ in range(5)))

    first = asyncio.run(load())
    again = asyncio.run(load())
    assert look.asked == 1
    assert {id(each) for each in first + again} == {id(source.seen)}
    source.close()


def test_what_is_old_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    look = Counted()
    look.may.set()
    source = _Source(look, str)
    asyncio.run(source.now(LONG_S))
    monkeypatch.setattr(health, "FRESH_S", -1.0)
    seen = asyncio.run(source.now(LONG_S))
    assert seen is not None
    assert (seen.found, look.asked) == (2, 2)
    source.close()


def test_who_waits_too_long_is_shown_what_there_is_and_it_is_not_asked_twice() -> None:
    look = Counted()
    source = _Source(look, str)

    async def impatient() -> object:
        return await source.now(0.01)

    assert [asyncio.run(impatient()) for _ in range(3)] == [None, None, None]
    assert look.asked == 1
    look.may.set()
    seen = asyncio.run(source.now(LONG_S))
    assert seen is not None
    assert (seen.found, look.asked) == (1, 1)
    source.close()


def test_what_is_away_is_said_in_its_place() -> None:
    look = Counted()
    look.may.set()
    look.error = "nobody there"
    source = _Source(look, lambda error: f"away: {error}")
    seen = asyncio.run(source.now(LONG_S))
    assert seen is not None
    assert (seen.found, seen.error, look.closed) == (None, "away: nobody there", 1)
    source.close()
