"""Money is an integer at a scale: 12.34 at scale 2 is 1234 units. Decimals appear only at the edges, floats never."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Final

UNITS_MAX: Final = 2**63 - 1  # a BIGINT holds every balance and every amount
SCALE_MAX: Final = 18  # 10**18 still fits a BIGINT
ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
_DIGITS_MAX: Final = 60  # enough for any product below; keeps a hostile exponent from becoming a huge integer
_CONTEXT: Final = Context(prec=_DIGITS_MAX, rounding=ROUND_HALF_EVEN)


class ScaleExceeded(ValueError):
    """The number has more decimals than the account keeps. It is refused, never rounded."""


class Overflow(ValueError):
    """The number of units does not fit a BIGINT."""


def to_units(value: Decimal, scale: int) -> int:
    """The integer number of units of `value` at `scale`.

    Raises ScaleExceeded when decimals would be lost and Overflow when the result does not fit.
    """
    if value and value.adjusted() + scale > 19:
        raise Overflow(f"{value} is larger than an account can hold")
    shifted = value.scaleb(scale, _CONTEXT)
    units = int(shifted)
    if units != shifted:
        raise ScaleExceeded(f"{value} has more than {scale} decimals")
    return checked(units)


def from_units(units: int, scale: int) -> Decimal:
    """The exact decimal, with `scale` decimals: from_units(1234, 2) is Decimal("12.34")."""
    return Decimal(units).scaleb(-scale, _CONTEXT)


def checked(units: int) -> int:
    """`units` itself. Raises Overflow when it does not fit a BIGINT (less its lowest value, so negation is safe)."""
    if not -UNITS_MAX <= units <= UNITS_MAX:
        raise Overflow(f"{units} units are more than an account can hold")
    return units


def shown(units: int, scale: int) -> int | Decimal:
    """Units as they are best written in JSON: `number` of `from_units`."""
    whole, rest = divmod(units, 10**scale)
    return number(from_units(units, scale)) if rest else whole


def multiply(amount: Decimal, rate: Decimal) -> Decimal:
    """amount × rate, exact: both have few enough digits for the product to need no rounding."""
    return plain(_CONTEXT.multiply(amount, rate))


def divide_half_even(amount: Decimal, rate: Decimal, scale: int) -> int:
    """amount ÷ rate in units at `scale`, rounded half to even: the one place where credits are rounded."""
    # Integers, because rounding a quotient that was itself rounded can go the wrong way.
    numerator, denominator = _ratio(amount, rate, scale)
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return checked(quotient)


def minor_units(price: Decimal, digits: int) -> int:
    """A price in the smallest unit of a currency that has so many decimals, half up. Raises Overflow."""
    return checked(int(price.scaleb(digits, _CONTEXT).quantize(ONE, ROUND_HALF_UP, _CONTEXT)))


def _ratio(amount: Decimal, rate: Decimal, scale: int) -> tuple[int, int]:
    top, bottom = amount.as_integer_ratio(), rate.as_integer_ratio()
    numerator, denominator = top[0] * bottom[1] * 10**scale, top[1] * bottom[0]
    return (numerator, denominator) if denominator > 0 else (-numerator, -denominator)


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros, exponent or negative zero: 1E+1 is 10, 1.50 is 1.5 and -0 is 0."""
    normal = value.normalize(_CONTEXT) if value else ZERO
    exponent = normal.as_tuple().exponent
    return normal.quantize(ONE, context=_CONTEXT) if isinstance(exponent, int) and exponent > 0 else normal


def text(value: Decimal) -> str:
    """The canonical text of a decimal: equal numbers give equal texts."""
    return format(plain(value), "f")


def number(value: Decimal) -> int | Decimal:
    """The decimal as it is best written in JSON: a whole number without a point."""
    normal = plain(value)
    return int(normal) if normal == normal.to_integral_value() else normal
