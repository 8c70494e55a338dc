"""A charge in words: its price, all that is known of it, and what to do about it."""

from __future__ import annotations

from models.domain.deciding.decision import Limits
from models.store.read.charges import ChargeShown
from worker.currencies import currency_digits
from worker.encoding.shown import decimal, signed, when


def price(amount: int, currency: str) -> str:
    """50.00 USD"""
    return f"{in_currency(amount, currency)} {currency}"


def in_currency(amount: int, currency: str) -> str:
    """50.00, of so many of its smallest unit."""
    return decimal(amount, Limits(currency_digits=currency_digits()).digits_of(currency))


def charge_facts(shown: ChargeShown) -> dict[str, str]:
    """For people."""
    charge = shown.charge
    return {
        "charge": str(charge.id),
        "account": str(shown.account),
        "status": charge.status.value,
        "code": charge.code or "",
        "amount": price(charge.amount, charge.currency),
        "credits": signed(charge.units, shown.scale),
        "cause": charge.cause.value,
        "provider": charge.provider.value,
        "payer": charge.payer or "",
        "payment method": charge.payment_method or "",
        "reference": charge.reference or "",
        "link": charge.link or "",
        "policy version": str(charge.policy_version),
        "made": when(charge.created_at),
        "asked for": f"{shown.attempts} times" if shown.attempts != 1 else "once",
        "last answer": shown.answer or "",
        "asked again at": when(shown.ask_at),
        "settled": when(charge.settled_at),
        "credited by": "" if charge.credited_by is None else f"job {charge.credited_by}",
        "next": next_step(shown),
    }


def next_step(shown: ChargeShown) -> str:
    """What to do about it; empty: nothing."""
    this = shown.charge.id
    if shown.undecided:
        return f"look it up at the provider, then `balance-worker charges settle {this} --status …`"
    if shown.charge.settled_at is None and shown.ask_at is None:
        return f"have its payer confirm it, or `balance-worker auto-topup cancel {shown.account}`"
    return ""
