"""What an account is: its floor, its times, its profile, and where its auto top-up stands."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from models.domain import money
from models.domain.accounts import Account, TopUpTrigger, Wallet
from models.domain.auto_topup.standing import Standing, standing
from models.domain.idempotency import canonical
from worker.cli.terminal.output import decimal, when

_UNITS_OF_FACE: Final = ("min_balance", "top_up_amount", "wanted")


def account_document(account: Account, at: datetime) -> dict[str, Any]:
    """For programs."""
    return {
        "floor": account.floor,
        "set_at": account.set_at,
        "created_at": account.created_at,
        account.key.kind.value: asdict(account.profile),
        "auto_top_up": _auto_top_up(account, at) or None,
    }


def account_facts(account: Account, at: datetime) -> dict[str, str]:
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
        "auto top-up": _auto_top_up(account, at),
    }


def _auto_top_up(account: Account, at: datetime) -> str:
    """Where it stands and what would have to change, in a sentence."""
    wallet, scale = account.profile, account.scale
    if not isinstance(wallet, Wallet):
        return ""
    minimum = f"waits until less than {decimal(wallet.min_balance, scale)} can be spent"
    why = "" if wallet.wanted is None else f", for a refused job that needed {decimal(wallet.wanted, scale)}"
    match standing(wallet, at):
        case Standing.OFF:
            return "off"
        case Standing.SUSPENDED:
            on = f"auto_topup_trigger={TopUpTrigger.BALANCE_BELOW_THRESHOLD.value}"
            return f"suspended ({wallet.suspended}): wallets.update with {on} switches it on"
        case Standing.WALLET_INACTIVE:
            return f"not while the wallet is {wallet.status.value}"
        case Standing.WAITING:
            return minimum
        case Standing.SCHEDULED:
            return f"{minimum}; looked at again at {when(wallet.due_at)}{why}"
        case Standing.DUE:
            return f"due since {when(wallet.due_at)}{why}: the next autotopup.scan makes it"


def _told(field: str, value: Any, scale: int) -> str:
    if field in _UNITS_OF_FACE:
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
