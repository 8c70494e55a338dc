"""What the path really answers and tells has the shapes that asyncapi.yaml promises."""

import json
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from models.contracts.catalogue import CATALOGUE
from models.contracts.spec.event_schemas import event_schema
from models.contracts.spec.schemas import family_of
from models.domain.events import EventType
from models.domain.webhooks.endpoints import DisabledFor, Endpoint
from models.store.connection.session import snapshot
from models.store.read.events import events_of_job
from models.store.read.webhooks import endpoint_list
from tasks.apply.path import apply
from tasks.events.disabling import disable_job
from tests.support.builders import LIMITS, job
from tests.unit.test_asyncapi import SCHEMAS, validator

WALLET, USER, APP = {"wallet_id": "w"}, {"user_id": 1}, {"app_id": "a", "store_id": "s"}
REASON = {"transaction_reason": "PURCHASED_CREDIT_DIRECT"}

# Applied, unchanged, refused and invalid, for every profile; events of every type.
JOBS: list[tuple[str, dict[str, Any]]] = [
    ("wallets.top_up", {**WALLET, **REASON, "credits_to_add": 1}),
    (
        "wallets.create",
        {
            **WALLET,
            "conversion_rate": "0.01",
            "auto_topup_trigger": "balance_below_threshold",
            "auto_topup_min_balance": "1.5",
            "auto_topup_amount": 10,
        },
    ),
    ("wallets.create", WALLET),
    ("wallets.top_up", {**WALLET, **REASON, "credits_to_add": "10.5", "expiry_date_utc": "2099-01-01", "priority": 1}),
    ("wallets.debit", {**WALLET, "credits": "9.25"}),
    ("wallets.debit", {**WALLET, "credits": 1000}),
    ("wallets.debit", {**WALLET, "credits": "0.0000000001"}),
    ("wallets.debit", {**WALLET, "credits": 1.5}),
    ("wallets.top_up", {**WALLET, **REASON, "amount": 1}),
    ("wallets.update", {**WALLET, "name": "Main", "metadata": {"a": "b"}}),
    ("wallets.update", {**WALLET, "name": "Main"}),
    ("wallets.terminate", WALLET),
    ("wallets.debit", {**WALLET, "credits": 1}),
    ("users.update_balance", {**USER, "amount_kopeks": 5}),
    (
        "users.upsert",
        {
            **USER,
            "telegram_id": 7,
            "promo_group": {"id": 1, "name": "VIP"},
            "subscription": {"id": 2, "status": "trial", "end_date": "2020-01-01T00:00:00Z", "connected_squads": ["x"]},
        },
    ),
    (
        "users.upsert",
        {**USER, "subscription": {"id": 2, "status": "active", "traffic_used_gb": 0.5, "autopay_days_before": None}},
    ),
    ("users.upsert", {"user_id": 2, "telegram_id": 7}),
    ("users.update_balance", {"telegram_id": 7, "amount_kopeks": 1234}),
    ("users.update_balance", {**USER, "amount_kopeks": -100_000}),
    ("users.update_balance", {**USER, "amount_kopeks": 0}),
    ("users.update_balance", {**USER, "amount_kopeks": 10**15}),
    ("users.update_balance", {**USER, "amount_kopeks": "5"}),
    ("apps.update_balance", {**APP, "balance": 5}),
    ("apps.upsert", {**APP, "decrease_only": True}),
    ("apps.update_balance", {**APP, "balance": 5}),
    ("apps.update_balance", {**APP}),
    ("apps.upsert", {**APP, "decrease_only": False}),
    ("apps.update_balance", {**APP, "balance": 5}),
    ("apps.update_balance", {**APP, "balance": 5}),
    ("entries.reverse", {"job_id": "00000000-0000-7000-8000-000000000000"}),
    ("entries.reverse", {"job_id": 5}),
    ("accounts.set_alerts", {"account": "wallet:w", "thresholds": [1]}),
    ("accounts.set_alerts", {"account": "user:1", "thresholds": ["1000.50", 1]}),
    ("accounts.set_alerts", {"account": "user:1", "thresholds": ["1000.50", 1]}),
    ("accounts.set_alerts", {"account": "app:a/s", "thresholds": [9]}),
    ("accounts.set_alerts", {"account": "app:a", "thresholds": [9]}),
]


