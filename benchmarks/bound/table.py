"""A table as it is in the database, so that a change there is named and not stumbled over."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import asyncpg

_COLUMNS: Final = """
    select attname as name, attnotnull and not atthasdef and attidentity = '' as needed
    from pg_attribute where attrelid = cast($1 as regclass) and attnum > 0 and not attisdropped
"""


class Table:
    """Takes rows that have a value for each of the `known` columns; those that the table has not got are left out."""

    def __init__(self, name: str, known: Sequence[str], there: set[str]) -> None:
        self._name = name
        self._columns = [column for column in known if column in there]
        kept = [place for place, column in enumerate(known) if column in there]
        self._pick = itemgetter(*kept) if len(kept) < len(known) else None

    @classmethod
    async def read(cls, connection: asyncpg.Connection, name: str, known: Sequence[str]) -> Table:
        """Raises ValueError when the table has a column that must be filled and is not known."""
        found = await connection.fetch(_COLUMNS, name)
        if new := sorted(row["name"] for row in found if row["needed"] and row["name"] not in known):
            raise ValueError(
                f"{name} has columns that the bound does not fill: {', '.join(new)}; adapt benchmarks/bound"
            )
        return cls(name, known, {row["name"] for row in found})

    async def add(self, connection: asyncpg.Connection, rows: list[tuple[Any, ...]]) -> None:
        """By binary COPY."""
        if self._pick is not None:
            rows = [self._pick(row) for row in rows]
        await connection.copy_records_to_table(self._name, records=rows, columns=self._columns)
