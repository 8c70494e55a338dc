"""Many rows in one statement: they travel as one JSON parameter, and the table's own column types read them.

The number of statements does not grow with the number of rows, and neither do the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.orm import DeclarativeBase

Row = Mapping[str, Any]
_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")


def hexed(value: bytes) -> str:
    """Bytes as a BYTEA column reads them from text."""
    return f"\\x{value.hex()}"


def raw(json_text: str) -> msgspec.Raw:
    """JSON that is encoded already, to be stored as it is."""
    return msgspec.Raw(json_text.encode())


def insert(connection: Connection, table: type[DeclarativeBase], rows: Sequence[Row]) -> None:
    """Inserts the rows in their order. All rows have the columns of the first."""
    if rows:
        connection.execute(_insert(table.__tablename__, tuple(rows[0])), {"rows": _encode(rows)})


def upsert(connection: Connection, table: type[DeclarativeBase], key: str, rows: Sequence[Row]) -> None:
    """Inserts the rows, or where one with the same `key` column exists, changes it."""
    if rows:
        connection.execute(_upsert(table.__tablename__, key, tuple(rows[0])), {"rows": _encode(rows)})


def update(connection: Connection, table: type[DeclarativeBase], key: str, rows: Sequence[Row]) -> None:
    """Changes the rows that have the same `key` column."""
    if rows:
        connection.execute(_update(table.__tablename__, key, tuple(rows[0])), {"rows": _encode(rows)})


def _encode(rows: Sequence[Row]) -> str:
    return _ENCODER.encode(rows).decode()


@cache
def _insert(table: str, columns: tuple[str, ...]) -> TextClause:
    names = ", ".join(f'"{column}"' for column in columns)
    return text(
        f"insert into {table} ({names}) select {names} from json_populate_recordset(null::{table}, cast(:rows as json))"  # noqa: S608 - names come from our tables
    )


@cache
def _upsert(table: str, key: str, columns: tuple[str, ...]) -> TextClause:
    changes = ", ".join(f'"{column}" = excluded."{column}"' for column in columns if column != key)
    return text(f'{_insert(table, columns).text} on conflict ("{key}") do update set {changes}')


@cache
def _update(table: str, key: str, columns: tuple[str, ...]) -> TextClause:
    changes = ", ".join(f'"{column}" = new."{column}"' for column in columns if column != key)
    return text(
        f"update {table} as old set {changes} from json_populate_recordset(null::{table}, cast(:rows as json)) as new"  # noqa: S608 - as above
        f' where old."{key}" = new."{key}"'
    )