OF_TIME = {
    EventType.GRANT_WILL_EXPIRE, EventType.GRANT_EXPIRED, EventType.HOLD_EXPIRED,
    EventType.DEAD_LETTER_PARKED,
}  # fmt: skip
"""What no job of these tells: test_event_examples.py has those."""


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def credits_in_use(engine: Engine) -> list[tuple[str, dict[str, Any]]]:
    """A wallet with a bonus, holds and their ends, a void and parts taken back; jobs that name earlier ones."""
    wallet, done = {"wallet_id": "v"}, list[tuple[str, dict[str, Any]]]()

    def ask(name: str, **fields: Any) -> str:
        [outcome] = apply(engine, [job(name, **fields)], LIMITS)
        done.append((name, outcome.document()))
        return str(outcome.job_id)

    ask("wallets.create", **wallet, floor=-5, overdraft_allowed=True, timezone="Europe/Riga")
    bought = ask("wallets.top_up", **wallet, **REASON, credits_to_add=50, priority=1, bonus_credits_to_add="2.5")
    held = ask("wallets.hold", **wallet, credits="12.25", expires_in_s=60)
    ask("wallets.hold", **wallet, credits=1000)
    ask("wallets.hold", **wallet, credits=0)
    ask("holds.capture", job_id=held, credits=10, final=False)
    ask("holds.capture", job_id=held, credits=10)
    ask("holds.capture", job_id=held)
    ask("holds.release", job_id=held)
    ask("holds.release", job_id=ask("wallets.hold", **wallet, credits=1))
    ask("holds.release", job_id=bought)
    ask("wallets.debit", **wallet, credits=45, overdraft=10, price_type="USAGE")
    ask("entries.reverse", job_id=bought, credits=1, force=True)
    ask("entries.reverse", job_id=bought, credits=1000)
    ask("entries.reverse", job_id=bought, force=True)
    ask("entries.reverse", job_id=bought)
    given = ask("wallets.top_up", **wallet, **REASON, credits_to_add=80, effective_at="2099-01-01T00:00:00Z")
    ask("grants.void", **wallet, job_id=given, reason="by mistake", operator="olga")
    ask("grants.void", **wallet, job_id=given, reason="by mistake", operator="olga")
    ask("grants.void", **wallet, job_id=held, reason="by mistake", operator="olga")
    ask("wallets.debit", **wallet, credits=1, occurred_at="2099-01-01T00:00:00Z")
    return done


def charges(engine: Engine) -> list[tuple[str, dict[str, Any]]]:
    """Policies of a wallet and of a user, and what becomes of their charges."""
    done = list[tuple[str, dict[str, Any]]]()

    def ask(name: str, **fields: Any) -> str:
        [outcome] = apply(engine, [job(name, **fields)], LIMITS)
        done.append((name, outcome.document()))
        return str(outcome.job_id)

    ask("wallets.create", wallet_id="c")
    ask("auto_topup.run_now", account="wallet:c")
    for account, kind in (("wallet:c", "http"), ("user:1", "none")):
        terms = {"threshold": 10**6, "target_balance": "2000000.5", "monthly_cap": 10**8, "timezone": "Europe/Riga"}
        level = {"trigger": "balance_below_threshold", "provider": kind, "cooldown_s": 0, "payer": "p"}
        ask("auto_topup.set_policy", account=account, **level, **terms)
        ask("auto_topup.set_policy", account=account, **level, **terms, amount=5)
        fired = ask("auto_topup.run_now", account=account)
        ask("auto_topup.run_now", account=account)
        ask("charges.settle", charge_id=fired, status="needs_action", link="https://pay.example/1", code="c")
        ask("auto_topup.resume", account=account)
        ask("charges.settle", charge_id=fired, status="declined", code="card_declined")
        ask("charges.settle", charge_id=fired, status="succeeded", reference="r")
        ask("charges.settle", charge_id=fired, status="succeeded")
        ask("charges.settle", charge_id=fired, status="void")
    monthly = {"trigger": "interval", "interval": "monthly", "amount": 5, "anchor": "2026-01-31T00:00:00Z"}
    ask("auto_topup.set_policy", account="user:1", **monthly)
    ask("charges.settle", charge_id="00000000-0000-7000-8000-000000000000", status="void")
    ask("auto_topup.cancel", account="wallet:c")
    ask("auto_topup.cancel", account="wallet:c")
    return done


