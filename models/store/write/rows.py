"""Many rows in one statement: they travel as one JSON parameter, and the table's own column types read them.

The number of statements does not grow with the number of rows, and neither do the parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection
from sqlalchemy.orm import DeclarativeBase

from models.domain.value import value

Row = Mapping[str, Any]
STREAMED: Final[Mapping[str, Any]] = {"yield_per": 1000}
"""Options of one statement whose rows come through a cursor. Set on the connection, they would be every statement's."""
LOWEST: Final = -(2**63)
HIGHEST: Final = 2**63 - 1
"""No id is below or above."""
_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")


@value(frozen=True, slots=True)
class Among:
    """Accounts from id `first` on: those of whose stretches of 2**bits ids every `count`th is meant, from `number`."""

    first: int = LOWEST
    bits: int = 0
    count: int = 1
    number: int = 0


AMONG: Final = tuple(field.name for field in fields(Among))
ALL: Final = Among()


def hexed(value: bytes) -> str:
    """Bytes as a BYTEA column reads them from text."""
    return f"\\x{value.hex()}"


def texts(values: Iterable[str]) -> str:
    """Texts as an array of texts is read: the driver looks at each character of each."""
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


def raw(json_text: str) -> msgspec.Raw:
    """JSON that is encoded already, to be stored as it is."""
    return msgspec.Raw(json_text.encode())


def values(item: object, names: Iterable[str]) -> Row:
    """What stands under these names in a value, as a row."""
    return {name: getattr(item, name) for name in names}


def insert(connection: Connection, table: type[DeclarativeBase], rows: Sequence[Row]) -> None:
    """Inserts the rows in their order. All rows have the columns of the first."""
    if rows:
        _write(connection, _insert(table.__tablename__, tuple(rows[0])), rows)


def upsert(
    connection: Connection, table: type[DeclarativeBase], key: str, rows: Sequence[Row], fixed: frozenset[str]
) -> None:
    """Inserts the rows, or where one with the same `key` column exists, changes it, but for its `fixed` columns."""
    if rows:
        _write(connection, _upsert(table.__tablename__, key, tuple(rows[0]), fixed), rows)


def update(connection: Connection, table: type[DeclarativeBase], key: str, rows: Sequence[Row]) -> None:
    """Changes the rows that have the same `key` column."""
    if rows:
        _write(connection, _update(table.__tablename__, key, tuple(rows[0])), rows)


def _write(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    # Nothing in the statement needs SQLAlchemy's compiler, which a lone job would wait for once a table.
    connection.exec_driver_sql(statement, {"rows": _ENCODER.encode(rows).decode()})


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(f'"{column}"' for column in columns)
    return f"insert into {table} ({names}) select {names} from {_records(table)}"  # noqa: S608 - names come from our tables


@cache
def _upsert(table: str, key: str, columns: tuple[str, ...], fixed: frozenset[str]) -> str:
    changed = [column for column in columns if column != key and column not in fixed]
    changes = ", ".join(f'"{column}" = excluded."{column}"' for column in changed)
    return f'{_insert(table, columns)} on conflict ("{key}") do update set {changes}'


@cache
def _update(table: str, key: str, columns: tuple[str, ...]) -> str:
    changes = ", ".join(f'"{column}" = new."{column}"' for column in columns if column != key)
    return f'update {table} as old set {changes} from {_records(table)} as new where old."{key}" = new."{key}"'  # noqa: S608 - as above


def _records(table: str) -> str:
    return f"json_populate_recordset(null::{table}, cast(%(rows)s as json))"
