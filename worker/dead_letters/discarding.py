"""Dead letters that are not wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import Engine

from models.domain.letters import LetterStatus
from models.store.connection.session import snapshot, transaction
from models.store.read.dead_letters import LetterFilter, at_once, find
from models.store.write import dead_letters

_AT_ONCE: Final = 1_000  # letters that are closed in one transaction


class Discarding:
    """For a reason that is kept with the letters, as is who asked for it."""

    def __init__(self, engine: Engine, reason: str, by: str | None = None) -> None:
        self._engine, self._reason, self._by = engine, reason, by

    def these(self, ids: Sequence[UUID]) -> int:
        """Closes those of these letters that are parked. Returns how many."""
        with transaction(self._engine) as connection:
            return dead_letters.discard(connection, ids, self._reason, self._by)

    def parked(self, wanted: LetterFilter) -> Iterator[int]:
        """The same for all letters that are parked now and have these traits. Yields how many, page by page."""
        with snapshot(self._engine) as connection:
            wanted = replace(at_once(connection, wanted), status=LetterStatus.PARKED)
        while True:  # pages are closed before the next one is read
            with snapshot(self._engine) as connection:
                page = [letter.id for letter in find(connection, wanted, _AT_ONCE).rows]
            if not page:
                return
            yield self.these(page)
