"""What is in an account: each level as units and as a decimal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from models.domain.accounts import Account, Kind
from models.domain.credits.levels import Levels
from worker.encoding.shown import decimal


def levels_document(levels: Levels, scale: int) -> dict[str, Any]:
    """For programs."""
    told: dict[str, Any] = {}
    for name, units in asdict(levels).items():
        told |= {name: units, f"{name}_decimal": decimal(units, scale)}
    return told


def level_facts(account: Account, there: Levels) -> dict[str, str]:
    """For people: of a wallet with what stands beside its balance."""

    def told(units: int) -> str:
        return decimal(units, account.scale)

    of_wallet = {
        "held": told(there.held) if there.held else "",
        "spendable": told(there.spendable),
        "expired, not written off": told(there.expired) if there.expired else "",
        "not begun": told(there.future) if there.future else "",
        "in the ledger": told(there.ledger_balance),
    }
    return {
        "account": str(account.key),
        "balance": f"{told(there.balance)} {account.unit}",
        **(of_wallet if account.key.kind is Kind.WALLET else {}),
    }
