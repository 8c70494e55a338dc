"""Many rows in one statement: each column travels as one array, and the server puts the rows together.

The number of statements does not grow with the number of rows, and neither do the parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import ARRAY, JSON, Boolean, Connection, DateTime, Integer, LargeBinary, Text, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine

from models.domain.value import value
from models.store.connection.arrays import BIGINT, BOOLEAN, BYTEA, TEXT, TIMESTAMPTZ, UUIDS, Elements, of_json

Columns = Mapping[str, Sequence[Any]]
"""Rows by column: the values of each in the order of the rows."""
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


def raw(json_text: str) -> msgspec.Raw:
    """JSON that is encoded already, to be stored as it is."""
    return msgspec.Raw(json_text.encode())


def values(item: object, names: Iterable[str]) -> dict[str, Any]:
    """What stands under these names in a value, as a row."""
    return {name: getattr(item, name) for name in names}


def by_column(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """Rows that all have the columns of the first, by column."""
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def insert(connection: Connection, table: type[DeclarativeBase], columns: Columns) -> None:
    """Inserts the rows in their order."""
    _write(connection, _insert(table, tuple(columns)), columns)


def upsert(
    connection: Connection, table: type[DeclarativeBase], key: str, columns: Columns, fixed: frozenset[str]
) -> None:
    """Inserts the rows, or where one with the same `key` column exists, changes it, but for its `fixed` columns."""
    if columns:
        _write(connection, _upsert(table, key, tuple(columns), fixed), columns)


def update(connection: Connection, table: type[DeclarativeBase], key: str, columns: Columns) -> None:
    """Changes the rows that have the same `key` column."""
    _write(connection, _update(table, key, tuple(columns)), columns)


@value(frozen=True, slots=True)
class _Statement:
    text: str
    elements: tuple[Elements, ...]  # of the columns, in their order


def _write(connection: Connection, statement: _Statement, columns: Columns) -> None:
    arrays = tuple(
        elements.array(values) for elements, values in zip(statement.elements, columns.values(), strict=True)
    )
    # Nothing in the statement needs SQLAlchemy's compiler, which a lone job would wait for once a table.
    connection.exec_driver_sql(statement.text, arrays)


@cache
def _insert(table: type[DeclarativeBase], columns: tuple[str, ...]) -> _Statement:
    names, (values, records) = ", ".join(f'"{column}"' for column in columns), _records(table, columns)
    text = f"insert into {table.__tablename__} ({names}) select {values} from {records}"  # noqa: S608 - names come from our tables
    return _Statement(text, _elements(table, columns))


@cache
def _upsert(table: type[DeclarativeBase], key: str, columns: tuple[str, ...], fixed: frozenset[str]) -> _Statement:
    changed = [column for column in columns if column != key and column not in fixed]
    changes = ", ".join(f'"{column}" = excluded."{column}"' for column in changed)
    inserted = _insert(table, columns)
    return replace(inserted, text=f'{inserted.text} on conflict ("{key}") do update set {changes}')


@cache
def _update(table: type[DeclarativeBase], key: str, columns: tuple[str, ...]) -> _Statement:
    name, (_, records) = table.__tablename__, _records(table, columns)
    changes = ", ".join(f'"{column}" = {_value(table, column)}' for column in columns if column != key)
    text = f'update {name} as old set {changes} from {records} where old."{key}" = new."{key}"'  # noqa: S608 - as above
    return _Statement(text, _elements(table, columns))


def _records(table: type[DeclarativeBase], columns: tuple[str, ...]) -> tuple[str, str]:
    """The values of a row, and where they come from."""
    arrays = ", ".join(f"%s::{elements.name}[]" for elements in _elements(table, columns))
    names = ", ".join(f'"{column}"' for column in columns)
    return ", ".join(_value(table, column) for column in columns), f"unnest({arrays}) as new ({names})"


def _value(table: type[DeclarativeBase], column: str) -> str:
    """A value as the column takes it: its own type, or one that the server makes it of when it is assigned."""
    kind, given = table.__table__.columns[column].type, f'new."{column}"'
    if _elements_of(kind) is not None:
        return given
    # What an array's own text is read by is not immutable, and Citus refuses it where rows are changed.
    text = f"string_to_array({given}, chr({ord(_BETWEEN)}))" if isinstance(kind, ARRAY) else given
    return f"cast({text} as {kind.compile(_DIALECT)})"


def _elements(table: type[DeclarativeBase], columns: tuple[str, ...]) -> tuple[Elements, ...]:
    kinds = table.__table__.columns
    return tuple(_elements_of(kinds[column].type) or _AS_TEXT for column in columns)


def _elements_of(kind: TypeEngine[Any]) -> Elements | None:
    return next((elements for of, elements in _ELEMENTS.items() if isinstance(kind, of)), None)


def _literal(value: Any) -> bytes:
    """A number as the server reads it from text, or an array: of numbers, or of words of ours."""
    return _BETWEEN.join(map(str, value)).encode() if isinstance(value, list | tuple) else str(value).encode()


_BETWEEN: Final = "\x1f"  # the elements of an array: the separator of units
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]  # not in the stubs
_AS_TEXT: Final = replace(TEXT, encode=_literal)
_ELEMENTS: Final[Mapping[type[TypeEngine[Any]], Elements]] = {
    Integer: BIGINT,  # and its kin: assigned to a smaller one, it is made one
    Boolean: BOOLEAN,
    DateTime: TIMESTAMPTZ,
    Uuid: UUIDS,
    Text: TEXT,
    LargeBinary: BYTEA,
    JSON: of_json(_ENCODER.encode),
}
