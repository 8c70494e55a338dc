"""What a page says that undoing will do is what a worker then does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from models.domain.outcome import Refusal
from models.store.connection.session import snapshot
from models.store.read.accounts import account_now
from tests.support.builders import Document, ask, done
from worker.encoding.written import Unreadable, account_name
from worker.flower.pages.accounts.undo import Wanted, found_of, seen_of
from worker.settings.settings import Settings

LATER = (datetime.now(UTC) + timedelta(days=30)).isoformat()


def wallet(engine: Engine, *, floor: str = "0") -> None:
    done(engine, "wallets.create", wallet_id="w", scale=2, floor=floor)


def bought(engine: Engine, credits: str, **terms: Any) -> Document:
    reason = "PURCHASED_CREDIT_DIRECT"
    return done(engine, "wallets.top_up", wallet_id="w", credits_to_add=credits, transaction_reason=reason, **terms)


def of_a_user(engine: Engine) -> Document:
    done(engine, "users.upsert", user_id=7)
    return done(engine, "users.update_balance", user_id=7, amount_kopeks=1250)


def of_an_app(engine: Engine) -> Document:
    done(engine, "apps.upsert", app_id="1", store_id="2")
    return done(engine, "apps.update_balance", app_id="1", store_id="2", balance=40)


def of_plain_credits(engine: Engine) -> Document:
    wallet(engine)
    return bought(engine, "10")


def of_a_grant_that_is_spent_in_part(engine: Engine) -> Document:
    wallet(engine)
    made = bought(engine, "10", expiry_date_utc=LATER)
    done(engine, "wallets.debit", wallet_id="w", credits="4")
    return made


def of_a_grant_beside_a_hold(engine: Engine) -> Document:
    wallet(engine)
    made = bought(engine, "10", expiry_date_utc=LATER)
    done(engine, "wallets.hold", wallet_id="w", credits="8")
    return made


def of_a_debit_from_grants(engine: Engine) -> Document:
    wallet(engine)
    bought(engine, "10", expiry_date_utc=LATER)
    bought(engine, "10", priority=1)
    return done(engine, "wallets.debit", wallet_id="w", credits="14")


def with_a_bonus(engine: Engine) -> Document:
    wallet(engine)
    return bought(engine, "10", bonus_credits_to_add="2", bonus_expiry_date_utc=LATER)


def with_a_policy(engine: Engine) -> Document:
    terms = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": "8", "auto_topup_amount": "20"}
    done(engine, "wallets.create", wallet_id="w", scale=2, floor="-5", **terms)
    return bought(engine, "10")


def undone_before(engine: Engine) -> Document:
    made = of_plain_credits(engine)
    done(engine, "entries.reverse", job_id=made["job_id"])
    return made


def of_a_hold(engine: Engine) -> Document:
    wallet(engine)
    bought(engine, "10")
    return done(engine, "wallets.hold", wallet_id="w", credits="8")


@pytest.mark.parametrize(
    "make",
    [
        of_a_user, of_an_app, of_plain_credits, of_a_grant_that_is_spent_in_part, of_a_grant_beside_a_hold,
        of_a_debit_from_grants, with_a_bonus, with_a_policy, undone_before, of_a_hold,
    ],
)  # fmt: skip
def test_what_is_seen_is_what_is_done(engine: Engine, make: Any) -> None:
    made = make(engine)
    job_id, seen_codes = UUID(made["job_id"]), set()
    for part, force in (("3", False), (None, False), ("1", True), (None, True)):
        wanted = Wanted(part, force=force)
        with snapshot(engine) as connection:
            seen = seen_of(connection, Settings(), job_id, wanted)
            found = found_of(connection, job_id)
        assert seen is not None
        assert found is not None
        told, name = seen.undo.decision, str(found[1].key)
        outcome = ask(engine, "entries.reverse", **wanted.fields(job_id, found[1]))
        assert outcome["code"] == told.code, (part, force)
        seen_codes.add(told.code)
        if isinstance(told, Refusal):
            assert seen.undo.afterwards is None
            continue
        written = [each for each in (outcome["entry"], outcome.get("bonus_entry")) if each is not None]
        assert [(each.seq, each.amount) for each in seen.undo.written] == [
            (each["seq"], each["amount"]) for each in written
        ], (part, force)
        with snapshot(engine) as connection:
            now = account_now(connection, account_name(name))
        assert now is not None
        assert seen.undo.afterwards == now.levels, (part, force)
    assert seen_codes


def test_a_part_is_written_as_pages_show_amounts(engine: Engine) -> None:
    for make, part, fields in (
        (of_a_user, "12.50", {"amount": 1250}), (of_an_app, "40", {"amount": 40}),
        (of_plain_credits, "0.01", {"credits": "0.01"}),
    ):  # fmt: skip
        job_id = UUID(make(engine)["job_id"])
        with snapshot(engine) as connection:
            found = found_of(connection, job_id)
        assert found is not None
        assert Wanted(part, force=False).fields(job_id, found[1]) == {"job_id": str(job_id), "force": False, **fields}
        for wrong in ("0", "-1", "1e3", "0.001", "12,50", "9" * 19):
            with pytest.raises(Unreadable):
                Wanted(wrong, force=False).fields(job_id, found[1])
