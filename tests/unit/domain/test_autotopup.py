"""Crossing the minimum: when a wallet is armed for a top-up, disarmed, and what is told."""

from dataclasses import replace
from typing import Any

import pytest

from models.domain import autotopup
from models.domain.accounts import TopUpTrigger, Wallet, WalletStatus
from models.domain.events import EventType
from tests.builders import NOW, wallet_account

DROPPED, RECOVERED = (EventType.WALLET_BALANCE_DROPPED,), (EventType.WALLET_BALANCE_RECOVERED,)
ON: dict[str, Any] = {"trigger": TopUpTrigger.BALANCE_BELOW_THRESHOLD, "min_balance": 10, "top_up_amount": 50}
OFF = {**ON, "trigger": TopUpTrigger.DISABLED}
FROZEN = {**ON, "status": WalletStatus.FROZEN}
CLOSED = {**ON, "status": WalletStatus.CLOSED}
ARMED, UNARMED = True, False

# name, (balance, terms) before, armed before, (balance, terms) after, armed after, number of crossings, events
Side = tuple[int, dict[str, Any]]
CASES: list[tuple[str, Side, bool, Side, bool, int, tuple[EventType, ...]]] = [
    ("falls below", (10, ON), UNARMED, (9, ON), ARMED, 1, DROPPED),
    ("falls to the minimum", (11, ON), UNARMED, (10, ON), UNARMED, 0, ()),
    ("falls further, armed", (9, ON), ARMED, (8, ON), ARMED, 0, ()),
    ("falls further, topped up too little before", (9, ON), UNARMED, (8, ON), ARMED, 1, ()),
    ("stays below", (9, ON), ARMED, (9, ON), ARMED, 0, ()),
    ("rises, still below", (5, ON), ARMED, (9, ON), ARMED, 0, ()),
    ("rises, still below, never armed", (0, ON), UNARMED, (9, ON), UNARMED, 0, ()),
    ("rises to the minimum", (9, ON), ARMED, (10, ON), UNARMED, 0, RECOVERED),
    ("rises above, never armed", (0, ON), UNARMED, (50, ON), UNARMED, 0, RECOVERED),
    ("moves above", (50, ON), UNARMED, (40, ON), UNARMED, 0, ()),
    ("falls with the trigger off", (10, OFF), UNARMED, (5, OFF), UNARMED, 0, ()),
    ("switched on below", (5, OFF), UNARMED, (5, ON), ARMED, 1, DROPPED),
    ("switched on above", (50, OFF), UNARMED, (50, ON), UNARMED, 0, ()),
    ("switched off below", (5, ON), ARMED, (5, OFF), UNARMED, 0, ()),
    ("minimum raised above the balance", (15, ON), UNARMED, (15, {**ON, "min_balance": 20}), ARMED, 1, DROPPED),
    ("minimum lowered under the balance", (5, ON), ARMED, (5, {**ON, "min_balance": 5}), UNARMED, 0, RECOVERED),
    ("frozen below", (5, ON), ARMED, (5, FROZEN), UNARMED, 0, ()),
    ("thawed below", (5, FROZEN), UNARMED, (5, ON), ARMED, 1, DROPPED),
    ("closed below", (5, ON), ARMED, (0, CLOSED), UNARMED, 0, ()),
    ("expires below while frozen", (10, FROZEN), UNARMED, (5, FROZEN), UNARMED, 0, ()),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_follow(case: tuple[str, Side, bool, Side, bool, int, tuple[EventType, ...]]) -> None:
    _, (old, old_terms), was_armed, (new, new_terms), is_armed, crossings, events = case
    armed_at = NOW if was_armed else None
    before = wallet_account(balance=old, **old_terms, due_at=armed_at, crossing=3)
    later = NOW.replace(year=2031)
    after = replace(wallet_account(balance=new, **new_terms, due_at=armed_at, crossing=3), updated_at=later)
    followed, told = autotopup.follow(before, after)
    wallet = followed.face
    assert isinstance(wallet, Wallet)
    assert (wallet.due_at is not None, wallet.crossing - 3, told) == (is_armed, crossings, events)
    if is_armed:
        assert wallet.due_at == (NOW if was_armed else later), "since when it is due"
    assert replace(followed, face=after.face) == after, "nothing else changes"


def test_follow_leaves_an_account_alone_that_has_nothing_to_follow() -> None:
    account = wallet_account(balance=50, **ON)
    assert autotopup.follow(account, account)[0] is account


def test_one_crossing_at_a_time() -> None:
    account = wallet_account(balance=10, **ON)
    for balance in (9, 8, 7):
        account, _ = autotopup.follow(account, replace(account, balance=balance))
    assert isinstance(account.face, Wallet)
    assert account.face.crossing == 1


@pytest.mark.parametrize(
    ("balance", "terms", "expected"),
    [(9, ON, True), (10, ON, False), (9, OFF, False), (9, FROZEN, False), (9, CLOSED, False)],
)
def test_below(balance: int, terms: dict[str, Any], expected: bool) -> None:
    assert autotopup.below(wallet_account(balance=balance, **terms)) is expected


def test_fulfil_answers_the_crossing_and_keeps_its_number() -> None:
    fulfilled = autotopup.fulfil(wallet_account(balance=5, **ON, due_at=NOW, crossing=3)).face
    assert isinstance(fulfilled, Wallet)
    assert (fulfilled.due_at, fulfilled.crossing) == (None, 3)
