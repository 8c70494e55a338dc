"""The types of the wire: times with a zone, texts that a database can hold, ids. Numbers: test_numbers.py."""

import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from models.contracts.wire import fields

TIME: TypeAdapter[datetime] = TypeAdapter(fields.Time)
TIME_OR_DATE: TypeAdapter[datetime | date] = TypeAdapter(fields.TimeOrDate)


def refusal(adapter: TypeAdapter[Any], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value, strict=True)
    return caught.value.errors()[0]["type"]


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


JOB_ID: TypeAdapter[UUID] = TypeAdapter(fields.JobId)


@pytest.mark.parametrize("value", [str(UUID(int=7)), UUID(int=7).hex, UUID(int=7), str(UUID(int=7)).upper()])
def test_job_ids_are_uuids(value: object) -> None:
    assert JOB_ID.validate_python(value, strict=True) == UUID(int=7)


@pytest.mark.parametrize(
    "value", ["", "7", 7, None, "0" * 33, "0x" + "0" * 30, "0_0" + "0" * 29, UUID(int=7).hex + "\n"]
)
def test_job_ids_of_another_form_are_refused(value: object) -> None:
    assert refusal(JOB_ID, value) == "uuid_parsing"
