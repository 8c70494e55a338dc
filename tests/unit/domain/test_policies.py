"""auto_topup.set_policy and what goes with it: what makes sense, what is taken over, and how the three fields map."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from models.domain import money
from models.domain.accounts import Account, UserStatus, WalletStatus
from models.domain.auto_topup import due as autotopup
from models.domain.charging.charges import Cause
from models.domain.charging.policies import Interval, Policy, ProviderName, Reason, TopUpTrigger
from models.domain.deciding.decision import Charging, Decision, DecisionContext
from models.domain.events import EventType
from models.domain.jobs.decide import decide
from models.domain.jobs.top_ups.policy_terms import unsound
from models.domain.outcome import Code, Refusal
from tests.support.builders import LIMITS, NOW, grant, job, user_account, wallet_account

BELOW: Final = TopUpTrigger.BALANCE_BELOW_THRESHOLD
LEVEL: Final[dict[str, Any]] = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 50}
DAILY: Final[dict[str, Any]] = {"trigger": "interval", "interval": "daily", "amount": 50}
ON: Final[dict[str, Any]] = {"trigger": BELOW, "threshold": 10, "amount": 50}
FIELDS: Final = {
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": 10,
    "auto_topup_amount": 50,
}
DAY: Final = timedelta(days=1)


def answer(
    account: Account | None, name: str = "auto_topup.set_policy", /, *, later: timedelta = timedelta(0), **fields: Any
) -> Decision | Refusal:
    given = {"wallet_id": "w"} if name.startswith("wallets") else {"account": "wallet:w"}
    return decide(
        replace(job(name, **{**given, **fields}), id=UUID(int=99)),
        account,
        DecisionContext(NOW + later, LIMITS, charging=Charging()),
    )


def agreed(account: Account, name: str = "auto_topup.set_policy", /, **fields: Any) -> Account:
    decision = answer(account, name, **fields)
    assert isinstance(decision, Decision), decision
    assert decision.account.policy is not None
    return decision.account


def policy_of(account: Account) -> Policy:
    assert account.policy is not None
    return account.policy


# --- what makes sense

INTERVAL: Final[dict[str, Any]] = {"trigger": TopUpTrigger.INTERVAL, "interval": Interval.DAILY, "amount": 5}
UNSOUND: Final[list[tuple[dict[str, Any], Code, str]]] = [
    ({**ON, "amount": None}, Code.POLICY_INCOMPLETE, "amount"),
    ({**ON, "target": 60}, Code.POLICY_INCOMPLETE, "amount"),
    ({**INTERVAL, "amount": None}, Code.POLICY_INCOMPLETE, "amount"),
    ({**INTERVAL, "target": 5}, Code.POLICY_INCOMPLETE, "amount"),
    ({**ON, "threshold": None}, Code.POLICY_INCOMPLETE, "threshold"),
    ({**INTERVAL, "interval": None}, Code.POLICY_INCOMPLETE, "interval"),
    ({**ON, "amount": None, "target": 9}, Code.POLICY_CONTRADICTORY, "target_balance"),
    ({**ON, "charge_min": 50, "charge_max": 49}, Code.POLICY_CONTRADICTORY, "max_charge"),
    ({**ON, "charge_min": 51}, Code.POLICY_CONTRADICTORY, "amount"),
    ({**ON, "charge_max": 49}, Code.POLICY_CONTRADICTORY, "amount"),
    ({**ON, "monthly_cap": 49}, Code.POLICY_CONTRADICTORY, "monthly_cap"),
    ({**ON, "amount": None, "target": 60, "charge_min": 9, "monthly_cap": 8}, Code.POLICY_CONTRADICTORY, "monthly_cap"),
    ({**ON, "amount": money.UNITS_MAX - 9}, Code.BALANCE_OVERFLOW, "amount"),
    ({"trigger": TopUpTrigger.DISABLED, "target": 5, "threshold": 6}, Code.POLICY_CONTRADICTORY, "target_balance"),
]
SOUND: Final[list[dict[str, Any]]] = [
    ON, INTERVAL, {"trigger": TopUpTrigger.DISABLED},
    {**ON, "amount": None, "target": 10},
    {**ON, "charge_min": 50, "charge_max": 50, "monthly_cap": 50},
    {**ON, "amount": money.UNITS_MAX - 10},
    {**ON, "amount": None, "target": 60, "charge_max": 5, "monthly_cap": 3},
    {**INTERVAL, "threshold": 10},
]  # fmt: skip


@pytest.mark.parametrize("case", UNSOUND, ids=lambda case: " ".join(f"{name}={said}" for name, said in case[0].items()))
def test_what_makes_no_sense_is_refused(case: tuple[dict[str, Any], Code, str]) -> None:
    terms, code, field = case
    refusal = unsound(Policy(**terms))
    assert refusal is not None
    assert (refusal.code, refusal.details["field"]) == (code, field)


@pytest.mark.parametrize("terms", SOUND)
def test_what_makes_sense(terms: dict[str, Any]) -> None:
    assert unsound(Policy(**terms)) is None


@pytest.mark.parametrize(
    ("account", "fields", "code"),
    [
        (None, LEVEL, Code.WALLET_NOT_FOUND),
        (None, {**LEVEL, "account": "user:7"}, Code.USER_NOT_FOUND),
        (wallet_account(status=WalletStatus.CLOSED), LEVEL, Code.WALLET_CLOSED),
        (wallet_account(), {**LEVEL, "amount": "0.5"}, Code.SCALE_EXCEEDED),
        (wallet_account(), {**LEVEL, "monthly_cap": "1e19"}, Code.BALANCE_OVERFLOW),
        (wallet_account(currency="XYZ"), {**LEVEL, "provider": "http"}, Code.CURRENCY_UNKNOWN),
        (wallet_account(currency="XYZ"), LEVEL, Code.APPLIED),
        (wallet_account(status=WalletStatus.FROZEN), LEVEL, Code.APPLIED),
        (wallet_account(), {**DAILY, "anchor": "0001-01-01T00:00:00Z", "timezone": "America/New_York"}, Code.APPLIED),
    ],
)  # fmt: skip
def test_where_a_policy_can_be_set(account: Account | None, fields: dict[str, Any], code: Code) -> None:
    assert answer(account, **fields).code is code


# --- what is taken over


def test_a_new_policy_is_in_force_at_once() -> None:
    policy = policy_of(agreed(wallet_account(), **LEVEL))
    assert (policy.version, policy.due_at, policy.crossing) == (1, NOW, 1)
    assert policy_of(agreed(wallet_account(status=WalletStatus.FROZEN), **LEVEL)).due_at is None
    user = replace(user_account(balance=999), unit="RUB")
    assert policy_of(agreed(user, account="user:7", **LEVEL)).due_at == NOW
    blocked = replace(user_account(balance=999, status=UserStatus.BLOCKED), unit="RUB")
    assert policy_of(agreed(blocked, account="user:7", **LEVEL)).due_at is None


def test_what_it_had_come_to_stands_and_what_held_it_back_is_agreed_to_anew() -> None:
    state: dict[str, Any] = {
        "version": 4, "crossing": 7, "topped_up_at": NOW - DAY, "reason": Reason.FIRED, "open_charge": UUID(int=1),
        "suspended": "refunded", "declines": 2, "not_before": NOW + DAY, "target": None, "monthly_cap": 60,
    }  # fmt: skip
    policy = policy_of(agreed(wallet_account(**ON, **{**state, "balance": 0}), **LEVEL))
    assert policy == Policy(
        BELOW,
        10,
        50,
        version=5,
        crossing=7,
        topped_up_at=NOW - DAY,
        reason=Reason.FIRED,
        open_charge=UUID(int=1),
        dropped=True,
    ), "one charge at a time: it is looked at when that one is settled"
    without = policy_of(agreed(wallet_account(**ON, **{**state, "open_charge": None}), **LEVEL))
    assert (without.due_at, without.crossing) == (NOW, 8)


def test_the_cooldown_is_not_begun_anew() -> None:
    cooling = wallet_account(**ON, topped_up_at=NOW)
    assert policy_of(agreed(cooling, **LEVEL)).due_at == NOW + LIMITS.top_up_cooldown
    assert policy_of(agreed(cooling, **LEVEL, cooldown_s=0)).due_at == NOW


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (DAILY, DAILY, True),
        (DAILY, {**DAILY, "amount": 60, "monthly_cap": 90}, True),
        ({**DAILY, "anchor": "2030-01-01T06:00:00Z"}, {**DAILY, "anchor": "2030-01-01T06:00:00Z"}, True),
        ({**DAILY, "anchor": "2030-01-01T06:00:00Z"}, DAILY, True),
        (DAILY, {**DAILY, "interval": "weekly"}, False),
        (DAILY, {**DAILY, "timezone": "Asia/Tokyo"}, False),
    ],
)
def test_an_interval_that_is_agreed_to_again_is_not_due_again(
    first: dict[str, Any], second: dict[str, Any], kept: bool
) -> None:
    """Who changes the cap of a monthly top-up has not asked for one more."""
    account = agreed(wallet_account(), **first)
    account = autotopup.changed(account, next_at=NOW + DAY)  # today's was taken
    again = policy_of(agreed(account, later=timedelta(hours=1), **second))
    assert (again.next_at == NOW + DAY) is kept
    assert kept or again.next_at == NOW + timedelta(hours=1)


def test_an_interval_after_another_trigger_begins_now() -> None:
    account = agreed(agreed(wallet_account(balance=50), **DAILY), **LEVEL)
    assert policy_of(account).due_at is None
    assert policy_of(agreed(account, **DAILY)).next_at == NOW


@pytest.mark.parametrize(
    ("anchor", "hours"), [("2030-01-01T12:00:00Z", 0), ("2030-01-01T13:00:00Z", 1), ("2020-05-05T11:00:00Z", 23)]
)
def test_the_first_time(anchor: str, hours: int) -> None:
    policy = policy_of(agreed(wallet_account(), **DAILY, anchor=anchor))
    assert policy.next_at == policy.due_at == NOW + timedelta(hours=hours)


# --- run_now, resume


def test_run_now_at_any_level_without_waiting() -> None:
    account = wallet_account(
        **ON, balance=500, topped_up_at=NOW, declines=1, not_before=NOW + DAY, provider=ProviderName.HTTP
    )
    decision = answer(account, "auto_topup.run_now")
    assert isinstance(decision, Decision)
    assert decision.charge is not None
    assert (decision.charge.cause, decision.charge.units, decision.charge.amount) == (Cause.RUN_NOW, 50, 5000)
    policy = policy_of(decision.account)
    assert (policy.open_charge, policy.due_at, policy.not_before) == (decision.charge.id, None, None)
    held = answer(decision.account, "auto_topup.run_now")
    assert isinstance(held, Refusal)
    assert held.details == {"reason": "charge_pending"}
    assert answer(wallet_account(), "auto_topup.run_now").code is Code.POLICY_NOT_FOUND


def test_run_now_does_not_move_the_interval() -> None:
    account = wallet_account(
        trigger=TopUpTrigger.INTERVAL, interval=Interval.DAILY, anchor=NOW - DAY / 2, amount=5, next_at=NOW + DAY / 2
    )
    assert policy_of(agreed(account, "auto_topup.run_now")).next_at == NOW + DAY / 2


def test_resume_puts_it_in_force_and_counts_declines_anew() -> None:
    account = wallet_account(**ON, suspended="card_declined", declines=3, not_before=NOW + DAY)
    decision = answer(account, "auto_topup.resume")
    assert isinstance(decision, Decision)
    policy = policy_of(decision.account)
    assert (policy.suspended, policy.declines, policy.due_at) == (None, 0, NOW)
    assert EventType.AUTO_TOP_UP_RESUMED in decision.events
    assert answer(decision.account, "auto_topup.resume").code is Code.UNCHANGED
    assert answer(wallet_account(), "auto_topup.resume").code is Code.POLICY_NOT_FOUND


# --- the three fields of the source's wallet


def test_the_three_fields_are_a_policy() -> None:
    made = policy_of(agreed(wallet_account(), "wallets.update", **FIELDS))
    assert made == Policy(BELOW, 10, 50, version=1, due_at=NOW, crossing=1, dropped=True)
    assert made == policy_of(agreed(wallet_account(), **LEVEL))


def test_the_three_fields_leave_the_rest_of_the_policy() -> None:
    account = agreed(
        wallet_account(balance=20), **{**LEVEL, "amount": None}, target_balance=60, monthly_cap=90, payer="p"
    )
    after = policy_of(agreed(account, "wallets.update", auto_topup_min_balance=30))
    assert (after.threshold, after.target, after.monthly_cap, after.version, after.due_at) == (30, 60, 90, 2, NOW)
    fixed = policy_of(agreed(account, "wallets.update", auto_topup_amount=40))
    assert (fixed.amount, fixed.target, fixed.payer) == (40, None, "p")
    assert answer(account, "wallets.update", auto_topup_amount=91).code is Code.POLICY_CONTRADICTORY
    assert answer(account, "wallets.update", auto_topup_min_balance=61).code is Code.POLICY_CONTRADICTORY
    off = policy_of(agreed(account, "wallets.update", auto_topup_trigger="disabled"))
    assert (off.trigger, off.due_at, off.target) == (TopUpTrigger.DISABLED, None, 60)


def test_a_smaller_amount_does_not_wait_for_the_end_of_the_month() -> None:
    account = wallet_account(**ON, monthly_cap=90, not_before=NOW + 20 * DAY, due_at=NOW + 20 * DAY, crossing=2)
    assert policy_of(agreed(account, "wallets.update", auto_topup_amount=40)).due_at == NOW
    assert policy_of(agreed(account, "wallets.update", name="x")).due_at == NOW + 20 * DAY
    declined = autotopup.changed(account, declines=1)
    assert policy_of(agreed(declined, "wallets.update", auto_topup_amount=40)).due_at == NOW + 20 * DAY


# --- the level


@pytest.mark.parametrize(
    ("terms", "due_at"),
    [
        ({"open_charge": UUID(int=1)}, None),
        ({"open_charge": UUID(int=1), "balance": 20, "grants": (grant(1, 15, days=1),)}, None),
        ({"balance": 20, "grants": (grant(1, 15, days=1),)}, NOW + DAY),
        ({"balance": 20, "grants": (grant(1, 15, days=1),), "topped_up_at": NOW}, NOW + DAY),
        ({"provider": ProviderName.STRIPE}, None),
        ({"not_before": NOW + DAY}, NOW + DAY),
        ({"not_before": NOW + DAY, "topped_up_at": NOW + 2 * DAY}, NOW + 2 * DAY + LIMITS.top_up_cooldown),
        ({"not_before": NOW - DAY}, NOW),
        ({"suspended": "refunded"}, None),
        ({"amount": money.UNITS_MAX, "balance": 1}, None),
    ],
)  # fmt: skip
def test_when_it_is_looked_at(terms: dict[str, Any], due_at: Any) -> None:
    assert policy_of(autotopup.noted(wallet_account(**{**ON, **terms}), DecisionContext(NOW, LIMITS))).due_at == due_at


def test_what_is_wanted_while_a_charge_is_open_is_remembered_and_covered_by_it() -> None:
    account = wallet_account(**ON, balance=14, open_charge=UUID(int=1))
    refused = answer(account, "wallets.debit", credits=60)
    assert isinstance(refused, Decision)
    assert (policy_of(refused.account).wanted, policy_of(refused.account).due_at) == (60, None)
    paid = replace(autotopup.changed(refused.account, open_charge=None), balance=64)
    assert policy_of(autotopup.noted(paid, DecisionContext(NOW, LIMITS))).wanted is None
    declined = autotopup.changed(refused.account, open_charge=None)
    assert policy_of(autotopup.noted(declined, DecisionContext(NOW, LIMITS))).due_at == NOW
