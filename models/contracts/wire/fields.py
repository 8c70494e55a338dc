"""The types of the wire: numbers that are never floats, times with a zone, texts that a database can hold."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Context, Decimal, Inexact
from functools import cache
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from models.contracts.wire.schemas import (
    DATE,
    JOB_ID,
    STORABLE,
    TEXT_LENGTH_MAX,
    TIME,
    Bounded,
    NamesPatterned,
    Patterned,
    integer_schema,
    number_schema,
    printable_but,
)
from models.domain import money
from models.python310 import UTC, iso_time

DIGITS_MAX: Final = 30  # more than any balance has; keeps 1e999999999 from becoming a number
_LARGEST: Final = 10**DIGITS_MAX
_EXACT: Final = Context(prec=DIGITS_MAX, traps=[Inexact])
_FLOAT_DECIMALS_MAX: Final = 340  # those of the smallest float there is, as Python writes it
T = TypeVar("T")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UUID: Final = re.compile("[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_WHOLE: Final = re.compile(rf"[1-9]\d{{0,{DIGITS_MAX - 1}}}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def _number(value: Any) -> Decimal:
    return _exact(value, DIGITS_MAX)  # with one argument alone: older pydantic fills a second one with its own


def _exact(value: Any, decimals_max: int) -> Decimal:
    """The number in its one form. It is written out only once its size is known: no hostile one becomes long."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        hint = "; a float is not exact, pass it as a string" if type(value) is float else ""
        raise PydanticCustomError("decimal_type", "Input should be a number or a string that holds one" + hint)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return Decimal(value)  # in its one form already, as nearly all are
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise PydanticCustomError("decimal_parsing", "Input should be a decimal number like 12.5")
    if (isinstance(value, str) and len(value) > TEXT_LENGTH_MAX) or (isinstance(value, int) and abs(value) > _LARGEST):
        raise _too_many_digits()
    number = Decimal(value)
    if not number.is_finite():
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    if number and not -decimals_max <= number.adjusted() <= DIGITS_MAX:
        raise _too_many_digits()
    try:
        number = _EXACT.normalize(number) if number else money.ZERO
    except Inexact as error:
        raise _too_many_digits() from error
    exponent = number.as_tuple().exponent
    if abs(number) > _LARGEST or not isinstance(exponent, int) or exponent < -decimals_max:
        raise _too_many_digits()
    return money.plain(number)


def _too_many_digits() -> PydanticCustomError:
    return PydanticCustomError("decimal_max_digits", f"Input should have at most {DIGITS_MAX} digits")


def _measure(value: Any) -> Decimal:
    """As a number, and also a float as it is shown: it is no money, and sources keep it as a float."""
    return _exact(Decimal(float.__repr__(value)) if isinstance(value, float) else value, _FLOAT_DECIMALS_MAX)


def _as_number(value: Decimal) -> int | str:
    return int(value) if value == value.to_integral_value() else str(value)


def whole(value: Any) -> Any:
    """An integer as it may be written: 100, 100.0 and 1e2 are one. What is none is left to be refused."""
    number = Decimal(value) if isinstance(value, float) else value
    if not isinstance(number, Decimal) or not number.is_finite() or number != number.to_integral_value():
        return value
    if not number or number.adjusted() < DIGITS_MAX:
        return int(number) if number else 0  # 0e999999999999 would be written out before it is nothing
    word, limit = ("less", money.UNITS_MAX) if number > 0 else ("greater", -money.UNITS_MAX)
    raise PydanticCustomError(f"{word}_than_equal", f"Input should be {word} than or equal to {limit}")


def _time(value: Any) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            value = iso_time(value.upper())
        except ValueError as error:
            raise PydanticCustomError("datetime_parsing", "Input should be a time that exists") from error
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise PydanticCustomError("datetime_type", "Input should be an RFC 3339 time like 2027-01-31T12:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("datetime_parsing", "Input should be a time between the years 1 and 9999") from error


def _time_or_date(value: Any) -> datetime | date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise PydanticCustomError("datetime_parsing", "Input should be a date that exists") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return _time(value)


def _storable(value: str) -> str:
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise PydanticCustomError("string_unicode", "Input should be text without NUL characters or lone surrogates")
    return value


def printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("string_not_printable", "Input should consist of printable characters")
    return value


# Once for the process: it looks through a directory of the system.
_timezones: Final = cache(available_timezones)


def _timezone(value: str) -> str:
    # Names that the system knows, and nothing that is a path: "Europe/Riga", "UTC".
    if value not in _timezones():
        raise PydanticCustomError("timezone", "Input should be the name of a time zone like Europe/Riga")
    return value


def _uuid(value: Any) -> UUID:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    if not isinstance(value, UUID):
        raise PydanticCustomError("uuid_parsing", "Input should be the job_id of an outcome")
    return value


def _or_none(value: T | None) -> T | None:
    return value or None


def _sorted(value: dict[str, str]) -> dict[str, str]:
    return dict(sorted(value.items()))


Number = Annotated[Decimal, BeforeValidator(_number), Bounded(number_schema(-_LARGEST, _LARGEST))]
Measure = Annotated[
    Decimal,
    Field(ge=0, le=money.UNITS_MAX),
    BeforeValidator(_measure),
    PlainSerializer(_as_number, when_used="json"),
    Bounded(number_schema(0, money.UNITS_MAX)),
]
"""How much of something that is no money."""
Time = Annotated[datetime, BeforeValidator(_time), WithJsonSchema(TIME, mode="validation")]
TimeOrDate = Annotated[
    datetime | date, BeforeValidator(_time_or_date), WithJsonSchema({"anyOf": [TIME, DATE]}, mode="validation")
]
Timezone = Annotated[str, Field(max_length=64), AfterValidator(_timezone)]
JobId = Annotated[UUID, BeforeValidator(_uuid), WithJsonSchema(JOB_ID, mode="validation")]
Identifier = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(printable), Patterned(printable_but())]
Name = Annotated[str, Field(max_length=255), AfterValidator(_storable), Patterned(STORABLE)]
Description = Annotated[str, Field(max_length=500), AfterValidator(_storable), Patterned(STORABLE)]
Int64 = Annotated[int, Field(ge=-money.UNITS_MAX, le=money.UNITS_MAX), BeforeValidator(whole), Bounded(integer_schema)]
"""The type of every integer. A field narrows it: `Annotated[Int64, Field(ge=0, le=100)]`."""
Id64 = Annotated[Int64, Field(ge=1)]
Count = Annotated[Int64, Field(ge=0)]
MetadataKey = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_storable)]
MetadataValue = Annotated[str, Field(max_length=500), AfterValidator(_storable), Patterned(STORABLE)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue], Field(max_length=50), AfterValidator(_sorted), NamesPatterned(STORABLE)
]
# Where empty means the same as absent, it is the same: one meaning, one fingerprint.
OptionalDescription = Annotated[Description | None, AfterValidator(_or_none)]
OptionalMetadata = Annotated[Metadata | None, AfterValidator(_or_none)]
