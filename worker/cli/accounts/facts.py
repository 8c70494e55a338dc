"""What an account is: its floor, its times, its profile, and where its auto top-up stands."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from models.domain import money
from models.domain.accounts import Account
from models.domain.idempotency import canonical
from worker.cli.terminal.output import decimal, when

_UNITS: Final = frozenset({"threshold", "amount", "target", "charge_min", "charge_max", "monthly_cap", "wanted"})


def account_document(account: Account, top_up: str | None) -> dict[str, Any]:
    """For programs. `top_up`: where its auto top-up stands, in a sentence; None: there is none."""
    return {
        "floor": account.floor,
        "set_at": account.set_at,
        "created_at": account.created_at,
        account.key.kind.value: asdict(account.profile),
        "auto_top_up": top_up,
    }


def account_facts(account: Account, top_up: str | None) -> dict[str, str]:
    """For people."""
    return {
        "floor": "none" if account.floor is None else decimal(account.floor, account.scale),
        "entries": str(account.seq),
        "created": when(account.created_at),
        "updated": when(account.updated_at),
        "last set": when(account.set_at),
        **{
            name.replace("_", " "): _told(name, value, account.scale) for name, value in asdict(account.profile).items()
        },
        **({} if top_up is None else {"auto top-up": top_up}),
    }


def policy_facts(account: Account) -> dict[str, str]:
    """What was agreed to, and where it stands."""
    if account.policy is None:
        return {}
    agreed = {name: value for name, value in asdict(account.policy).items() if value is not None}
    return {name.replace("_", " "): _told(name, value, account.scale) for name, value in agreed.items()}


def _told(field: str, value: Any, scale: int) -> str:
    if field in _UNITS:
        return decimal(value, scale)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, Decimal):
        return money.text(value)
    if isinstance(value, (dict, list)):
        return canonical(value) if value else ""
    return "" if value is None else str(value)