def endpoints(engine: Engine) -> list[tuple[str, dict[str, Any]]]:
    """An endpoint, for as long as there is one."""
    done = list[tuple[str, dict[str, Any]]]()

    def ask(asked: str, **fields: Any) -> str:
        [outcome] = apply(engine, [job(asked, **fields)], LIMITS)
        done.append((asked, outcome.document()))
        return str(outcome.job_id)

    about = {"endpoint_id": ask("webhooks.add", name="a", url="https://a.example/", types=["wallet.updated"])}
    ask("webhooks.update", **about, types=None, kinds=["app", "user"])
    for name in ("disable", "enable", "enable", "rotate_secret", "remove", "remove"):
        ask(f"webhooks.{name}", **about)
    [disabled] = apply(engine, [disable_job(gone_endpoint(engine), DisabledFor.GONE)], LIMITS)
    done.append(("webhooks.disable", disabled.document()))
    return done


def gone_endpoint(engine: Engine) -> Endpoint:
    """One that has answered 410."""
    apply(engine, [job("webhooks.add", name="b", url="https://b.example/")], LIMITS)
    with snapshot(engine) as connection:
        return endpoint_list(connection, 1, removed=False).rows[0].endpoint


@pytest.fixture
def answered(engine: Engine) -> list[tuple[str, dict[str, Any]]]:
    """(job, outcome document) of each of JOBS, of their replays, a conflict, and reversals on every profile."""
    made = [job(name, **fields) for name, fields in JOBS]
    outcomes = [(each.name, outcome.document()) for each in made for outcome in apply(engine, [each], LIMITS)]
    outcomes += credits_in_use(engine)
    outcomes += charges(engine)
    outcomes += endpoints(engine)
    credited = {family_of(name): document["job_id"] for name, document in outcomes if document["entry"]}
    more = [job("entries.reverse", job_id=job_id, force=True) for job_id in credited.values()]
    more += [made[1], made[5]]
    more.append(job("users.update_balance", idempotency_key=made[-1].key, user_id=1, amount_kopeks=1))
    more.append(job("apps.update_balance", idempotency_key=made[0].key, **APP, balance=1))
    return outcomes + [(each.name, outcome.document()) for each in more for outcome in apply(engine, [each], LIMITS)]


def test_outcomes_have_the_promised_shape(answered: list[tuple[str, dict[str, Any]]]) -> None:
    for name, document in answered:
        schema = validator(SCHEMAS[f"{family_of(name)}Outcome"])
        assert [f"{name} {document}: {error.message}" for error in schema.iter_errors(document)] == []
        result = {"task_id": "t", "status": "SUCCESS", "result": document, "traceback": None}
        validator(SCHEMAS[f"{family_of(name)}Result"]).validate(result)


def test_the_jobs_show_every_side_of_every_face(answered: list[tuple[str, dict[str, Any]]]) -> None:
    for profile in ("User", "Wallet", "App", "Entry", "TopUp", "Alerts"):
        seen = {document["status"] for name, document in answered if family_of(name) == profile}
        assert seen == {"applied", "rejected"}, profile
    assert {name for name, _ in answered} == set(CATALOGUE)
    assert {"unchanged", "invalid_request", "idempotency_conflict"} <= {document["code"] for _, document in answered}
    assert any("bonus_entry" in document for _, document in answered)
    assert any(document["replayed"] for _, document in answered)


@pytest.mark.usefixtures("answered")
def test_events_have_the_promised_shape(engine: Engine) -> None:
    with engine.connect() as connection:
        jobs = connection.scalars(text("select distinct job_id from outbox")).all()
        payloads = [exact(event.payload) for job_id in jobs for event in events_of_job(connection, job_id)]
    for event in payloads:
        schema = validator(SCHEMAS[event_schema(EventType(event["type"]))])
        assert [f"{event}: {error.message}" for error in schema.iter_errors(event)] == []
    assert {event["type"] for event in payloads} == {kind.value for kind in set(EventType) - OF_TIME}
