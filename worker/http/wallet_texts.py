"""Wallets as today's SDKs of the second API write and read them: amounts are texts, a top-up names its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from models.domain import money

Body = dict[str, Any]
_AMOUNTS: Final = frozenset({"balance", "conversion_rate", "credit_balance", "held"})
_POLICY: Final = {"threshold": "auto_topup_min_balance", "amount": "auto_topup_amount"}
NOTES: Final = ("transaction_reason", "description", "metadata", "priority", "expiry_date_utc")
"""What a job says of its entry."""
# What SDKs know of and no wallet of ours has. Some refuse an answer in which one of these is not there at all.
_ALWAYS: Final = ("created_by", "environment_id", "tenant_id", "topup_conversion_rate", "updated_by")
_NO_WALLET_HAS: Final = dict.fromkeys((*_ALWAYS, "alert_settings", "alert_state", "credits_available_breakdown"))
_NO_TRANSACTION_HAS: Final = dict.fromkeys(
    (*_ALWAYS, "created_by_user", "credits_available", "customer", "reference_id", "reference_type", "wallet")
)
_NOT_OURS: Final = ("alert_settings", "initial_credits_to_load_expiry_date", "price_unit", "topup_conversion_rate")
"""What an SDK can send and no wallet of ours has: refused by the contract, by their names, unless they are null."""


def text(number: Any) -> str:
    """A number with its digits: 12.50, never 1.25E+1."""
    return format(number, "f") if isinstance(number, Decimal) else str(number)


def wallet(body: Mapping[str, Any]) -> Body:
    """The wallet of a response with its amounts as texts, and its auto top-up as an object."""
    shown: Body = {name: text(value) if name in _AMOUNTS else value for name, value in body.items()}
    policy = {"enabled": body["auto_topup_trigger"] != "disabled", "invoicing": False}
    amounts = {name: body[field] for name, field in _POLICY.items()}
    return {**shown, "auto_topup": {**policy, **amounts}, "status": "published", **_NO_WALLET_HAS}


def transaction(
    wallet_body: Mapping[str, Any], entry: Mapping[str, Any], note: Mapping[str, Any], key: str | None
) -> Body:
    """An entry of the ledger. `entry`: as outcomes show it; `note`: what its job says of it; `key`: its job's."""
    scale, rate = entry["scale"], Decimal(text(wallet_body["conversion_rate"]))
    units = {name: money.from_units(entry[name], scale) for name in ("amount", "balance_before", "balance_after")}
    return {
        "id": entry["id"],
        "wallet_id": wallet_body["id"],
        "customer_id": wallet_body["customer_id"],
        "type": "debit" if entry["amount"] < 0 else "credit",
        "transaction_status": "completed",
        "status": "published",
        "amount": text(money.number(money.multiply(abs(units["amount"]), rate))),
        "credit_amount": text(money.number(abs(units["amount"]))),
        "credit_balance_before": text(money.number(units["balance_before"])),
        "credit_balance_after": text(money.number(units["balance_after"])),
        "conversion_rate": text(wallet_body["conversion_rate"]),
        "currency": wallet_body["currency"],
        "created_at": entry["created_at"],
        "transaction_reason": note.get("transaction_reason"),
        "description": note.get("description") or "",
        "metadata": note.get("metadata") or {},
        "idempotency_key": key,
        "priority": note.get("priority"),
        "expiry_date": note.get("expiry_date_utc"),
        "updated_at": entry["created_at"],
        **_NO_TRANSACTION_HAS,
    }


def asked(fields: Body) -> Body:
    """The fields of a request with what an SDK says in its own way said in ours."""
    fields = {name: value for name, value in fields.items() if not (name in _NOT_OURS and value is None)}
    policy = fields.pop("auto_topup", None)
    if isinstance(policy, dict):
        if (enabled := policy.pop("enabled", None)) is not None:
            fields.setdefault("auto_topup_trigger", "balance_below_threshold" if enabled else "disabled")
        for name, field in _POLICY.items():
            if policy.get(name) is not None:
                fields.setdefault(field, policy[name])
        policy = {name: value for name, value in policy.items() if name not in _POLICY and value not in (None, False)}
    if policy:
        fields["auto_topup"] = policy  # what is left of it is refused by name
    customer = fields.pop("external_customer_id", None)
    if customer is not None:
        fields.setdefault("customer_id", customer)
    return fields
