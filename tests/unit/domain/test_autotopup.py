"""The level below which a wallet is due: when the scan has to look, and what is told."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from models.domain.accounts import Account, WalletStatus
from models.domain.auto_topup import due as autotopup
from models.domain.auto_topup import evaluation
from models.domain.charging.policies import Policy, TopUpTrigger
from models.domain.deciding.decision import DecisionContext
from models.domain.events import EventType
from tests.support.builders import NOW, grant, wallet_account

DROPPED, RECOVERED = (EventType.WALLET_BALANCE_DROPPED,), (EventType.WALLET_BALANCE_RECOVERED,)
ON: dict[str, Any] = {"trigger": TopUpTrigger.BALANCE_BELOW_THRESHOLD, "threshold": 10, "amount": 50}
OFF = {**ON, "trigger": TopUpTrigger.DISABLED}
FROZEN = {**ON, "status": WalletStatus.FROZEN}
CLOSED = {**ON, "status": WalletStatus.CLOSED}
SUSPENDED = {**ON, "suspended": autotopup.REFUNDED}
DUE, NOT_DUE = True, False
FACTS = DecisionContext(NOW)
COOLDOWN = FACTS.limits.top_up_cooldown

# name, (balance, terms) before, due before, (balance, terms) after, due after, number of new looks, events
Side = tuple[int, dict[str, Any]]
CASES: list[tuple[str, Side, bool, Side, bool, int, tuple[EventType, ...]]] = [
    ("falls below", (10, ON), NOT_DUE, (9, ON), DUE, 1, DROPPED),
    ("falls to the minimum", (11, ON), NOT_DUE, (10, ON), NOT_DUE, 0, ()),
    ("falls further", (9, ON), DUE, (8, ON), DUE, 0, ()),
    ("rises, still below", (5, ON), DUE, (9, ON), DUE, 0, ()),
    ("rises, still below, never noted", (0, ON), NOT_DUE, (9, ON), DUE, 1, ()),
    ("rises to the minimum", (9, ON), DUE, (10, ON), NOT_DUE, 0, RECOVERED),
    ("moves above", (50, ON), NOT_DUE, (40, ON), NOT_DUE, 0, ()),
    ("falls with the trigger off", (10, OFF), NOT_DUE, (5, OFF), NOT_DUE, 0, ()),
    ("switched on below", (5, OFF), NOT_DUE, (5, ON), DUE, 1, DROPPED),
    ("switched on above", (50, OFF), NOT_DUE, (50, ON), NOT_DUE, 0, ()),
    ("switched off below", (5, ON), DUE, (5, OFF), NOT_DUE, 0, ()),
    ("minimum raised above the balance", (15, ON), NOT_DUE, (15, {**ON, "threshold": 20}), DUE, 1, DROPPED),
    ("minimum lowered under the balance", (5, ON), DUE, (5, {**ON, "threshold": 5}), NOT_DUE, 0, RECOVERED),
    ("frozen below", (5, ON), DUE, (5, FROZEN), NOT_DUE, 0, ()),
    ("thawed below", (5, FROZEN), NOT_DUE, (5, ON), DUE, 1, DROPPED),
    ("closed below", (5, ON), DUE, (0, CLOSED), NOT_DUE, 0, ()),
    ("suspended", (5, ON), DUE, (5, SUSPENDED), NOT_DUE, 0, ()),
    ("switched on again", (5, SUSPENDED), NOT_DUE, (5, ON), DUE, 1, DROPPED),
    ("in debt within its floor", (10, ON), NOT_DUE, (-900, ON), DUE, 1, DROPPED),
]


def policy_of(account: Account) -> Policy:
    assert account.policy is not None
    return account.policy


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_follow(case: tuple[str, Side, bool, Side, bool, int, tuple[EventType, ...]]) -> None:
    _, (old, old_terms), was_due, (new, new_terms), is_due, looks, events = case
    earlier = NOW - timedelta(days=1)
    since = earlier if was_due else None
    before = replace(wallet_account(balance=old, **old_terms, due_at=since, crossing=3), updated_at=earlier)
    told_before = evaluation.below(before, earlier)
    after = wallet_account(balance=new, **new_terms, due_at=since, crossing=3, dropped=told_before)
    followed, told = autotopup.follow(after, FACTS)
    policy = policy_of(followed)
    assert (policy.due_at is not None, policy.crossing - 3, told) == (is_due, looks, events)
    if is_due:
        assert policy.due_at == (earlier if was_due else NOW), "since when it is due"
    assert policy.dropped is (told == DROPPED or (told_before and told != RECOVERED))
    assert replace(followed, policy=after.policy) == after, "nothing else changes"


def test_follow_leaves_an_account_alone_that_has_nothing_to_follow() -> None:
    account = wallet_account(balance=50, **ON)
    assert autotopup.follow(account, FACTS)[0] is account


@pytest.mark.parametrize(
    ("topped_up_at", "due_at"),
    [(None, NOW), (NOW - COOLDOWN, NOW), (NOW - COOLDOWN / 2, NOW + COOLDOWN / 2), (NOW, NOW + COOLDOWN)],
    ids=["never topped up", "cooled down", "cooling", "just topped up"],
)
def test_after_a_top_up_the_next_look_waits_for_the_cooldown(topped_up_at: datetime | None, due_at: datetime) -> None:
    account = wallet_account(balance=5, **ON, topped_up_at=topped_up_at)
    assert policy_of(autotopup.noted(account, FACTS)).due_at == due_at


def test_what_will_expire_is_looked_at_then() -> None:
    account = wallet_account(balance=30, grants=(grant(1, 10, days=2), grant(2, 10, days=1), grant(3, 0, days=0)), **ON)
    assert policy_of(autotopup.noted(account, FACTS)).due_at == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("balance", "level", "noted"),
    [(14, 15, True), (14, 64, True), (14, 65, False), (14, 10**9, False), (9, 15, False)],
    ids=["a little more", "just reached", "out of reach", "a mistaken debit", "due anyway"],
)
def test_a_refused_debit_makes_it_due_when_one_top_up_would_do(balance: int, level: int, noted: bool) -> None:
    after = autotopup.wants(wallet_account(balance=balance, **ON), level, FACTS)
    assert (after is not None) is noted
    if after is not None:
        assert (policy_of(after).due_at, policy_of(after).wanted) == (NOW, level)
        richer = replace(after, balance=level)
        assert policy_of(autotopup.noted(richer, FACTS)).wanted is None, "what came from elsewhere will do"


@pytest.mark.parametrize(
    ("balance", "terms", "expected"),
    [(9, ON, True), (10, ON, False), (9, OFF, False), (9, FROZEN, False), (9, CLOSED, False), (9, SUSPENDED, False)],
)
def test_below(balance: int, terms: dict[str, Any], expected: bool) -> None:
    assert evaluation.below(wallet_account(balance=balance, **terms), NOW) is expected


def test_a_look_uses_its_number_up() -> None:
    assert policy_of(autotopup.looked(wallet_account(balance=5, **ON, due_at=NOW, crossing=3), FACTS)).crossing == 4
    recovered = policy_of(autotopup.looked(wallet_account(balance=50, **ON, due_at=NOW, crossing=3), FACTS))
    assert (recovered.due_at, recovered.crossing) == (None, 3)
