"""What an account is: its floor, its times, its profile, and where its auto top-up stands."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from models.domain.accounts import Account
from worker.encoding.shown import decimal, when
from worker.wording.fields import told


def account_document(account: Account, top_up: str | None) -> dict[str, Any]:
    """For programs. `top_up`: where its auto top-up stands, in a sentence; None: there is none."""
    return {
        "floor": account.floor,
        "set_at": account.set_at,
        "created_at": account.created_at,
        account.key.kind.value: asdict(account.profile),
        "low_at": list(account.low_at or ()),
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
        **{name.replace("_", " "): told(name, value, account.scale) for name, value in asdict(account.profile).items()},
        **({} if account.low_at is None else {"told below": _levels(account)}),
        **({} if top_up is None else {"auto top-up": top_up}),
    }


def _levels(account: Account) -> str:
    return ", ".join(decimal(each, account.scale) for each in account.low_at or ())
