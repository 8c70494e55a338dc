"""Money under any number: what is stored is what was said, to the last unit.

1. A decimal that fits is stored exactly and read back equal; one that does not is refused, never rounded.
2. A quotient is off by half a unit at the most, and a tie goes to the even unit.
3. Equal numbers have one text, however they were written.
"""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain import money
from tests.support.search import DRAWN

scales = st.integers(0, money.SCALE_MAX)
units = st.integers(-money.UNITS_MAX, money.UNITS_MAX)
decimals = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**28), 10**28), st.integers(-30, 2)
)
rates = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(1, 10**12), st.integers(-15, 3)
)


@settings(max_examples=DRAWN.examples(100))
@given(units=units, scale=scales)
def test_units_survive_the_way_out_and_back(units: int, scale: int) -> None:
    value = money.from_units(units, scale)
    assert money.to_units(value, scale) == units
    assert Fraction(value) == Fraction(units, 10**scale)


@settings(max_examples=DRAWN.examples(100))
@given(value=decimals, scale=scales)
def test_a_decimal_is_stored_exactly_or_refused(value: Decimal, scale: int) -> None:
    exact = Fraction(value) * 10**scale
    try:
        stored = money.to_units(value, scale)
    except money.ScaleExceeded:
        assert exact.denominator != 1
    except money.Overflow:
        assert abs(exact) > money.UNITS_MAX
    else:
        assert stored == exact
        assert abs(stored) <= money.UNITS_MAX


@settings(max_examples=DRAWN.examples(100))
@given(amount=decimals, rate=rates, scale=scales)
def test_a_quotient_is_the_nearest_number_of_units(amount: Decimal, rate: Decimal, scale: int) -> None:
    exact = Fraction(amount) / Fraction(rate) * 10**scale
    try:
        found = money.divide_half_even(amount, rate, scale)
    except money.Overflow:
        assert abs(exact) > money.UNITS_MAX - 1
        return
    off = abs(found - exact)
    assert off < Fraction(1, 2) or (off == Fraction(1, 2) and found % 2 == 0)


@settings(max_examples=DRAWN.examples(100))
@given(value=decimals, zeros=st.integers(0, 9))
def test_equal_numbers_have_one_text(value: Decimal, zeros: int) -> None:
    longer = Decimal(f"{money.text(value)}{'' if '.' in money.text(value) else '.'}{'0' * zeros}")
    assert longer == value
    assert money.text(longer) == money.text(value)
    assert str(money.plain(longer)) == str(money.plain(value))
    assert Decimal(money.number(value)) == value
