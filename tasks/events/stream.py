"""The stream of events on a broker, as the relay sees it. Implementations: worker/event_stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from models.contracts.replies.events import EventMessage


class StreamDown(Exception):
    """The broker has not confirmed the events: some of them may be there, or all. They are published again."""


class EventStream(Protocol):
    """Takes events in order. Used by one thread at a time; belongs to one process."""

    def publish(self, events: Sequence[EventMessage]) -> None:
        """Returns when the broker has all of them. Raises StreamDown."""
        ...

    def close(self) -> None: ...
