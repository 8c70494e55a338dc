"""A look at the database now and then, by a worker whose own work does not show how it is."""

from __future__ import annotations

import math
from threading import Event, Thread
from time import monotonic
from typing import Final

from models.store.server.hindrance import Hindrance, look
from tasks.apply.progress import Progress
from worker.database import engine_for
from worker.ledger_clock import LEDGER_CLOCK
from worker.settings.settings import Settings

_EVERY_S: Final = 10.0
_AGAIN_S: Final = 2.0  # while something is wrong
_CLOCK_EVERY_S: Final = 60.0
_FIRST_S: Final = 2.0  # for the first look; nothing is taken before it


class DatabaseWatch:
    """In a thread of its own: a database that is away is waited for. Each look is a new connection, as a start is."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings, self._progress = settings, progress
        self._found: Hindrance | None = None
        self._looked, self._stopping = Event(), Event()
        self._thread = Thread(target=self._watch, name="database-watch", daemon=True)

    def start(self) -> None:
        """Returns after the first look, if that does not take long. May be repeated."""
        if self._thread.ident is None:
            self._thread.start()
            self._looked.wait(_FIRST_S)

    def stop(self) -> None:
        self._stopping.set()

    @property
    def found(self) -> Hindrance | None:
        """What keeps jobs from being applied; None: nothing that is seen."""
        if self._thread.ident is None or self._thread.is_alive():
            return self._found
        return Hindrance("nobody watches the database any more", "report it with the traceback in the log; restart")

    def _watch(self) -> None:
        engine, looked = engine_for(self._settings), -math.inf
        while not self._stopping.is_set():
            at = monotonic()
            # Whoever is working shows how it is without being asked, but not what time it is there.
            if at - self._progress.passed_at < _EVERY_S and at - looked < _CLOCK_EVERY_S:
                self._found = None
            else:
                seen, looked = look(engine), at
                engine.dispose()
                self._found = seen.hindrance
                if seen.at is not None:
                    LEDGER_CLOCK.looked_at(seen.at)
            self._looked.set()
            self._stopping.wait(_AGAIN_S if self._found else _EVERY_S)
