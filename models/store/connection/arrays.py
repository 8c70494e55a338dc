"""Columns of values as PostgreSQL's arrays, in its binary form: the server has nothing to parse.

A column that has one value in all rows costs as much as that value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat
from struct import Struct
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from models.domain.value import value

_EPOCH: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")  # PostgreSQL's
_MICROSECOND: Final = timedelta(microseconds=1)
_HEADER: Final = Struct(">iiIii")  # dimensions, whether there are nulls, element type, length, number of the first
_LENGTH: Final = Struct(">i")
_NULL: Final = _LENGTH.pack(-1)


class Array(bytes):
    """A parameter of a statement, which says of which type it is: an array as it goes over the wire."""


@value(frozen=True, slots=True)
class Elements:
    """A type of elements. `encode`: one of them in binary. `of_size`: how they are packed when all have one size.
    `alike`: whether values that are equal to Python are one to the server; JSON's 1, 1.0 and true are not."""

    name: str
    oid: int
    encode: Callable[[Any], bytes]
    of_size: tuple[int, str, Callable[[Any], Any] | None] | None = None
    alike: bool = True

    def array(self, values: Sequence[Any]) -> Array:
        """These values in their order; None is null."""
        count = len(values)
        if self._is_one(values):
            data, nulls = self._one(values[0]) * count, values[0] is None
        elif nulls := None in values:
            data = b"".join(map(self._one, values))
        else:
            data = self._packed(values)
        header = _HEADER.pack(1, nulls, self.oid, count, 1) if count else _HEADER.pack(0, 0, self.oid, 0, 1)[:12]
        return Array(header + data)

    def _is_one(self, values: Sequence[Any]) -> bool:
        """Whether there is one value, so many times. Most columns have another at their other end."""
        if not values or values[0] != values[-1] or not (self.alike or values[0] is None):
            return False
        return values.count(values[0]) == len(values)

    def _one(self, value: Any) -> bytes:
        if value is None:
            return _NULL
        data = self.encode(value)
        return _LENGTH.pack(len(data)) + data

    def _packed(self, values: Sequence[Any]) -> bytes:
        """All at once: nearly every column of a batch has no nulls."""
        if self.of_size is None:
            encoded = [*map(self.encode, values)]
            return b"".join(chain.from_iterable(zip(map(_LENGTH.pack, map(len, encoded)), encoded, strict=True)))
        size, code, convert = self.of_size
        converted = values if convert is None else map(convert, values)
        return Struct(f">{f'i{code}' * len(values)}").pack(*chain.from_iterable(zip(repeat(size), converted)))


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _of_size(name: str, oid: int, size: int, code: str, convert: Callable[[Any], Any] | None = None) -> Elements:
    pack = Struct(f">{code}").pack
    encode = pack if convert is None else lambda value: pack(convert(value))
    return Elements(name, oid, encode, (size, code, convert))


def _bytes_of(value: UUID) -> bytes:
    return value.bytes


# Names and oids as in pg_type.
BIGINT: Final = _of_size("bigint", 20, 8, "q")
BOOLEAN: Final = _of_size("boolean", 16, 1, "?")
TIMESTAMPTZ: Final = _of_size("timestamptz", 1184, 8, "q", _micros)
UUIDS: Final = _of_size("uuid", 2950, 16, "16s", _bytes_of)
TEXT: Final = Elements("text", 25, str.encode)
BYTEA: Final = Elements("bytea", 17, bytes)


def texts(values: Iterable[str]) -> Array:
    """An array of texts."""
    return TEXT.array([*values])


def of_json(encode: Callable[[Any], bytes]) -> Elements:
    """Elements that are JSON, as `encode` writes it."""
    return Elements("json", 114, encode, alike=False)


class _ArrayDumper(Dumper):
    """Sends an array as it is."""

    format = Format.BINARY
    oid = 0  # what the statement says

    def dump(self, obj: Array) -> bytes:
        return obj


psycopg.adapters.register_dumper(Array, _ArrayDumper)
