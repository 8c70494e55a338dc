"""The types of the wire: numbers that are never floats, times with a zone, texts that a database can hold."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from models.domain import money

DIGITS_MAX: Final = 30  # more than any balance has; keeps 1e999999999 from becoming a number
T = TypeVar("T")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        hint = "; a float is not exact, pass it as a string" if type(value) is float else ""
        raise PydanticCustomError("decimal_type", "Input should be a number or a string that holds one" + hint)
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise PydanticCustomError("decimal_parsing", "Input should be a decimal number like 12.5")
    if isinstance(value, int) and abs(value) >= 10**DIGITS_MAX:
        raise PydanticCustomError("decimal_max_digits", f"Input should have at most {DIGITS_MAX} digits")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise PydanticCustomError("decimal_parsing", "Input should be a decimal number like 12.5") from error
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    if len(number.as_tuple().digits) > DIGITS_MAX or not -DIGITS_MAX <= exponent <= DIGITS_MAX:
        raise PydanticCustomError("decimal_max_digits", f"Input should have at most {DIGITS_MAX} digits")
    return money.plain(number)


def _time(value: Any) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            value = datetime.fromisoformat(value.upper())
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


def _printable(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("string_not_printable", "Input should consist of printable characters")
    return value


def _timezone(value: str) -> str:
    # Names that the system knows, and nothing that is a path: "Europe/Riga", "UTC".
    if value not in available_timezones():
        raise PydanticCustomError("timezone", "Input should be the name of a time zone like Europe/Riga")
    return value


def _uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise PydanticCustomError("uuid_parsing", "Input should be the job_id of an outcome") from error


def _or_none(value: T | None) -> T | None:
    return value or None


def _sorted(value: dict[str, str]) -> dict[str, str]:
    return dict(sorted(value.items()))


_NUMBER_SCHEMA: Final = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"}]
}
_TIME_SCHEMA: Final = {"type": "string", "format": "date-time"}
_DATE_SCHEMA: Final = {"anyOf": [_TIME_SCHEMA, {"type": "string", "format": "date"}]}

Number = Annotated[Decimal, BeforeValidator(_decimal), WithJsonSchema(_NUMBER_SCHEMA)]
Time = Annotated[datetime, BeforeValidator(_time), WithJsonSchema(_TIME_SCHEMA)]
TimeOrDate = Annotated[datetime | date, BeforeValidator(_time_or_date), WithJsonSchema(_DATE_SCHEMA)]
JobId = Annotated[UUID, BeforeValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
Timezone = Annotated[str, Field(max_length=64), AfterValidator(_timezone)]
Identifier = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
Name = Annotated[str, Field(max_length=255), AfterValidator(_storable)]
Description = Annotated[str, Field(max_length=500), AfterValidator(_storable)]
Int64 = Annotated[int, Field(ge=-money.UNITS_MAX, le=money.UNITS_MAX)]
Id64 = Annotated[int, Field(ge=1, le=money.UNITS_MAX)]
MetadataKey = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_storable)]
MetadataValue = Annotated[str, Field(max_length=500), AfterValidator(_storable)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=50), AfterValidator(_sorted)]
# Where empty means the same as absent, it is the same: one meaning, one fingerprint.
OptionalDescription = Annotated[Description | None, AfterValidator(_or_none)]
OptionalMetadata = Annotated[Metadata | None, AfterValidator(_or_none)]
