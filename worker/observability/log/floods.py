"""Warnings and errors that repeat themselves: the first few are written, then one a minute, with a count of the others.

Each is known by its event, whatever else it says: what strangers send would be new each time. Nothing is lost by it:
what became of messages is in the database, each with its reason.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Final, TextIO

import structlog

EVERY_S: Final = 60.0
FIRST: Final = 5  # lines of an event that are written at once; one more each minute
_EVENTS_MAX: Final = 1_000
_OTHERS: Final = "others"  # one event, when there are that many
_LOG: Final = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Event:
    allowed: float  # lines that may be written now
    at: float  # since then
    unsaid: int = 0


class Floods:
    """`clock`: seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._events: dict[str, _Event] = {}
        self._unsaid: set[str] = set()  # events with lines that were left out

    def admit(self, name: str) -> int | None:
        """How many lines of this event were left out before this one; None: this one is, too."""
        if name not in self._events and len(self._events) >= _EVENTS_MAX:
            name = _OTHERS
        event = self._brought_forward(name)
        if event.allowed < 1:
            event.unsaid += 1
            self._unsaid.add(name)
            return None
        event.allowed -= 1
        return self._told(name, event)

    def over(self, *, ending: bool = False) -> Iterator[tuple[str, int]]:
        """The events of which none came for a while, with how many were left out. `ending`: all that have any."""
        for name in [*self._unsaid]:
            event = self._brought_forward(name)
            if name in self._unsaid and (ending or event.allowed >= 1):
                yield name, self._told(name, event)

    def _brought_forward(self, name: str) -> _Event:
        now = self._clock()
        event = self._events.setdefault(name, _Event(FIRST, now))
        event.allowed = min(FIRST, event.allowed + (now - event.at) / EVERY_S)
        event.at = now
        return event

    def _told(self, name: str, event: _Event) -> int:
        unsaid, event.unsaid = event.unsaid, 0
        self._unsaid.discard(name)
        return unsaid


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes all that is information or less, and of the rest what is no flood."""

    def __init__(self, stream: TextIO, floods: Floods | None = None) -> None:
        super().__init__(stream)
        self._floods = floods or Floods()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING or record.name == __name__:
            super().emit(record)
        elif (unsaid := self._floods.admit(_event_of(record))) is not None:
            super().emit(_counted(record, unsaid) if unsaid else record)
        self._tell()

    def close(self) -> None:
        self._tell(ending=True)
        super().close()

    def _tell(self, *, ending: bool = False) -> None:
        for name, unsaid in self._floods.over(ending=ending):
            _LOG.warning("log.flood", of=name, unsaid=unsaid, next="its lines before this one say what to do")


def _event_of(record: logging.LogRecord) -> str:
    """Ours have an event; others a text with places for what is filled in."""
    return str(record.msg.get("event")) if isinstance(record.msg, dict) else str(record.msg)


def _counted(record: logging.LogRecord, unsaid: int) -> logging.LogRecord:
    """The same, saying how many before it were left out. Another handler may have the record too."""
    record = copy.copy(record)
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "unsaid": unsaid}
    else:
        record.unsaid = unsaid
    return record
