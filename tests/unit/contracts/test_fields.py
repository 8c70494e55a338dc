"""The types of the wire: numbers that are never floats, times with a zone, texts that a database can hold."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from models.contracts import fields

NUMBER: TypeAdapter[Decimal] = TypeAdapter(fields.Number)
TIME: TypeAdapter[datetime] = TypeAdapter(fields.Time)
TIME_OR_DATE: TypeAdapter[datetime | date] = TypeAdapter(fields.TimeOrDate)


def refusal(adapter: TypeAdapter[Any], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value, strict=True)
    return caught.value.errors()[0]["type"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"),
        (Decimal("12.50"), "12.5"),
        ("12.5", "12.5"),
        ("+12.5", "12.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1E-9", "1E-9"),
        ("0e5", "0"),
        ("-0", "0"),
        (10**30 - 1, "9" * 30),
        ("1e30", "1" + "0" * 30),
        ("1e-30", "1E-30"),
        ("0." + "0" * 29 + "1", "1E-30"),
    ],
)
def test_numbers_are_decimals_in_one_form(value: object, text: str) -> None:
    number = NUMBER.validate_python(value, strict=True)
    assert (type(number), str(number)) == (Decimal, text)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0.1, "decimal_type"),
        (5.0, "decimal_type"),
        (float("nan"), "decimal_type"),
        (True, "decimal_type"),
        (None, "decimal_type"),
        ([1], "decimal_type"),
        ({}, "decimal_type"),
        (b"1", "decimal_type"),
        ("", "decimal_parsing"),
        (" 1", "decimal_parsing"),
        ("1 ", "decimal_parsing"),
        ("1\n", "decimal_parsing"),
        ("1_000", "decimal_parsing"),
        ("1,5", "decimal_parsing"),
        ("0x1F", "decimal_parsing"),
        (".", "decimal_parsing"),
        ("e5", "decimal_parsing"),
        ("--1", "decimal_parsing"),
        ("NaN", "decimal_parsing"),
        ("Infinity", "decimal_parsing"),
        ("١٢", "decimal_parsing"),  # Arabic digits are digits to Python
        ("１２", "decimal_parsing"),
        ("1e9999", "decimal_parsing"),
        (Decimal("NaN"), "finite_number"),
        (Decimal("-Infinity"), "finite_number"),
        (Decimal("sNaN"), "finite_number"),
        (Decimal("1E+999999"), "decimal_max_digits"),
        (Decimal("1E-999999"), "decimal_max_digits"),
        ("1e31", "decimal_max_digits"),
        ("1e-31", "decimal_max_digits"),
        ("1e999", "decimal_max_digits"),
        ("1" * 31, "decimal_max_digits"),
        ("0." + "1" * 31, "decimal_max_digits"),
        (10**30, "decimal_max_digits"),
        (-(10**4000), "decimal_max_digits"),
    ],
)
def test_numbers_of_another_kind_are_refused(value: object, kind: str) -> None:
    assert refusal(NUMBER, value) == kind


def test_a_float_is_told_what_to_do() -> None:
    with pytest.raises(ValidationError, match="pass it as a string"):
        NUMBER.validate_python(0.1)


UTC_TIME = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2027-01-31T12:00:00Z",
        "2027-01-31t12:00:00z",
        "2027-01-31 12:00:00+00:00",
        "2027-01-31T12:00:00-00:00",
        "2027-01-31T15:00:00.000+03:00",
        "2027-01-31T12:00:00.000000000Z",
        UTC_TIME,
    ],
)
def test_times_are_rfc_3339_and_become_utc(value: object) -> None:
    time = TIME.validate_python(value, strict=True)
    assert (time, time.tzinfo) == (UTC_TIME, UTC)


def test_times_keep_their_microseconds() -> None:
    assert TIME.validate_python("2027-01-31T12:00:00.123456Z").microsecond == 123456


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2027-01-31", "datetime_type"),
        ("2027-01-31T12:00:00", "datetime_type"),
        ("2027-01-31T12:00Z", "datetime_type"),
        ("2027-01-31T12:00:00+03", "datetime_type"),
        ("20270131T120000Z", "datetime_type"),
        ("2027-01-31T12:00:00Z\n", "datetime_type"),
        ("٢٠٢٧-01-31T12:00:00Z", "datetime_type"),
        (1801396800, "datetime_type"),
        (None, "datetime_type"),
        (datetime(2027, 1, 31), "datetime_type"),  # noqa: DTZ001 - a time without a zone is the case
        ("2027-02-30T12:00:00Z", "datetime_parsing"),
        ("2027-01-31T25:00:00Z", "datetime_parsing"),
        ("2027-01-31T12:00:61Z", "datetime_parsing"),
        ("2027-01-31T12:00:00+99:00", "datetime_parsing"),
        ("0000-01-01T00:00:00Z", "datetime_parsing"),
        ("0001-01-01T00:00:00+01:00", "datetime_parsing"),
        ("9999-12-31T23:59:59-01:00", "datetime_parsing"),
    ],
)
def test_times_of_another_form_are_refused(value: object, kind: str) -> None:
    assert refusal(TIME, value) == kind


@pytest.mark.parametrize("value", ["2027-01-31", date(2027, 1, 31)])
def test_a_date_stays_a_date(value: object) -> None:
    # When its day ends is known where the wallet is.
    assert TIME_OR_DATE.validate_python(value, strict=True) == date(2027, 1, 31)


@pytest.mark.parametrize("value", ["2027-01-31T00:00:00Z", "2027-01-31T03:00:00+03:00"])
def test_a_time_is_a_time_where_a_date_may_stand(value: object) -> None:
    assert TIME_OR_DATE.validate_python(value, strict=True) == datetime(2027, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("value", ["2027-02-30", "2027-1-31", "31.01.2027", "20270131", "", 20270131])
def test_dates_of_another_form_are_refused(value: object) -> None:
    assert refusal(TIME_OR_DATE, value).startswith("datetime_")


@pytest.mark.parametrize(
    ("kind", "longest"),
    [(fields.Name, 255), (fields.Description, 500), (fields.Identifier, 255), (fields.MetadataKey, 40)],
)
def test_texts_are_limited_in_characters(kind: Any, longest: int) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(kind)
    assert adapter.validate_python("🔑" * longest) == "🔑" * longest
    assert refusal(adapter, "🔑" * (longest + 1)) == "string_too_long"


@pytest.mark.parametrize("kind", [fields.Name, fields.Description, fields.MetadataKey, fields.MetadataValue])
@pytest.mark.parametrize("value", ["a\x00", "\x00", "\ud800", "a\udfffb", json.loads('"\\ud83d"')])
def test_texts_that_no_database_can_hold_are_refused(kind: Any, value: str) -> None:
    assert refusal(TypeAdapter(kind), value) == "string_unicode"


def test_texts_may_be_whatever_a_database_can_hold() -> None:
    text = "line\n\ttab 🧾 تم \u200f א é e\u0301 \ufffd \U0010ffff"
    assert TypeAdapter[str](fields.Description).validate_python(text) == text


@pytest.mark.parametrize("value", ["a\nb", "\t", "a\x00", "\x7f", "\u200b", "\u2028"])
def test_identifiers_are_printable(value: str) -> None:
    assert refusal(TypeAdapter(fields.Identifier), value) == "string_not_printable"
    assert refusal(TypeAdapter(fields.Identifier), "\ud800") == "string_unicode"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({str(number): "" for number in range(51)}, "too_long"),
        ({"k" * 41: ""}, "string_too_long"),
        ({"": ""}, "string_too_short"),
        ({"k": "v" * 501}, "string_too_long"),
        ({"k": 1}, "string_type"),
        ({1: "v"}, "string_type"),
        ([("k", "v")], "dict_type"),
    ],
)
def test_metadata_past_its_limits_is_refused(value: object, kind: str) -> None:
    assert refusal(TypeAdapter(fields.Metadata), value) == kind


def test_metadata_at_its_limits_is_kept_sorted() -> None:
    value = {f"{number:040}": "v" * 500 for number in reversed(range(50))}
    kept = TypeAdapter[dict[str, str]](fields.Metadata).validate_python(value, strict=True)
    assert (kept, list(kept)) == (value, sorted(value))


@pytest.mark.parametrize(("value", "kind"), [(2**63, "less_than_equal"), (5.0, "int_type"), (True, "int_type")])
def test_integers_fit_a_bigint(value: object, kind: str) -> None:
    assert refusal(TypeAdapter(fields.Int64), value) == kind
    assert TypeAdapter[int](fields.Int64).validate_python(-(2**63) + 1) == -(2**63) + 1
