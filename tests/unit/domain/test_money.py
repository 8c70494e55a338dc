"""Money: exact in, exact out; refused rather than rounded; half to even where it must be rounded."""

from decimal import Decimal

import pytest

from models.domain import money
from models.domain.money import UNITS_MAX, Overflow, ScaleExceeded

D = Decimal


@pytest.mark.parametrize(
    ("value", "scale", "units"),
    [
        ("0", 9, 0),
        ("0E+999999", 9, 0),
        ("0E-999999", 9, 0),
        ("-0.00", 2, 0),
        ("12.34", 2, 1234),
        ("-12.34", 2, -1234),
        ("12.3400000", 2, 1234),
        ("1E+2", 2, 10000),
        ("1E-9", 9, 1),
        ("0.000000000000000001", 18, 1),
        ("9223372036854775807", 0, UNITS_MAX),
        ("-9223372036854775807", 0, -UNITS_MAX),
        ("9.223372036854775807", 18, UNITS_MAX),
    ],
)
def test_to_units_is_exact(value: str, scale: int, units: int) -> None:
    assert money.to_units(D(value), scale) == units


@pytest.mark.parametrize(
    ("value", "scale"),
    [("0.001", 2), ("-0.001", 2), ("1E-10", 9), ("1E-999999", 9), ("0.5", 0), ("123456789.0000000001", 9)],
)
def test_to_units_refuses_decimals_that_would_be_lost(value: str, scale: int) -> None:
    with pytest.raises(ScaleExceeded, match=f"has more than {scale} decimals"):
        money.to_units(D(value), scale)


@pytest.mark.parametrize(
    ("value", "scale"),
    [
        ("9223372036854775808", 0),
        ("-9223372036854775808", 0),
        ("9223372036.854775808", 9),
        ("99999999999999999999", 0),
        ("1E+20", 0),
        ("1E+30", 18),
        ("1E+999999", 9),
        ("-1E+999999", 9),
    ],
)
def test_to_units_refuses_what_a_bigint_cannot_hold_also_with_a_hostile_exponent(value: str, scale: int) -> None:
    with pytest.raises(Overflow):
        money.to_units(D(value), scale)


@pytest.mark.parametrize(
    ("units", "scale", "text"),
    [(1234, 2, "12.34"), (1000, 2, "10.00"), (-5, 2, "-0.05"), (0, 2, "0.00"), (7, 0, "7"), (1, 18, "1E-18")],
)
def test_from_units_keeps_the_decimals_of_the_scale(units: int, scale: int, text: str) -> None:
    assert str(money.from_units(units, scale)) == text


@pytest.mark.parametrize(
    ("amount", "rate", "scale", "units"),
    [
        ("10", "2", 9, 5_000_000_000),
        ("1", "3", 9, 333_333_333),
        ("2", "3", 9, 666_666_667),
        ("1", "2", 0, 0),  # a tie: to even
        ("3", "2", 0, 2),
        ("5", "2", 0, 2),
        ("7", "2", 0, 4),
        ("-1", "2", 0, 0),
        ("-3", "2", 0, -2),
        ("-5", "2", 0, -2),
        ("0.5000000000000000000000000001", "1", 0, 1),  # just above the tie
        ("0.4999999999999999999999999999", "1", 0, 0),
        ("0.05", "0.1", 0, 0),  # a tie between decimals that no binary fraction holds
        ("0.15", "0.1", 0, 2),
        ("1", "1E-9", 9, 10**18),
        ("1E-30", "1", 18, 0),
        ("1E+30", "1E+30", 9, 10**9),
    ],
)
def test_divide_rounds_half_to_even_at_the_scale(amount: str, rate: str, scale: int, units: int) -> None:
    assert money.divide_half_even(D(amount), D(rate), scale) == units


@pytest.mark.parametrize(("amount", "rate"), [("1E+30", "1E-30"), ("9223372036.854775808", "1"), ("-1E+11", "1")])
def test_divide_refuses_what_a_bigint_cannot_hold(amount: str, rate: str) -> None:
    with pytest.raises(Overflow):
        money.divide_half_even(D(amount), D(rate), 9)


def test_divide_is_not_rounded_twice() -> None:
    # With 28 digits the quotient is 0.5 exactly, a tie that goes to 0; it is a little more than that.
    assert money.divide_half_even(D("500000000000000000000000000001"), D("1E+30"), 0) == 1


@pytest.mark.parametrize("units", [UNITS_MAX, -UNITS_MAX, 0])
def test_checked_lets_through_what_fits(units: int) -> None:
    assert money.checked(units) == units


@pytest.mark.parametrize("units", [UNITS_MAX + 1, -UNITS_MAX - 1])
def test_checked_leaves_room_for_negation(units: int) -> None:
    with pytest.raises(Overflow):
        money.checked(units)


@pytest.mark.parametrize(
    ("amount", "rate", "product"),
    [
        ("0.1", "0.2", "0.02"),
        ("9223372036.854775807", "123456789012345678901234567890", None),
        ("9223372036854775807", "0.000000000000000000000000000001", None),
    ],
)
def test_multiply_is_exact(amount: str, rate: str, product: str | None) -> None:
    top, bottom = D(amount).as_integer_ratio(), D(rate).as_integer_ratio()
    exact = (top[0] * bottom[0], top[1] * bottom[1])
    found = money.multiply(D(amount), D(rate))
    assert found.as_integer_ratio()[0] * exact[1] == exact[0] * found.as_integer_ratio()[1]
    assert product is None or str(found) == product


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+1", "10"),
        ("1E+30", "1" + "0" * 30),
        ("1.50", "1.5"),
        ("100", "100"),
        ("0", "0"),
        ("-0", "0"),
        ("0E+9", "0"),
        ("0.00", "0"),
        ("1E-7", "0.0000001"),
        ("-2.50", "-2.5"),
    ],
)
def test_text_is_the_same_for_equal_numbers(value: str, text: str) -> None:
    assert money.text(D(value)) == text
    assert str(money.plain(D(value))) == str(money.plain(D(text)))


@pytest.mark.parametrize(
    ("value", "kind", "text"), [("5.00", int, "5"), ("1E+3", int, "1000"), ("-0.0", int, "0"), ("5.50", D, "5.5")]
)
def test_number_is_whole_where_it_can_be(value: str, kind: type, text: str) -> None:
    found = money.number(D(value))
    assert (type(found), str(found)) == (kind, text)
