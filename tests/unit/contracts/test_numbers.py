"""The numbers of the wire: exact, one however they are written, refused before they are written out."""

from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from models.contracts.wire import fields
from tests.unit.contracts.test_fields import refusal

NUMBER: TypeAdapter[Decimal] = TypeAdapter(fields.Number)


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
        (-(10**30), "-1" + "0" * 30),
        ("1e30", "1" + "0" * 30),
        (Decimal("1." + "0" * 5000), "1"),
        (Decimal("0e999999999999"), "0"),
        ("0" * 63 + "1", "1"),
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
        ("0" * 64 + "1", "decimal_max_digits"),
        (10**30 + 1, "decimal_max_digits"),
        (-(10**4000), "decimal_max_digits"),
        pytest.param(10**5000, "decimal_max_digits", id="an integer of 5,001 digits"),
        pytest.param("9" * 5000, "decimal_max_digits", id="a text of 5,000 digits"),
        ("1e999999999999", "decimal_parsing"),
        (Decimal("9" * 5000), "decimal_max_digits"),
        (Decimal("1e999999999999"), "decimal_max_digits"),
        (Decimal("-1e-999999999999"), "decimal_max_digits"),
        (Decimal("0." + "1" * 5000), "decimal_max_digits"),
    ],
)
def test_numbers_of_another_kind_are_refused(value: object, kind: str) -> None:
    assert refusal(NUMBER, value) == kind


def test_a_float_is_told_what_to_do() -> None:
    with pytest.raises(ValidationError, match="pass it as a string"):
        NUMBER.validate_python(0.1)


WHOLE: TypeAdapter[int] = TypeAdapter(fields.Int64)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (100, 100),
        (100.0, 100),
        (Decimal("100.0"), 100),
        (Decimal("1e2"), 100),
        (Decimal("1." + "0" * 5000), 1),
        (-0.0, 0),
        (Decimal("-0.000"), 0),
        (Decimal("0e999999999999"), 0),
        (1e18, 10**18),
        (Decimal("9223372036854775807.0"), 2**63 - 1),
        (-(2**63) + 1, -(2**63) + 1),
    ],
)
def test_integers_are_one_however_they_are_written(value: object, number: int) -> None:
    kept = WHOLE.validate_python(value, strict=True)
    assert (type(kept), kept) == (int, number)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (2**63, "less_than_equal"),
        (-(2**63), "greater_than_equal"),
        pytest.param(10**5000, "less_than_equal", id="an integer of 5,001 digits"),
        (1e300, "less_than_equal"),
        (Decimal("1e31"), "less_than_equal"),
        (Decimal("9" * 5000), "less_than_equal"),
        (Decimal("1e999999999999"), "less_than_equal"),
        (Decimal("-1e999999999999"), "greater_than_equal"),
        (Decimal("1e-999999999999"), "int_type"),
        (Decimal("0." + "1" * 5000), "int_type"),
        (Decimal("NaN"), "int_type"),
        (Decimal("sNaN"), "int_type"),
        (Decimal("Infinity"), "int_type"),
        (float("nan"), "int_type"),
        (float("inf"), "int_type"),
        (5.5, "int_type"),
        (True, "int_type"),
        ("5", "int_type"),
        (None, "int_type"),
    ],
)
def test_integers_fit_a_bigint(value: object, kind: str) -> None:
    assert refusal(WHOLE, value) == kind


MEASURE: TypeAdapter[Decimal] = TypeAdapter(fields.Measure)


@pytest.mark.parametrize(
    ("value", "number", "written"),
    [
        (7, "7", 7),
        (7.0, "7", 7),
        (0.1, "0.1", "0.1"),
        (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"),
        (5e-324, "5E-324", "5E-324"),
        (2.2250738585072014e-308, "2.2250738585072014E-308", "2.2250738585072014E-308"),
        (Decimal("12.345678901234567890123456789"), "12.345678901234567890123456789", "12.345678901234567890123456789"),
        ("12.50", "12.5", "12.5"),
        (2**63 - 1, "9223372036854775807", 2**63 - 1),
    ],
)
def test_measures_keep_their_digits(value: object, number: str, written: object) -> None:
    kept = MEASURE.validate_python(value, strict=True)
    assert (type(kept), str(kept)) == (Decimal, number)
    assert MEASURE.dump_python(kept, mode="json") == written
    assert MEASURE.validate_python(written, strict=True) == kept


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (-0.1, "greater_than_equal"),
        (2**63, "less_than_equal"),
        (1e300, "decimal_max_digits"),
        (float("nan"), "finite_number"),
        (float("inf"), "finite_number"),
        (Decimal("1e-999999999999"), "decimal_max_digits"),
        pytest.param(10**5000, "decimal_max_digits", id="an integer of 5,001 digits"),
        (True, "decimal_type"),
        (None, "decimal_type"),
    ],
)
def test_measures_of_another_kind_are_refused(value: object, kind: str) -> None:
    assert refusal(MEASURE, value) == kind
