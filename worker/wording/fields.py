"""A field of an account or of its policy, as people read it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from models.domain import money
from models.domain.accounts import Account
from models.domain.idempotency import canonical
from worker.encoding.shown import decimal, when

UNITS: Final = frozenset({"threshold", "amount", "target", "charge_min", "charge_max", "monthly_cap", "wanted"})
"""Fields of a policy that are units of its account."""


def policy_facts(account: Account) -> dict[str, str]:
    """What was agreed to, and where it stands."""
    if account.policy is None:
        return {}
    agreed = {name: value for name, value in asdict(account.policy).items() if value is not None}
    return {name.replace("_", " "): told(name, value, account.scale) for name, value in agreed.items()}


def told(field: str, value: Any, scale: int) -> str:
    """The value of a field with this name, of an account with this scale."""
    if field in UNITS:
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
