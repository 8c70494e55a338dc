"""An example or two of each job's arguments, as they stand in a message. Documentation shows them, tests apply them."""

from __future__ import annotations

from typing import Any, Final

_HOLD_JOB: Final = "0193a5c2-7b1e-7c41-8a52-3f0d6f1f9b12"
_TOP_UP_JOB: Final = "0193a5c2-7b1e-7c40-8a52-3f0d6f1f9b11"
_ENDPOINT: Final = "0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14"
_CHARGE: Final = "0193a5c2-7b1e-7c42-8a52-3f0d6f1f9b13"

EXAMPLES: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "wallets.create": (
        {
            "idempotency_key": "open-w_1",
            "producer": "billing",
            "wallet_id": "w_1",
            "customer_id": "cust_7",
            "name": "Main wallet",
            "currency": "USD",
            "conversion_rate": "0.01",
            "auto_topup_trigger": "balance_below_threshold",
            "auto_topup_min_balance": "100",
            "auto_topup_amount": "1000",
        },
        {"idempotency_key": "open-w_2", "wallet_id": "w_2", "wallet_type": "PROMOTIONAL", "scale": 2},
    ),
    "wallets.update": (
        {
            "idempotency_key": "rules-w_1-3",
            "producer": "billing",
            "wallet_id": "w_1",
            "name": "Team wallet",
            "config": {"allowed_price_types": ["USAGE"]},
            "wallet_status": "frozen",
        },
    ),
    "wallets.top_up": (
        {
            "idempotency_key": "invoice-1042",
            "producer": "billing",
            "wallet_id": "w_1",
            "credits_to_add": "12.50",
            "transaction_reason": "PURCHASED_CREDIT_DIRECT",
            "metadata": {"invoice": "1042"},
        },
        {
            "idempotency_key": "gift-2026-01",
            "producer": "billing",
            "occurred_at": "2026-01-01T00:00:00Z",
            "wallet_id": "w_1",
            "amount": 5,
            "transaction_reason": "FREE_CREDIT_GRANT",
            "expiry_date_utc": "2099-12-31",
            "priority": 0,
            "description": "New year's gift",
        },
    ),
    "wallets.debit": (
        {
            "idempotency_key": "usage-2026-01-31-w_1",
            "producer": "metering",
            "wallet_id": "w_1",
            "credits": "0.000125",
            "description": "Usage of January 31st",
        },
    ),
    "wallets.hold": (
        {
            "idempotency_key": "ride-771",
            "producer": "rides",
            "wallet_id": "w_1",
            "credits": "8",
            "expires_in_s": 1800,
            "price_type": "USAGE",
            "description": "Ride 771",
        },
    ),
    "holds.capture": (
        {
            "idempotency_key": "ride-771-paid",
            "producer": "rides",
            "job_id": _HOLD_JOB,
            "credits": "6.40",
            "description": "Ride 771",
        },
    ),
    "holds.release": ({"idempotency_key": "ride-771-cancelled", "producer": "rides", "job_id": _HOLD_JOB},),
    "grants.void": (
        {
            "idempotency_key": "void-gift-2026-01",
            "producer": "support",
            "wallet_id": "w_1",
            "job_id": _TOP_UP_JOB,
            "reason": "Given by mistake",
            "operator": "support-7",
        },
    ),
    "wallets.terminate": (
        {"idempotency_key": "close-w_1", "producer": "billing", "wallet_id": "w_1", "description": "Account closed"},
    ),
    "users.upsert": (
        {
            "idempotency_key": "user-42-v1",
            "producer": "bot",
            "user_id": 42,
            "telegram_id": 700000042,
            "username": "olga",
            "first_name": "Ольга",
            "language": "ru",
            "promo_group": {"id": 2, "name": "VIP", "server_discount_percent": 10},
            "subscription": {"id": 9, "status": "active", "end_date": "2099-12-31T00:00:00Z", "device_limit": 3},
        },
        {"idempotency_key": "user-42-v2", "producer": "bot", "user_id": 42, "username": None},
    ),
    "users.update_balance": (
        {
            "idempotency_key": "payment-88213",
            "producer": "bot",
            "user_id": 42,
            "amount_kopeks": 50000,
            "description": "Пополнение",
        },
        {
            "idempotency_key": "fix-17",
            "producer": "support",
            "telegram_id": 700000042,
            "amount_kopeks": -1500,
            "create_transaction": False,
        },
    ),
    "apps.upsert": (
        {
            "idempotency_key": "install-1298199463",
            "producer": "salla",
            "app_id": "1298199463",
            "store_id": "23",
            "decrease_only": True,
        },
    ),
    "apps.update_balance": (
        {
            "idempotency_key": "balance-23-1001",
            "producer": "salla",
            "occurred_at": "2026-01-31T12:00:00Z",
            "app_id": "1298199463",
            "store_id": "23",
            "balance": 250,
        },
    ),
    "entries.reverse": (
        {
            "idempotency_key": "refund-1042",
            "producer": "billing",
            "job_id": _TOP_UP_JOB,
            "description": "Refund of invoice 1042",
        },
        {
            "idempotency_key": "refund-1042-part",
            "producer": "billing",
            "job_id": _TOP_UP_JOB,
            "credits": "2.50",
            "description": "One of five seats of invoice 1042",
        },
    ),
    "accounts.set_alerts": (
        {
            "idempotency_key": "alerts-w_1-2",
            "producer": "billing",
            "account": "wallet:w_1",
            "thresholds": ["100", "10.50"],
        },
    ),
    "auto_topup.set_policy": (
        {
            "idempotency_key": "policy-w_1-4",
            "producer": "billing",
            "account": "wallet:w_1",
            "trigger": "balance_below_threshold",
            "threshold": "100",
            "target_balance": "1000",
            "max_charge": "2000",
            "monthly_cap": "5000",
            "provider": "stripe",
            "payer": "cus_N5WTrWaB1Ykq7d",
        },
        {
            "idempotency_key": "policy-42-1",
            "producer": "bot",
            "account": "user:42",
            "trigger": "interval",
            "interval": "monthly",
            "anchor": "2026-01-31T09:00:00Z",
            "timezone": "Europe/Moscow",
            "amount": "499.90",
        },
    ),
    "auto_topup.resume": ({"idempotency_key": "resume-w_1-9", "producer": "support", "account": "wallet:w_1"},),
    "auto_topup.run_now": ({"idempotency_key": "now-w_1-17", "producer": "support", "account": "wallet:w_1"},),
    "auto_topup.cancel": ({"idempotency_key": "cancel-w_1-2", "producer": "billing", "account": "wallet:w_1"},),
    "charges.settle": (
        {
            "idempotency_key": "evt_1QyKqL-succeeded",
            "producer": "payments",
            "charge_id": _CHARGE,
            "status": "succeeded",
            "reference": "pi_3QyKqL",
        },
    ),
    "webhooks.add": (
        {
            "idempotency_key": "hooks-shop",
            "producer": "billing",
            "name": "shop",
            "url": "https://shop.example/hooks/balance",
            "types": ["wallet.transaction.created", "wallet.credit_balance.dropped"],
            "kinds": ["wallet"],
        },
        {"idempotency_key": "hooks-books", "name": "books", "url": "https://books.example/events"},
    ),
    "webhooks.update": (
        {"idempotency_key": "hooks-shop-2", "endpoint_id": _ENDPOINT, "url": "https://shop.example/v2", "types": None},
    ),
    "webhooks.enable": ({"idempotency_key": "hooks-shop-3", "endpoint_id": _ENDPOINT},),
    "webhooks.disable": ({"idempotency_key": "hooks-shop-4", "endpoint_id": _ENDPOINT},),
    "webhooks.rotate_secret": ({"idempotency_key": "hooks-shop-5", "endpoint_id": _ENDPOINT, "overlap_s": 3_600},),
    "webhooks.remove": ({"idempotency_key": "hooks-shop-6", "endpoint_id": _ENDPOINT},),
}
