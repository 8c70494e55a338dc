"""What a wallet does as time passes: grants expire, top-ups come late. `now` is an argument, so no test waits."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from models.batch.system_jobs import system_job
from models.domain.accounts import Account, AccountKey, Kind, WalletStatus
from models.domain.charging.policies import TopUpTrigger
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Decision, DecisionContext
from models.domain.deciding.top_up_commands import TopUpLook
from models.domain.events import EventType
from models.domain.jobs.decide import decide
from models.domain.outcome import Code, Refusal
from tests.support.builders import LIMITS, NOW, expire_job, grant, job, remaining, wallet_account

WALLET = AccountKey(Kind.WALLET, "w")
JOB_ID = UUID(int=99)
DUE: dict[str, Any] = {
    "trigger": TopUpTrigger.BALANCE_BELOW_THRESHOLD,
    "threshold": 10,
    "amount": 50,
    "due_at": NOW,
    "crossing": 3,
}


def decided(asked: Job, account: Account, now: datetime = NOW) -> Decision:
    decision = decide(replace(asked, id=JOB_ID), account, DecisionContext(now, LIMITS))
    assert isinstance(decision, Decision), decision
    return decision


def code(asked: Job, account: Account | None, now: datetime = NOW) -> Code:
    decision = decide(asked, account, DecisionContext(now))
    return decision.code


def debit(credits: int) -> Job:
    return job("wallets.debit", wallet_id="w", credits=credits)


def top_up(**fields: Any) -> Job:
    return job("wallets.top_up", wallet_id="w", credits_to_add=10, transaction_reason="INVOICE_REFUND", **fields)


def auto_top_up(crossing: int) -> Job:
    return system_job("autotopup.top_up", str(crossing), {}, TopUpLook(WALLET, crossing))


@pytest.mark.parametrize(
    ("after", "credits", "expected"),
    [
        (timedelta(0), 15, Code.APPLIED),
        (timedelta(days=1) - timedelta(microseconds=1), 15, Code.APPLIED),
        (timedelta(days=1), 15, Code.INSUFFICIENT_FUNDS),  # the moment itself is too late
        (timedelta(days=1), 5, Code.APPLIED),
        (timedelta(days=1), 6, Code.INSUFFICIENT_FUNDS),
    ],
)
def test_a_grant_can_be_spent_until_the_moment_it_expires(after: timedelta, credits: int, expected: Code) -> None:
    account = wallet_account(balance=15, grants=(grant(1, 10, days=1),))
    assert code(debit(credits), account, NOW + after) is expected


def test_a_debit_after_expiry_leaves_the_expired_grant_to_the_sweep() -> None:
    account = wallet_account(balance=25, grants=(grant(1, 10, days=-1), grant(2, 10, days=1)))
    decision = decided(debit(12), account)
    assert remaining(decision.account.grants) == {1: 10, 2: 0}
    assert decision.account.balance == 13


def test_what_is_available_leaves_out_what_has_expired_and_what_the_floor_holds() -> None:
    account = wallet_account(balance=25, floor=-2, grants=(grant(1, 10, days=-1),))
    refusal = decide(debit(18), account, DecisionContext(NOW))
    assert isinstance(refusal, Refusal)
    assert refusal.details == {"requested": "18", "available": "17"}
    assert code(debit(17), account) is Code.APPLIED


@pytest.mark.parametrize(
    ("expiry", "expected"),
    [
        (NOW + timedelta(microseconds=1), Code.APPLIED),
        (NOW, Code.EXPIRY_NOT_IN_FUTURE),
        (NOW - timedelta(days=1), Code.EXPIRY_NOT_IN_FUTURE),
    ],
)
def test_a_grant_must_expire_later_than_now(expiry: datetime, expected: Code) -> None:
    assert code(top_up(expiry_date_utc=expiry), wallet_account()) is expected


@pytest.mark.parametrize(("fields", "grants"), [({}, 0), ({"priority": 0}, 1), ({"expiry_date_utc": "2999-01-01"}, 1)])
def test_only_credits_with_terms_become_a_grant_named_by_their_job(fields: dict[str, Any], grants: int) -> None:
    decision = decided(top_up(**fields), wallet_account(balance=5))
    assert [item.id for item in decision.account.grants] == [JOB_ID] * grants
    assert decision.account.balance == 15


def test_expiry_takes_what_is_left_and_the_floor_is_no_obstacle() -> None:
    # 3 plain credits are owed by a debit that the floor allowed after the grant had expired.
    account = wallet_account(balance=7, grants=(grant(1, 10, days=-1),))
    decision = decided(expire_job(WALLET, str(UUID(int=1))), account)
    assert (decision.account.balance, remaining(decision.account.grants)) == (-3, {1: 0})
    assert decision.entry is not None
    assert (decision.entry.amount, decision.entry.details.draws) == (-10, ((UUID(int=1), 10),))


def test_expiry_waits_for_the_grace() -> None:
    account = wallet_account(balance=10, grants=(grant(1, 10, days=-1),))
    patient = replace(LIMITS, expiry_grace=timedelta(days=1, microseconds=1))
    decision = decide(expire_job(WALLET, str(UUID(int=1))), account, DecisionContext(NOW, patient))
    assert decision == Decision(account, Code.UNCHANGED)


@pytest.mark.parametrize("number", [1, 2])
def test_expiry_of_what_is_used_up_or_unknown_is_unchanged(number: int) -> None:
    account = wallet_account(balance=7, grants=(grant(1, 0, days=-1),))
    decision = decided(expire_job(WALLET, str(UUID(int=number))), account)
    assert (decision.code, decision.entry, decision.account) == (Code.UNCHANGED, None, account)


def test_what_expired_is_told_by_the_sweep_and_noted() -> None:
    expired = wallet_account(balance=15, grants=(grant(1, 10, days=-1),), **{**DUE, "due_at": None})
    account = replace(expired, updated_at=NOW - timedelta(days=2))
    decision = decided(expire_job(WALLET, str(UUID(int=1))), account)
    assert decision.account.policy is not None
    assert (decision.account.policy.due_at, decision.account.policy.crossing) == (NOW, 4)
    assert EventType.WALLET_BALANCE_DROPPED in decision.events


def test_auto_top_up_answers_its_crossing_once() -> None:
    decision = decided(auto_top_up(3), wallet_account(balance=5, **DUE, dropped=True))
    assert decision.account.balance == 55
    assert decision.events == (
        EventType.WALLET_TRANSACTION_CREATED,
        EventType.WALLET_BALANCE_RECOVERED,
        EventType.AUTO_TOP_UP_FIRED,
    )
    assert code(auto_top_up(3), decision.account) is Code.TOP_UP_NOT_DUE


def test_auto_top_up_that_does_not_reach_the_minimum_is_followed_by_another() -> None:
    decision = decided(auto_top_up(3), wallet_account(balance=5, **{**DUE, "amount": 1}))
    after = decision.account.policy
    assert after is not None
    assert (after.due_at, after.crossing, decision.account.balance) == (NOW + LIMITS.top_up_cooldown, 4, 6)
    early = decided(auto_top_up(4), decision.account)
    assert (early.code, early.entry) == (Code.UNCHANGED, None)
    assert early.account.policy is not None
    assert (early.account.policy.due_at, early.account.policy.crossing) == (NOW + LIMITS.top_up_cooldown, 5)
    assert decided(auto_top_up(5), early.account, NOW + LIMITS.top_up_cooldown).account.balance == 7


def test_a_look_at_a_wallet_that_has_recovered_changes_nothing_and_is_used_up() -> None:
    decision = decided(auto_top_up(3), wallet_account(balance=50, **DUE))
    assert (decision.code, decision.entry) == (Code.UNCHANGED, None)
    assert decision.account.policy is not None
    assert decision.account.policy.due_at is None


@pytest.mark.parametrize(
    ("crossing", "terms"),
    [
        (2, {}),
        (4, {}),
        (3, {"due_at": None}),
        (3, {"due_at": None, "trigger": TopUpTrigger.DISABLED}),
        (3, {"due_at": None, "status": WalletStatus.FROZEN}),
        (3, {"due_at": None, "status": WalletStatus.CLOSED}),
        (3, {"due_at": None, "suspended": "refunded"}),
    ],
    ids=["an older look", "one to come", "recovered", "switched off", "frozen", "closed", "suspended"],
)
def test_auto_top_up_that_comes_too_late_is_refused(crossing: int, terms: dict[str, Any]) -> None:
    assert code(auto_top_up(crossing), wallet_account(balance=5, **{**DUE, **terms})) is Code.TOP_UP_NOT_DUE


def test_jobs_of_our_own_about_a_wallet_that_is_not_there_are_refused() -> None:
    for asked in (auto_top_up(1), expire_job(WALLET, str(UUID(int=1)))):
        assert code(asked, None) is Code.WALLET_NOT_FOUND
