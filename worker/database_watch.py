"""A look at the database now and then, by a worker whose own work does not show how it is."""

from __future__ import annotations

from threading import Event, Thread
from time import monotonic
from typing import Final

from models.store.hindrance import Hindrance, hindrance
from worker.database import engine_for
from worker.runtime import RUNTIME

_EVERY_S: Final = 10.0
_AGAIN_S: Final = 2.0  # while something is wrong


class DatabaseWatch:
    """In a thread of its own: a database that is away is waited for. Each look is a new connection, as a start is."""

    def __init__(self) -> None:
        self._found: Hindrance | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._watch, name="database-watch", daemon=True)

    def start(self) -> None:
        """May be repeated."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    @property
    def found(self) -> Hindrance | None:
        """What keeps jobs from being applied; None: nothing that is seen."""
        if self._thread.ident is None or self._thread.is_alive():
            return self._found
        return Hindrance("nobody watches the database any more", "report it with the traceback in the log; restart")

    def _watch(self) -> None:
        engine = engine_for(RUNTIME.settings)
        while not self._stopping.is_set():
            # Whoever is working shows it without being asked.
            works = monotonic() - RUNTIME.settler.progress.passed_at < _EVERY_S
            self._found = None if works else hindrance(engine)
            engine.dispose()
            self._stopping.wait(_AGAIN_S if self._found else _EVERY_S)
