"""A ledger with something of every kind that decides, for tests that change it behind its back."""

from typing import Final

from sqlalchemy import Engine

from models.store.connection.session import transaction
from models.store.write import jobs
from tasks.auto_topup import scan as autotopup
from tests.support.builders import applier, ask, done, let_expire, sweep
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.ledgers import time_before
from tests.support.resealed import execute_resealed

FAR: Final = "2999-01-01T00:00:00Z"
POLICY: Final = {
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": 10,
    "auto_topup_amount": 25,
}


def fill(engine: Engine) -> None:
    """Something of every kind: accounts with their terms, grants and holds in every state, refusals, pruned jobs."""
    done(engine, "users.upsert", user_id=1, telegram_id=77, floor_kopeks=-50)
    done(engine, "users.upsert", user_id=2, idempotency_key="old")
    done(engine, "accounts.set_alerts", account="user:1", thresholds=["0.5", 100])
    spent = done(engine, "users.update_balance", user_id=1, amount_kopeks=-30, metadata={"a": "1"})
    execute_resealed(engine, f"update jobs set settled_at = {time_before('settled_at', '90 days')}")
    with transaction(engine) as connection:
        assert jobs.prune(connection, 30, 100) == 4
    done(engine, "entries.reverse", job_id=spent["job_id"])
    ask(engine, "users.update_balance", user_id=1, amount_kopeks=-500)
    ask(engine, "users.update_balance", user_id=404, amount_kopeks=1)
    done(engine, "apps.upsert", app_id="a", store_id=1, decrease_only=True)
    done(engine, "apps.upsert", app_id="a", store_id=2)
    done(engine, "apps.update_balance", app_id="a", store_id=2, balance=5, occurred_at="2020-01-01T00:00:00Z")
    done(engine, "apps.update_balance", app_id="a", store_id=2, balance=5)
    done(engine, "apps.update_balance", app_id="a", store_id=2, balance=9)
    bought = {"wallet_id": "w", "transaction_reason": "INVOICE_REFUND"}
    done(
        engine, "wallets.create", wallet_id="w", scale=0, timezone="Europe/Paris", customer_id="c", metadata={"a": "b"}
    )
    over = done(engine, "wallets.top_up", credits_to_add=10, expiry_date_utc=FAR, **bought)
    done(engine, "wallets.top_up", credits_to_add=10, priority=1, bonus_credits_to_add=3, **bought)
    done(engine, "wallets.top_up", credits_to_add=10, effective_at=FAR, **bought)
    void = done(engine, "wallets.top_up", credits_to_add=10, expiry_date_utc=FAR, metadata={"x": "y"}, **bought)
    done(engine, "grants.void", wallet_id="w", job_id=void["job_id"], reason="r", operator="o")
    let_expire(engine, over["job_id"])
    sweep(engine)
    for end in ("holds.capture", "holds.release", None):
        held = done(engine, "wallets.hold", wallet_id="w", credits=2)
        if end is not None:
            done(engine, end, job_id=held["job_id"])
    done(engine, "wallets.create", wallet_id="calm", scale=0, **POLICY)
    done(engine, "wallets.top_up", wallet_id="calm", credits_to_add=50, transaction_reason="INVOICE_REFUND")
    done(engine, "wallets.create", wallet_id="auto", scale=0, floor=-5, overdraft_allowed=True, **POLICY)
    assert autotopup.scan(applier(engine), 10) == 1
    done(engine, "wallets.debit", wallet_id="auto", credits=20)  # due again
    charges(engine)
    assert_ledger_is_coherent(engine)


def charges(engine: Engine) -> None:
    """Policies of every kind, and charges in every state."""
    level = {"trigger": "balance_below_threshold", "threshold": 10, "cooldown_s": 0, "provider": "http", "payer": "p"}
    for name in ("declined", "void", "refunded", "needs_action", "succeeded"):
        done(engine, "wallets.create", wallet_id=name, timezone="Europe/Riga")
        terms = {"target_balance": 30, "monthly_cap": 90, "max_charge": 60, "min_charge": 1, "max_declines": 5}
        done(engine, "auto_topup.set_policy", account=f"wallet:{name}", **level, **terms)
        fired = done(engine, "auto_topup.run_now", account=f"wallet:{name}", idempotency_key=f"fire {name}")
        about = {"charge_id": fired["job_id"], "reference": "r", "code": "c"}
        if name == "refunded":
            done(engine, "charges.settle", status="succeeded", **about)
        done(engine, "charges.settle", status=name, link="https://pay.example/x", **about)
    done(engine, "users.upsert", user_id=3)
    monthly = {"interval": "monthly", "anchor": "2026-01-31T09:00:00Z", "timezone": "Europe/Moscow", "amount": "5.5"}
    done(engine, "auto_topup.set_policy", account="user:3", trigger="interval", payment_method="m", **monthly)
    done(engine, "auto_topup.run_now", account="user:3")
    agreed = {"amount": 7, **level, "provider": "stripe", "cooldown_s": 60}
    done(engine, "auto_topup.set_policy", account="wallet:succeeded", **agreed)
    done(engine, "auto_topup.run_now", account="wallet:succeeded")
