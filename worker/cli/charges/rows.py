"""Charges in tables and in JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from models.store.read.charges import ChargeShown
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.tables import Column
from worker.encoding.shown import decimal, signed, when
from worker.wording.charges import in_currency, price


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
