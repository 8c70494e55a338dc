"""Charges in tables and in JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from models.domain.deciding.decision import Limits
from models.store.read.charges import ChargeShown
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.output import decimal, signed, when
from worker.cli.terminal.tables import Column
from worker.currencies import currency_digits


def price(amount: int, currency: str) -> str:
    """50.00 USD"""
    return f"{in_currency(amount, currency)} {currency}"


def in_currency(amount: int, currency: str) -> str:
    """50.00, of so many of its smallest unit."""
    return decimal(amount, Limits(currency_digits=currency_digits()).digits_of(currency))


def charge_document(shown: ChargeShown) -> dict[str, Any]:
    """For programs."""
    charge = asdict(shown.charge)
    del charge["account_id"], charge["asked"]
    return {
        **charge,
        "account": str(shown.account),
        "scale": shown.scale,
        "units_decimal": decimal(shown.charge.units, shown.scale),
        "amount_decimal": in_currency(shown.charge.amount, shown.charge.currency),
        "attempts": shown.attempts,
        "ask_at": shown.ask_at,
        "answer": shown.answer,
    }


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


def _cells(shown: ChargeShown) -> list[str]:
    charge = shown.charge
    return [
        when(charge.created_at),
        str(charge.id),
        str(shown.account),
        price(charge.amount, charge.currency),
        signed(charge.units, shown.scale),
        charge.provider.value,
        charge.status.value,
        charge.code or shown.answer or "",
        when(shown.ask_at),
        when(charge.settled_at),
    ]


CHARGES: Final[Listing[ChargeShown]] = Listing(
    many="charges",
    field="charges",
    columns=[
        Column("made", whole=True),
        Column("charge", whole=True),
        Column("account"),
        Column("amount", right=True),
        Column("credits", right=True),
        Column("provider"),
        Column("status"),
        Column("why", optional=True),
        Column("asked again", whole=True, optional=True),
        Column("settled", whole=True, optional=True),
    ],
    cells=_cells,
    document=charge_document,
    name=lambda shown: shown.charge.id,
    way="after",
)
