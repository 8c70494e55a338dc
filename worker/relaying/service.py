"""Events leave while the worker runs: one thread relays them, another one delivers webhooks.

They look by themselves, many times a second after there was something and a few times when there was not: nobody who
writes an event has to call them, and no call can be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Final

import structlog

from tasks.apply.retries import Interrupted
from tasks.events.delivering import Deliverer
from tasks.events.relay import Relay
from tasks.reminder import Reminder

_LOG: Final = structlog.get_logger(__name__)
_SOON_S: Final = 0.02  # after something was there
_IDLE_S: Final = 0.25  # when nothing has been there for a while
_FAULT_S: Final = 5.0
_STOP_S: Final = 5.0  # for requests under way, before they are given up


class EventService:
    """Both threads of one process. `close`: gives up what is under way."""

    def __init__(self, relay: Relay, deliverer: Deliverer, close: Callable[[], None]) -> None:
        self._close = close
        self._stopping = Event()
        self._queued = Event()  # for endpoints, by this process
        self._threads = [
            Thread(target=self._run, args=(relay.run, self._queued.set, self._stopping), name="relay", daemon=True),
            Thread(target=self._run, args=(deliverer.run, None, self._queued), name="webhooks", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Once the process has been told to stop, so that nothing new is begun."""
        self._stopping.set()
        self._queued.set()
        for thread in self._threads:
            thread.join(_STOP_S)
        self._close()
        for thread in self._threads:
            thread.join(_STOP_S)

    def _run(self, work: Callable[[], int], tell: Callable[[], None] | None, call: Event) -> None:
        """Works as long as there is something to do, and looks again after a pause, or when it is called."""
        pause_s, reminder = _SOON_S, Reminder()
        while not self._stopping.is_set():
            try:
                done = work()
            except Interrupted:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, events wait and are not lost
                if reminder.due("events.fault", repr(error)):
                    _LOG.exception(
                        "events.fault", next="mend what the error says: events wait, and leave by themselves"
                    )
                self._stopping.wait(_FAULT_S)
                continue
            if done:
                pause_s = _SOON_S
                if tell is not None:
                    tell()
                continue
            call.wait(pause_s)
            if call is not self._stopping:
                call.clear()
            pause_s = min(pause_s * 1.5, _IDLE_S)
