"""What waits in the database to leave it or to be decided, asked in a thread of its own; its cost grows with that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy import Engine

from models.store.connection.session import snapshot
from models.store.read.charges import charging_now
from models.store.read.events import outbox_now
from worker.database import engine_for
from worker.metrics import catalogue
from worker.metrics.gauges import Sample
from worker.settings.settings import Settings

_LONG: Final = timedelta(minutes=10)


class LedgerWatch:
    """Asks about events and charges."""

    of: Final = "database"
    every_s: Final = 10.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None

    def look(self) -> list[Sample]:
        """Raises what the database, or the way to it, has against it."""
        if self._engine is None:
            self._engine = engine_for(self._settings)
        return [*self._samples(self._engine)]

    def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _samples(self, engine: Engine) -> Iterator[Sample]:
        with snapshot(engine) as connection:
            outbox = outbox_now(connection)
            charges = charging_now(connection, waits_long=_LONG, due_long=_LONG)
        late = timedelta(0) if outbox.oldest_at is None else charges.at - outbox.oldest_at
        yield catalogue.OUTBOX, (), outbox.events
        yield catalogue.BACKLOG, (), outbox.backlog
        yield catalogue.LAG, (), max(0.0, late.total_seconds())
        for of, count in (
            ("provider", charges.waiting),
            ("payer", charges.for_payers),
            ("operator", charges.unknown),
        ):
            yield catalogue.WAITING_CHARGES, (of,), count
