"""An example of each event, as receivers get it. Tests compare them with real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.contracts.replies.events import VERSION

_WALLET: Final[Mapping[str, Any]] = {
    "auto_topup_amount": None, "auto_topup_min_balance": None, "auto_topup_trigger": "disabled", "balance": 0,
    "config": {"allowed_price_types": ["ALL"]}, "conversion_rate": 1, "created_at": "2026-01-31T12:00:29.575607Z",
    "credit_balance": 0, "currency": "USD", "customer_id": None, "description": "", "held": 0, "id": "w_1",
    "metadata": {}, "name": "Main wallet", "updated_at": "2026-01-31T12:00:29.575607Z", "wallet_status": "active",
    "wallet_type": "PRE_PAID",
}  # fmt: skip
_ON: Final[Mapping[str, Any]] = {
    **_WALLET, "auto_topup_amount": 50, "auto_topup_min_balance": 100, "auto_topup_trigger": "balance_below_threshold",
}  # fmt: skip
_ENTRY: Final[Mapping[str, Any]] = {
    "id": "1-1", "account": "wallet:w_1", "seq": 1, "amount": 120000000000, "balance_before": 0,
    "balance_after": 120000000000, "scale": 9, "created_at": "2026-01-31T12:00:29.590567Z",
}  # fmt: skip
_POLICY: Final[Mapping[str, Any]] = {
    "spendable": 0, "currency": "USD", "trigger": "balance_below_threshold", "threshold": 100, "amount": 50,
    "target_balance": None, "interval": None, "anchor": None, "timezone": None, "min_charge": None,
    "max_charge": None, "monthly_cap": None, "cooldown_s": 0, "max_declines": 1, "provider": "http",
    "payer": "cus_7", "payment_method": None, "version": 1, "suspended": None, "declines": 0, "reason": "fired",
    "not_before": None, "next_look_at": None, "topped_up_at": "2026-01-31T12:00:29.761847Z",
    "open_charge": "0193a5c2-7b1e-7c47-8a52-3f0d6f1f9b18",
}  # fmt: skip
_CHARGE: Final[Mapping[str, Any]] = {
    "id": "0193a5c2-7b1e-7c47-8a52-3f0d6f1f9b18", "status": "pending", "cause": "run_now", "credits": 50,
    "amount": 50, "minor_units": 5000, "currency": "USD", "provider": "http", "payer": "cus_7",
    "payment_method": None, "policy_version": 1, "created_at": "2026-01-31T12:00:29.761847Z", "settled_at": None,
    "reference": None, "code": None, "link": None,
}  # fmt: skip


def _event(
    kind: str, at: str, account: str | None, job_id: str | None, producer: str, key: str, seq: int | None,
    data: dict[str, Any], of: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """`of`: what it is of, when that is no job."""
    return {
        "id": f"{of or job_id}.{kind}", "type": kind, "version": VERSION, "occurred_at": at, "account": account,
        "job_id": job_id, "producer": producer, "idempotency_key": key, "seq": seq, "data": data,
    }  # fmt: skip


_EVENTS: Final = (
    _event("wallet.updated", "2026-01-31T12:00:29.575607Z", "wallet:w_1", "0193a5c2-7b1e-7c40-8a52-3f0d6f1f9b11",
        "billing", "key-1", 0, {"entry": None, "account": {**_WALLET}}),
    _event("wallet.transaction.created", "2026-01-31T12:00:29.590567Z", "wallet:w_1",
        "0193a5c2-7b1e-7c41-8a52-3f0d6f1f9b12", "billing", "key-2", 1, {"entry": {**_ENTRY, "origin": "purchased"},
        "account": {**_WALLET, "balance": 120, "credit_balance": 120, "updated_at": "2026-01-31T12:00:29.590567Z"}}),
    _event("grant.will_expire", "2026-01-31T12:00:29.639229Z", "wallet:w_1", "0193a5c2-7b1e-7c42-8a52-3f0d6f1f9b13",
        "balance-worker", "credits.warn_grant:0193a5c2-7b1e-7c41-8a52-3f0d6f1f9b12:1", 2, {"entry": None,
        "account": {**_ON, "balance": 120, "credit_balance": 120, "held": 8,
        "updated_at": "2026-01-31T12:00:29.624316Z"}, "grant": {"id": "0193a5c2-7b1e-7c41-8a52-3f0d6f1f9b12",
        "remaining": 112, "expires_at": "2100-01-01T00:00:00Z"}}),
    _event("hold.expired", "2026-01-31T12:00:29.687390Z", "wallet:w_1", "0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14",
        "balance-worker", "credits.expire_hold:0193a5c2-7b1e-7c44-8a52-3f0d6f1f9b15", 3, {"entry": {**_ENTRY,
        "id": "1-3", "seq": 3, "amount": 0, "balance_before": 120000000000,
        "created_at": "2026-01-31T12:00:29.687390Z"}, "account": {**_ON, "balance": 120, "credit_balance": 120,
        "updated_at": "2026-01-31T12:00:29.687390Z"}, "holds": [{"id": "0193a5c2-7b1e-7c44-8a52-3f0d6f1f9b15",
        "amount": 8, "captured": 0, "expired": 8, "expires_at": "2026-01-31T12:00:29.647185Z"}]}),
    _event("wallet.credit_balance.dropped", "2026-01-31T12:00:29.710482Z", "wallet:w_1",
        "0193a5c2-7b1e-7c45-8a52-3f0d6f1f9b16", "default", "key-6", 4, {"entry": {**_ENTRY, "id": "1-4", "seq": 4,
        "amount": -21000000000, "balance_before": 120000000000, "balance_after": 99000000000,
        "created_at": "2026-01-31T12:00:29.710482Z"}, "account": {**_ON, "balance": 99, "credit_balance": 99,
        "updated_at": "2026-01-31T12:00:29.710482Z"}}),
    _event("balance.low", "2026-01-31T12:00:29.710482Z", "wallet:w_1", "0193a5c2-7b1e-7c45-8a52-3f0d6f1f9b16",
        "default", "key-6", 4, {"entry": {**_ENTRY, "id": "1-4", "seq": 4, "amount": -21000000000,
        "balance_before": 120000000000, "balance_after": 99000000000, "created_at": "2026-01-31T12:00:29.710482Z"},
        "account": {**_ON, "balance": 99, "credit_balance": 99, "updated_at": "2026-01-31T12:00:29.710482Z"},
        "thresholds": [100], "level": 99}),
    _event("grant.expired", "2026-01-31T12:00:29.756446Z", "wallet:w_1", "0193a5c2-7b1e-7c46-8a52-3f0d6f1f9b17",
        "balance-worker", "credits.expire_grant:0193a5c2-7b1e-7c41-8a52-3f0d6f1f9b12:4", 5, {"entry": {**_ENTRY,
        "id": "1-5", "seq": 5, "amount": -99000000000, "balance_before": 99000000000, "balance_after": 0,
        "created_at": "2026-01-31T12:00:29.756446Z"}, "account": {**_ON, "updated_at": "2026-01-31T12:00:29.756446Z"},
        "grant": {"id": "0193a5c2-7b1e-7c41-8a52-3f0d6f1f9b12", "amount": 99,
        "expires_at": "2026-01-31T12:00:29.721270Z"}}),
    _event("auto_topup.fired", "2026-01-31T12:00:29.761847Z", "wallet:w_1", "0193a5c2-7b1e-7c47-8a52-3f0d6f1f9b18",
        "default", "key-7", 5, {"entry": None, "account": {**_ON, "updated_at": "2026-01-31T12:00:29.761847Z"},
        "policy": {**_POLICY}, "charge": {**_CHARGE}}),
    _event("auto_topup.declined", "2026-01-31T12:00:29.779184Z", "wallet:w_1", "0193a5c2-7b1e-7c48-8a52-3f0d6f1f9b19",
        "default", "key-8", 5, {"entry": None, "account": {**_ON, "updated_at": "2026-01-31T12:00:29.779184Z"},
        "policy": {**_POLICY, "suspended": "card_declined", "declines": 1, "open_charge": None}, "charge": {**_CHARGE,
        "status": "declined", "settled_at": "2026-01-31T12:00:29.779184Z", "reference": "pi_3QyKqL",
        "code": "card_declined"}}),
    _event("auto_topup.suspended", "2026-01-31T12:00:29.779184Z", "wallet:w_1",
        "0193a5c2-7b1e-7c48-8a52-3f0d6f1f9b19", "default", "key-8", 5, {"entry": None, "account": {**_ON,
        "updated_at": "2026-01-31T12:00:29.779184Z"}, "policy": {**_POLICY, "suspended": "card_declined",
        "declines": 1, "open_charge": None}, "charge": {**_CHARGE, "status": "declined",
        "settled_at": "2026-01-31T12:00:29.779184Z", "reference": "pi_3QyKqL", "code": "card_declined"}}),
    _event("auto_topup.resumed", "2026-01-31T12:00:29.794020Z", "wallet:w_1", "0193a5c2-7b1e-7c49-8a52-3f0d6f1f9b1a",
        "default", "key-9", 5, {"entry": None, "account": {**_ON, "updated_at": "2026-01-31T12:00:29.794020Z"},
        "policy": {**_POLICY, "next_look_at": "2026-01-31T12:00:29.794020Z", "open_charge": None}, "charge": None}),
    _event("charge.needs_action", "2026-01-31T12:00:29.821550Z", "wallet:w_1", "0193a5c2-7b1e-7c4a-8a52-3f0d6f1f9b1b",
        "default", "key-11", 5, {"entry": None, "account": {**_ON, "updated_at": "2026-01-31T12:00:29.821550Z"},
        "policy": {**_POLICY, "suspended": "needs_action", "topped_up_at": "2026-01-31T12:00:29.805843Z",
        "open_charge": "0193a5c2-7b1e-7c4b-8a52-3f0d6f1f9b1c"}, "charge": {**_CHARGE,
        "id": "0193a5c2-7b1e-7c4b-8a52-3f0d6f1f9b1c", "status": "needs_action",
        "created_at": "2026-01-31T12:00:29.805843Z", "reference": "pi_3QyKqL", "code": "card_declined",
        "link": "https://pay.example/confirm/1"}}),
    _event("wallet.credit_balance.recovered", "2026-01-31T12:00:29.834462Z", "wallet:w_1",
        "0193a5c2-7b1e-7c4c-8a52-3f0d6f1f9b1d", "billing", "key-13", 6, {"entry": {**_ENTRY, "id": "1-6", "seq": 6,
        "amount": 500000000000, "balance_after": 500000000000, "created_at": "2026-01-31T12:00:29.834462Z",
        "origin": "purchased"}, "account": {**_ON, "balance": 500, "credit_balance": 500,
        "updated_at": "2026-01-31T12:00:29.834462Z"}}),
    _event("user.balance.updated", "2026-01-31T12:00:29.891608Z", "user:42", "0193a5c2-7b1e-7c4d-8a52-3f0d6f1f9b1e",
        "bot", "payment-88213", 1, {"entry": {**_ENTRY, "id": "2-1", "account": "user:42", "amount": 50000,
        "balance_after": 50000, "scale": 2, "created_at": "2026-01-31T12:00:29.891608Z"}, "account": {"id": 42,
        "status": "active", "language": "ru", "balance_kopeks": 50000, "balance_rubles": 500,
        "has_had_paid_subscription": False, "has_made_first_topup": False,
        "created_at": "2026-01-31T12:00:29.883280Z", "updated_at": "2026-01-31T12:00:29.891608Z",
        "telegram_id": 700000042, "username": None, "first_name": "Ольга", "last_name": None, "referral_code": None,
        "referred_by_id": None, "last_activity": None, "promo_group": None, "subscription": None}}),
    _event("app.balance.updated", "2026-01-31T12:00:29.910161Z", "app:1298199463/23",
        "0193a5c2-7b1e-7c4e-8a52-3f0d6f1f9b1f", "salla", "balance-23-1001", 1, {"entry": {**_ENTRY, "id": "3-1",
        "account": "app:1298199463/23", "amount": 250, "balance_after": 250, "scale": 0,
        "created_at": "2026-01-31T12:00:29.910161Z"}, "account": {"app_id": "1298199463", "store_id": "23",
        "balance": 250}}),
    _event("job.rejected", "2026-01-31T12:00:29.919201Z", "wallet:w_1", "0193a5c2-7b1e-7c4f-8a52-3f0d6f1f9b20",
        "metering", "usage-2026-01-31-w_1", 6, {"name": "wallets.debit", "code": "insufficient_funds",
        "error": {"status": 409, "body": {"success": False, "error": {"message": "Insufficient credits",
        "internal_error": "insufficient_funds", "details": {"requested": "10000", "available": "500"}}}}}),
    _event("webhook.disabled", "2026-01-31T12:00:29.921105Z", None, "0193a5c2-7b1e-7c51-8a52-3f0d6f1f9b22",
        "balance-worker", "webhooks.disable:0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14:2026-01-31T12:00:29.100000+00:00",
        None, {"endpoint": {"id": "0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14", "name": "shop",
        "url": "https://shop.example/hooks/balance", "types": None, "kinds": ["wallet"], "status": "disabled",
        "disabled_for": "gone", "secret_version": 1, "key_name": "1111111122222222", "former_secret_until": None,
        "created_at": "2026-01-31T12:00:29.100000Z", "updated_at": "2026-01-31T12:00:29.921105Z"}}),
    _event("dead_letter.parked", "2026-01-31T12:00:29.923442Z", None, None, "billing", "invoice-1042", None,
        {"letter": {"id": "0193a5c2-7b1e-7c50-8a52-3f0d6f1f9b21", "reason": "unknown_task",
        "error": "No job has this name", "task": "wallets.topup", "queue": "balance", "producer": "billing",
        "idempotency_key": "invoice-1042", "attempts": 1}}, of="0193a5c2-7b1e-7c50-8a52-3f0d6f1f9b21.1"),
)  # fmt: skip
EVENT_EXAMPLES: Final[Mapping[str, dict[str, Any]]] = {event["type"]: event for event in _EVENTS}
