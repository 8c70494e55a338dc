"""Policies, charges and looks as they are read for people: what a look would come to now, and what was decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from models.domain.accounts import AccountKey, Kind
from models.domain.auto_topup.evaluation import Fire, Hold
from models.domain.charging.charges import Cause, ChargeStatus
from models.domain.charging.policies import ProviderName, Reason
from models.domain.outcome import Code
from models.store.connection.session import snapshot, transaction
from models.store.read.charges import charge, charge_list, charging_now
from models.store.read.looks import LookShown, looks
from models.store.read.top_ups import TopUpStanding, standing, standings
from models.store.write.top_ups import switches
from tasks.auto_topup.charging import Asker
from tasks.auto_topup.provider import ProviderStatus
from tasks.auto_topup.scan import scan
from tests.support.answering import Answering
from tests.support.builders import LIMITS, applier, ask, done, execute
from tests.support.ledgers import time_before

KEY = AccountKey(Kind.WALLET, "w")
POLICY: dict[str, Any] = {
    "trigger": "balance_below_threshold",
    "threshold": 10,
    "amount": 50,
    "provider": "http",
    "cooldown_s": 0,
}


def asked(engine: Engine, *answer: Any) -> int:
    return Asker(applier(engine), {ProviderName.HTTP: Answering(*answer)}).ask_due()


def wallet(engine: Engine, name: str = "w", **policy: Any) -> str:
    done(engine, "wallets.create", wallet_id=name, scale=0)
    done(engine, "auto_topup.set_policy", account=f"wallet:{name}", **{**POLICY, **policy})
    return f"wallet:{name}"


def stands(engine: Engine, limits: Any = LIMITS) -> TopUpStanding:
    with snapshot(engine) as connection:
        found = standing(connection, KEY, limits)
    assert found is not None
    return found


def looked(engine: Engine, limit: int = 100) -> list[LookShown]:
    with snapshot(engine) as connection:
        found = standing(connection, KEY, LIMITS)
        assert found is not None
        return looks(connection, found.account.id, limit)


def names(engine: Engine, **which: Any) -> list[str]:
    with snapshot(engine) as connection:
        return [str(each.account.key) for each in standings(connection, LIMITS, 100, **which).rows]


def switch(engine: Engine, *, on: bool) -> None:
    with transaction(engine) as connection:
        switches.switch(connection, switches.CHARGING, on=on, by="olga", reason="ticket 17")


def test_a_standing_says_what_a_look_would_come_to(engine: Engine) -> None:
    with snapshot(engine) as connection:
        assert standing(connection, KEY, LIMITS) is None
    wallet(engine)
    found = stands(engine)
    assert found.result == found.unpaused == Fire(50, 5000, Cause.THRESHOLD)
    assert (found.spendable, found.charge, found.last_decline, found.suspended_at) == (0, None, None, None)
    assert scan(applier(engine), 10) == 1
    assert asked(engine, ProviderStatus.UNKNOWN, None, "timeout") == 0
    found = stands(engine)
    assert found.result == Hold(Reason.CHARGE_PENDING)
    assert found.charge is not None
    assert (found.charge.attempts, found.charge.answer, found.charge.undecided) == (1, "unknown: timeout", False)
    assert found.charge.ask_at is not None
    assert found.charge.ask_at > found.at


def test_a_pause_is_told_with_what_it_holds_back(engine: Engine) -> None:
    wallet(engine)
    switch(engine, on=False)
    found = stands(engine)
    assert (found.result, found.unpaused) == (Hold(Reason.CHARGING_PAUSED), Fire(50, 5000, Cause.THRESHOLD))
    assert found.switch is not None
    assert (found.switch.set_by, found.switch.reason) == ("olga", "ticket 17")
    switch(engine, on=True)
    found = stands(engine)
    assert (found.switch, found.result) == (None, found.unpaused)
    off_here = stands(engine, replace(LIMITS, charging=False))
    assert (off_here.result, off_here.switch) == (Hold(Reason.CHARGING_PAUSED), None)


def test_what_was_charged_counts_towards_the_cap_of_the_month(engine: Engine) -> None:
    wallet(engine, monthly_cap=90, timezone="Europe/Riga")
    assert scan(applier(engine), 10) == 1
    assert stands(engine).charged == 50, "what is pending counts"
    assert asked(engine, ProviderStatus.SUCCEEDED, "r") == 1
    done(engine, "wallets.debit", wallet_id="w", credits=45)
    found = stands(engine)
    assert (found.charged, found.result) == (50, Hold(Reason.CAP_REACHED, found.month_ends))
    assert found.month_ends.hour in (21, 22), "midnight in Riga"


def test_since_when_it_is_suspended(engine: Engine) -> None:
    wallet(engine, max_declines=1)
    scan(applier(engine), 10)
    asked(engine, ProviderStatus.DECLINED, "r", "card_declined")
    found = stands(engine)
    assert found.result == Hold(Reason.SUSPENDED, code="card_declined")
    assert found.last_decline == "card_declined"
    [settled] = [each for each in looked(engine) if each.job == "charges.settle"]
    assert found.suspended_at == settled.at
    done(engine, "auto_topup.resume", account="wallet:w")
    assert stands(engine).suspended_at is None
    scan(applier(engine), 10)
    asked(engine, ProviderStatus.DECLINED, "r", "expired_card")
    again = stands(engine)
    assert (again.result, again.last_decline) == (Hold(Reason.SUSPENDED, code="expired_card"), "expired_card")
    assert again.suspended_at == looked(engine)[0].at > settled.at


def test_a_top_up_that_is_given_back_says_so(engine: Engine) -> None:
    wallet(engine)
    scan(applier(engine), 10)
    asked(engine, ProviderStatus.SUCCEEDED, "r")
    [credited] = [each for each in looked(engine) if each.job == "charges.settle"]
    back = done(engine, "entries.reverse", job_id=str(credited.job_id))
    found = stands(engine)
    assert found.result == Hold(Reason.SUSPENDED, code="refunded")
    newest = looked(engine)[0]
    assert (newest.job, str(newest.job_id), newest.at) == ("entries.reverse", back["job_id"], found.suspended_at)


def test_policies_are_listed_by_name_a_page_at_a_time(engine: Engine) -> None:
    for name in ("c", "a", "b"):
        wallet(engine, name)
    done(engine, "wallets.top_up", wallet_id="b", credits_to_add=99, transaction_reason="INVOICE_REFUND")
    done(engine, "wallets.create", wallet_id="off", scale=0)
    done(engine, "auto_topup.set_policy", account="wallet:off", trigger="disabled")
    done(engine, "users.upsert", user_id=1)
    done(engine, "auto_topup.set_policy", account="user:1", **{**POLICY, "provider": "none"})
    assert names(engine) == ["user:1", "wallet:a", "wallet:b", "wallet:c"]
    assert names(engine, due=True) == ["user:1", "wallet:a", "wallet:c"]
    after = AccountKey(Kind.WALLET, "a")
    assert (names(engine, after=after), names(engine, due=True, after=after)) == (
        ["wallet:b", "wallet:c"],
        ["wallet:c"],
    )
    with snapshot(engine) as connection:
        page = standings(connection, LIMITS, 2)
    assert (len(page.rows), page.more) == (2, True)
    done(engine, "auto_topup.run_now", account="wallet:b")
    done(engine, "charges.settle", charge_id=str(opened(engine, "b")), status="needs_action")
    switched_off = {"account": "wallet:b", "trigger": "disabled"}
    done(engine, "auto_topup.set_policy", **switched_off)
    assert "wallet:b" in names(engine), "switched off, with a charge that is open"


def opened(engine: Engine, name: str) -> UUID:
    with snapshot(engine) as connection:
        found = standing(connection, AccountKey(Kind.WALLET, name), LIMITS)
    assert found is not None
    assert found.charge is not None
    return found.charge.charge.id


def test_charges_are_listed_newest_first_by_account_and_status(engine: Engine) -> None:
    for name in ("a", "b"):
        wallet(engine, name)
        assert scan(applier(engine), 10) == 1
    first, second = opened(engine, "a"), opened(engine, "b")
    done(engine, "charges.settle", charge_id=str(first), status="declined", code="card_declined")
    with snapshot(engine) as connection:
        of_a = standing(connection, AccountKey(Kind.WALLET, "a"), LIMITS)
        assert of_a is not None

        def listed(limit: int = 10, **which: Any) -> list[UUID]:
            return [each.charge.id for each in charge_list(connection, limit, **which).rows]

        assert listed() == [second, first]
        assert listed(account_id=of_a.account.id) == [first]
        assert listed(statuses=[ChargeStatus.PENDING]) == [second]
        assert listed(statuses=[ChargeStatus.PENDING, ChargeStatus.DECLINED]) == [second, first]
        page = charge_list(connection, 1)
        assert (page.last and page.last.charge.id, listed(after=second)) == (second, [first])
        assert charge(connection, uuid4()) is None
        found = charge(connection, first)
    assert found is not None
    assert (str(found.account), found.charge.status, found.charge.code) == (
        "wallet:a", ChargeStatus.DECLINED, "card_declined",
    )  # fmt: skip
    assert not found.undecided


def test_looks_say_what_was_seen_and_why(engine: Engine) -> None:
    wallet(engine, monthly_cap=60)
    done(engine, "wallets.top_up", wallet_id="w", credits_to_add=5, transaction_reason="INVOICE_REFUND")
    scan(applier(engine), 10)
    asked(engine, ProviderStatus.SUCCEEDED, "r")
    done(engine, "wallets.debit", wallet_id="w", credits=50)
    scan(applier(engine), 10)
    ask(engine, "auto_topup.run_now", account="wallet:w")
    found = looked(engine)
    assert [(each.job, each.code, each.held and each.held.reason) for each in found] == [
        ("auto_topup.run_now", Code.TOP_UP_HELD, Reason.CAP_REACHED),
        ("autotopup.top_up", Code.UNCHANGED, Reason.CAP_REACHED),
        ("charges.settle", Code.APPLIED, None),
        ("autotopup.top_up", Code.APPLIED, None),
        ("auto_topup.set_policy", Code.APPLIED, None),
    ]
    refused, held, settled, fired, _ = found
    month_ends = stands(engine).month_ends
    assert [each.held and each.held.until for each in (refused, held)] == [month_ends, month_ends]
    assert [each.spendable for each in (held, fired)] == [5, 5]
    assert (settled.charge_id, settled.charge_status) == (fired.charge_id, "succeeded")
    assert fired.charge_id == fired.job_id
    assert looked(engine, 2) == found[:2]


@pytest.mark.tampered_ledger
def test_how_charging_stands(engine: Engine) -> None:
    def now() -> Any:
        with snapshot(engine) as connection:
            return charging_now(connection, waits_long=timedelta(minutes=10), due_long=timedelta(minutes=1))

    empty = now()
    assert (empty.switch, empty.paused, empty.waiting, empty.due, empty.due_since) == (None, False, 0, 0, None)
    for name in ("fresh", "old", "unknown", "payers", "due", "overdue"):
        wallet(engine, name)
        if name not in ("due", "overdue"):
            assert scan(applier(engine), 10) == 1
    execute(engine, f"update charges set created_at = {time_before('created_at', '11 minutes')} where id = :id",
            id=opened(engine, "old"))  # fmt: skip
    execute(engine, "update charges set ask_at = null where id = :id", id=opened(engine, "unknown"))
    done(engine, "charges.settle", charge_id=str(opened(engine, "payers")), status="needs_action")
    execute(
        engine,
        f"update policies p set due_at = {time_before('due_at', '2 minutes')} from accounts a"
        " where a.id = p.account_id and a.ref = 'overdue'",
    )
    found = now()
    assert (found.waiting, found.long_waiting, found.unknown, found.for_payers) == (2, 1, 1, 1)
    assert (found.due, found.overdue) == (2, 1)
    assert found.waiting_since < found.due_since < found.at
    switch(engine, on=False)
    assert now().paused
