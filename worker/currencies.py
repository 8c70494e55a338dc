"""The decimals of currencies, from a maintained table of ISO 4217."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache


@cache
def currency_digits() -> Mapping[str, int]:
    """By code: JPY 0, USD 2, KWD 3. What is no money one can charge (gold, a test code) has none, and is not in it."""
    from iso4217 import Currency  # it reads its table when it is imported

    return {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}
