"""Accounts, entries, jobs, grants and holds as they are read for people."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from models.domain.accounts import AccountKey, Kind, WalletStatus
from models.domain.credits.grants import GrantState, WrongUnits
from models.domain.credits.levels import Levels
from models.domain.events import EventType
from models.domain.outcome import Code, Status
from models.store.connection.session import snapshot
from models.store.read.accounts import account_list, account_now
from models.store.read.credits import credits_of
from models.store.read.entries import entries_of
from models.store.read.explained import every_grant, every_hold
from models.store.read.jobs import Movement, job, job_under
from tests.support.builders import ask, done, execute, let_expire

KEY = AccountKey(Kind.WALLET, "w")
BOUGHT = {"wallet_id": "w", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}


def bought(engine: Engine, units: int, **terms: object) -> UUID:
    """The job that adds so many credits to the wallet."""
    return UUID(done(engine, "wallets.top_up", credits_to_add=units, **terms, **BOUGHT)["job_id"])


@pytest.fixture
def wallet(engine: Engine) -> AccountKey:
    done(engine, "wallets.create", wallet_id="w", scale=0)
    return KEY


def test_accounts_come_with_what_is_there_and_a_page_at_a_time(engine: Engine, wallet: AccountKey) -> None:
    let_expire(engine, str(bought(engine, 10, expiry_date_utc="2100-01-01")))
    for user_id in (1, 2):
        done(engine, "users.upsert", user_id=user_id)
    with snapshot(engine) as connection:
        first = account_list(connection, None, 2)
        assert first.last is not None
        rest = account_list(connection, None, 2, first.last.account.key)
        [listed], found = rest.rows, account_now(connection, wallet)
        assert account_now(connection, AccountKey(Kind.WALLET, "none")) is None
    assert [str(each.account.key) for each in first.rows] == ["user:1", "user:2"]
    assert (rest.more, listed.account) == (False, found and found.account)
    assert listed.levels == Levels(balance=0, ledger_balance=10, held=0, spendable=0, expired=10, future=0)
    assert listed.account.status is WalletStatus.ACTIVE


def test_entries_come_newest_first_down_to_the_first_one(engine: Engine, wallet: AccountKey) -> None:
    for units in (1, 2, 3):
        bought(engine, units)
    with snapshot(engine) as connection:
        account = account_now(connection, wallet)
        assert account is not None
        pages = [entries_of(connection, account.account.id, *given) for given in ((2,), (1, 2), (3,), (0,))]
    assert [[entry.seq for entry in page.rows] for page in pages] == [[3, 2], [1], [3, 2, 1], []]
    assert [page.last and page.last.seq for page in pages] == [2, None, None, None]


def test_a_job_is_told_with_its_entries_and_what_took_them_back(engine: Engine, wallet: AccountKey) -> None:
    job_id = bought(engine, 10, bonus_credits_to_add=3, producer="shop", idempotency_key="k")
    part = UUID(done(engine, "entries.reverse", job_id=str(job_id), credits=4, producer="shop")["job_id"])
    rest = UUID(done(engine, "entries.reverse", job_id=str(job_id), producer="shop")["job_id"])
    with snapshot(engine) as connection:
        told, reversal = job(connection, job_id), job(connection, rest)
        assert job_under(connection, "shop", "k") == told
        assert job(connection, uuid4()) is None
    assert told is not None
    assert reversal is not None
    assert (told.job.status, told.job.code, told.job.account, told.job.scale) == (Status.APPLIED, Code.APPLIED, KEY, 0)
    assert told.job.movement == Movement(seq=1, amount=10, balance_after=10)
    assert [entry and (entry.amount, entry.details.part) for entry in (told.entry, told.bonus_entry)] == [
        (10, 0),
        (3, 1),
    ]
    assert [(each.job_id, each.amount) for each in told.taken_back_by] == [(part, -4), (rest, -6), (rest, -3)]
    assert [(each.job_id, each.amount) for each in reversal.takes_back] == [(job_id, 10), (job_id, 3)]
    assert (told.takes_back, [event.type for event in told.events][:1]) == ((), [EventType.WALLET_TRANSACTION_CREATED])


def test_a_refused_job_about_nobody_has_no_account_and_no_entry(engine: Engine) -> None:
    refused = ask(engine, "users.update_balance", user_id=7, amount_kopeks=1)
    with snapshot(engine) as connection:
        told = job(connection, UUID(refused["job_id"]))
    assert told is not None
    assert (told.job.status, told.job.code) == (Status.REJECTED, Code.USER_NOT_FOUND)
    assert (told.job.account, told.job.scale, told.job.movement, told.entry) == (None, None, None, None)


@pytest.mark.tampered_ledger
def test_grants_and_holds_are_what_their_entries_make_them(engine: Engine, wallet: AccountKey) -> None:
    job_id = bought(engine, 30, priority=1, bonus_credits_to_add=5, bonus_expiry_date_utc="2100-06-01")
    hold = UUID(done(engine, "wallets.hold", wallet_id="w", credits=12)["job_id"])
    execute(engine, "update grants set remaining = 17 where amount = 30")
    execute(engine, "update holds set captured = 1, remaining = 11")
    with snapshot(engine) as connection:
        found = account_now(connection, wallet)
        assert found is not None
        credits = credits_of(connection, found.account.id, wallet)
        bonus, grant = sorted(
            every_grant(connection, found.account.id, credits, found.at), key=lambda each: each.grant.amount
        )
        [held] = every_hold(credits, found.at)
    assert (grant.grant.id, grant.grant.remaining, grant.grant.held) == (job_id, 18, 12)
    assert (grant.state, grant.origin, grant.job_id, grant.bonus) == (GrantState.OPEN, "purchased", job_id, False)
    assert (bonus.origin, bonus.job_id, bonus.bonus, bonus.wrong) == ("free", job_id, True, ())
    assert grant.wrong == (WrongUnits("remaining", row=17, right=18),)
    assert (held.hold.id, held.hold.remaining, held.row_is_wrong) == (hold, 11, True)
