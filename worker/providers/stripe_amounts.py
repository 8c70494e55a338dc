"""An amount of money as Stripe's API writes it.

Nearly always our own minor units. The exceptions are those that docs.stripe.com/currencies has under "Zero-decimal
currencies", "Three-decimal currencies" and "Special cases" and ISO 4217 has otherwise.
"""

from __future__ import annotations

from typing import Final

# Without minor units in ISO 4217; Stripe still takes them as if they had two decimals, which must be 00.
_WRITTEN_WITH_TWO_DECIMALS: Final = frozenset({"ISK", "UGX"})
# With two decimals in ISO 4217 (there are five iraimbilanja to an ariary); at Stripe without any.
_WRITTEN_WITHOUT_DECIMALS: Final = frozenset({"MGA"})
# With three decimals for both; at Stripe the last digit must be 0, for the sake of those who settle it.
_LAST_DIGIT_ZERO: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# HUF and TWD stand among the special cases for payouts alone: charges in them are written as everywhere.


def stripe_amount(amount: int, currency: str) -> int | None:
    """`amount`, in minor units of ISO 4217, as Stripe writes it. None: Stripe cannot charge exactly that.

    Nothing is rounded: what is charged is what the account was told, to the last digit.
    """
    if amount <= 0:
        return None
    if currency in _WRITTEN_WITH_TWO_DECIMALS:
        return amount * 100
    if currency in _WRITTEN_WITHOUT_DECIMALS:
        return None if amount % 100 else amount // 100
    if currency in _LAST_DIGIT_ZERO and amount % 10:
        return None
    return amount
