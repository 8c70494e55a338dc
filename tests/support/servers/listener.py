"""Who listens to a supervisor's events in a test."""

from __future__ import annotations

from threading import Condition

from worker.local.supervisor import Event


class Listener:
    """Collects events and lets a test wait for them, each time for so many seconds at the most."""

    def __init__(self, patience_s: float) -> None:
        self.events: list[Event] = []
        self._patience_s = patience_s
        self._changed = Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def said(self, kind: str, name: str | None = None) -> list[Event]:
        """What was told of this kind, of one child or of all."""
        return [event for event in self.events if event.kind == kind and name in (None, event.name)]

    def names(self, kind: str) -> list[str]:
        """Of whom it was told."""
        return [event.name for event in self.said(kind)]

    def wait_for(self, kind: str, name: str | None = None, count: int = 1) -> list[Event]:
        """The same as `said`, once there are so many."""
        with self._changed:
            told = self._changed.wait_for(lambda: len(self.said(kind, name)) >= count, self._patience_s)
            assert told, self.events
        return self.said(kind, name)
