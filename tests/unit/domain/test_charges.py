"""What becomes of a charge: all that can be told of it in each of its states, and what that does to the policy."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from models.domain.accounts import Account, UserStatus, WalletStatus
from models.domain.charging.charges import COUNTED, OPEN, Cause, Charge, ChargeStatus
from models.domain.charging.policies import Policy, ProviderName, TopUpTrigger
from models.domain.deciding.commands import SETTLE_CHARGE
from models.domain.deciding.decision import Charging, Decision, DecisionContext, Original
from models.domain.events import EventType
from models.domain.jobs.decide import decide
from models.domain.ledger import Entry, EntryDetails, EntryKind
from models.domain.outcome import Code, Refusal
from tests.support.builders import LIMITS, NOW, job, user_account, wallet_account

ID: Final = UUID(int=77)
CREDITED_BY: Final = UUID(int=78)
OTHER: Final = UUID(int=79)
JOB: Final = UUID(int=99)
ON: Final[dict[str, Any]] = {
    "trigger": TopUpTrigger.BALANCE_BELOW_THRESHOLD,
    "threshold": 10,
    "amount": 50,
    "provider": ProviderName.HTTP,
    "topped_up_at": NOW - timedelta(days=1),
    "crossing": 3,
}
P, A, S, D, V, R = ChargeStatus
ASKED: Final = (S, D, A, V, R)
SETTLED, UNCHANGED = Code.CHARGE_SETTLED, Code.UNCHANGED
# What is told, by what it was before: (the answer, units that the balance changes by).
TOLD: Final[dict[ChargeStatus, dict[ChargeStatus, tuple[Code, int]]]] = {
    P: {S: (Code.APPLIED, 50), D: (Code.APPLIED, 0), A: (Code.APPLIED, 0), V: (Code.APPLIED, 0), R: (SETTLED, 0)},
    A: {S: (Code.APPLIED, 50), D: (Code.APPLIED, 0), A: (UNCHANGED, 0), V: (Code.APPLIED, 0), R: (SETTLED, 0)},
    S: {S: (UNCHANGED, 0), D: (SETTLED, 0), A: (SETTLED, 0), V: (SETTLED, 0), R: (Code.APPLIED, -50)},
    D: {S: (Code.APPLIED, 50), D: (UNCHANGED, 0), A: (SETTLED, 0), V: (SETTLED, 0), R: (SETTLED, 0)},
    V: {S: (Code.APPLIED, 50), D: (SETTLED, 0), A: (SETTLED, 0), V: (UNCHANGED, 0), R: (SETTLED, 0)},
    R: {S: (UNCHANGED, 0), D: (SETTLED, 0), A: (SETTLED, 0), V: (SETTLED, 0), R: (UNCHANGED, 0)},
}


def charge_of(status: ChargeStatus, **changes: Any) -> Charge:
    open_ = status in OPEN
    made = Charge(
        ID, 1, 1, Cause.THRESHOLD, 50, 5000, "USD", ProviderName.HTTP, None, None, status, NOW - timedelta(days=1),
        None if open_ else NOW, CREDITED_BY if status in (S, R) else None, asked=True,
    )  # fmt: skip
    return replace(made, **changes)


def standing(status: ChargeStatus, /, **terms: Any) -> Account:
    """A wallet with such a charge: open, it is the policy's; credited, its credits are there."""
    state = {"open_charge": ID} if status in OPEN else {}
    return wallet_account(**{"balance": 50 if status is S else 0, **ON, **state, **terms})


def credit(account: Account) -> Original:
    details = EntryDetails(EntryKind.CREDIT, CREDITED_BY, NOW)
    return Original(SETTLE_CHARGE, "p", (Entry(account.id, account.key, 1, 50, 50, details),))


def told(
    account: Account, charge: Charge, status: ChargeStatus, reversed_: int = 0, **fields: Any
) -> Decision | Refusal:
    context = DecisionContext(
        NOW, LIMITS, originals={CREDITED_BY: credit(account)}, reversed={(1, 1): reversed_},
        charging=Charging(charges={ID: charge}),
    )  # fmt: skip
    asked = job("charges.settle", charge_id=str(ID), status=status.value, **fields)
    return decide(replace(asked, id=JOB), account, context)


def applied(account: Account, charge: Charge, status: ChargeStatus, **fields: Any) -> tuple[Account, Policy, Charge]:
    decision = told(account, charge, status, **fields)
    assert isinstance(decision, Decision), decision
    assert decision.code is Code.APPLIED
    assert decision.charge is not None
    assert decision.account.policy is not None
    return decision.account, decision.account.policy, decision.charge


@pytest.mark.parametrize("after", ASKED)
@pytest.mark.parametrize("before", ChargeStatus)
def test_each_thing_told_in_each_state(before: ChargeStatus, after: ChargeStatus) -> None:
    account, charge = standing(before), charge_of(before)
    decision = told(account, charge, after, reference="ref", code="word", link="https://pay.example/1")
    code, moved = TOLD[before][after]
    assert decision.code is code
    if isinstance(decision, Refusal):
        assert code is SETTLED
        assert decision.details["status"] == before.value
        return
    assert decision.account.balance - account.balance == moved
    assert (0 if decision.entry is None else decision.entry.amount) == moved
    if code is UNCHANGED:
        assert (decision.account, decision.charge, decision.events) == (account, None, ())
        return
    settled = decision.charge
    assert settled is not None
    assert (settled.status, settled.reference, settled.code) == (after, "ref", "word")
    assert settled.settled_at == (None if after is A else NOW)
    assert settled.link == ("https://pay.example/1" if after is A else None)
    assert settled.credited_by == {S: JOB, R: CREDITED_BY}.get(after)
    policy = decision.account.policy
    assert policy is not None
    assert policy.open_charge == (ID if after is A else None)
    assert replace(settled, status=before, settled_at=charge.settled_at, link=None, reference=None, code=None,
                   credited_by=charge.credited_by) == charge, "nothing else of it changes"  # fmt: skip


def test_the_table_is_whole() -> None:
    assert all(TOLD[before].keys() == {*ASKED} for before in ChargeStatus)
    assert set(COUNTED) == {P, A, S, R}


@pytest.mark.parametrize("kind", ["wallet", "user"])
def test_a_charge_that_succeeded_is_credited_as_bought(kind: str) -> None:
    account = standing(P)
    if kind == "user":
        account = replace(user_account(), policy=account.policy)
    decision = told(account, charge_of(P), S)
    assert isinstance(decision, Decision)
    assert decision.entry is not None
    details = decision.entry.details
    assert details.kind is (EntryKind.CREDIT if kind == "wallet" else EntryKind.DEPOSIT)
    assert (details.reason, details.job_id) == ("PURCHASED_CREDIT_DIRECT", JOB)


def test_an_unknown_charge_is_not_found() -> None:
    asked = job("charges.settle", charge_id=str(ID), status="void")
    assert decide(asked, None, DecisionContext(NOW, LIMITS)).code is Code.CHARGE_NOT_FOUND


# --- declines


@pytest.mark.parametrize(
    ("terms", "code", "waits", "suspended"),
    [
        ({}, "card_declined", timedelta(hours=1), None),
        ({"declines": 1}, "card_declined", timedelta(hours=2), None),
        ({"declines": 2}, "card_declined", None, "card_declined"),
        ({"declines": 2}, None, None, "declined"),
        ({"declines": 0, "max_declines": 1}, "card_declined", None, "card_declined"),
        ({"declines": 3, "max_declines": 9}, "card_declined", timedelta(hours=8), None),
        ({"declines": 5, "max_declines": 9}, "card_declined", timedelta(days=1), None),
        ({"declines": 98, "max_declines": 100}, "card_declined", timedelta(days=1), None),
        ({"declines": 99, "max_declines": 100}, "card_declined", None, "card_declined"),
        ({"max_declines": 100}, "no_payment_method", None, "no_payment_method"),
    ],
)
def test_a_decline_waits_twice_as_long_until_it_suspends(
    terms: dict[str, Any], code: str | None, waits: timedelta | None, suspended: str | None
) -> None:
    decision = told(standing(P, **terms), charge_of(P), D, code=code)
    assert isinstance(decision, Decision)
    policy = decision.account.policy
    assert policy is not None
    assert (policy.declines, policy.suspended) == (terms.get("declines", 0) + 1, suspended)
    assert policy.not_before == policy.due_at == (None if waits is None else NOW + waits)
    told_of = {EventType.AUTO_TOP_UP_DECLINED, *([EventType.AUTO_TOP_UP_SUSPENDED] if suspended else [])}
    assert {*decision.events} - {EventType.WALLET_BALANCE_DROPPED} == told_of


def test_a_success_ends_the_row_of_declines() -> None:
    account, policy, _ = applied(standing(P, declines=2), charge_of(P), S)
    assert (account.balance, policy.declines, policy.not_before, policy.due_at) == (50, 0, None, None)


def test_a_success_that_does_not_reach_the_threshold_is_followed() -> None:
    _, policy, _ = applied(standing(P, balance=-90, floor=-100), charge_of(P), S)
    assert (policy.due_at, policy.crossing) == (NOW, 4)


# --- what the payer has to confirm


def test_needs_action_suspends_until_the_payer_has_confirmed() -> None:
    link = "https://pay.example/1"
    decision = told(standing(P), charge_of(P), A, link=link)
    assert isinstance(decision, Decision)
    assert {EventType.CHARGE_NEEDS_ACTION, EventType.AUTO_TOP_UP_SUSPENDED} <= {*decision.events}
    policy = decision.account.policy
    assert policy is not None
    assert (policy.suspended, policy.due_at, policy.open_charge) == ("needs_action", None, ID)
    assert decision.charge is not None
    account, policy, charge = applied(decision.account, decision.charge, S)
    assert (account.balance, policy.suspended, charge.link) == (50, None, None)


@pytest.mark.parametrize("suspended", ["refunded", "card_declined"])
def test_what_else_has_suspended_it_is_not_lifted_by_a_success(suspended: str) -> None:
    account, policy, _ = applied(standing(P, suspended=suspended), charge_of(P), S)
    assert (account.balance, policy.suspended, policy.due_at) == (50, suspended, None)


def test_a_late_success_does_not_confirm_another_charge() -> None:
    account = standing(V, open_charge=OTHER, suspended="needs_action")
    account, policy, _ = applied(account, charge_of(V), S)
    assert (account.balance, policy.suspended, policy.open_charge) == (50, "needs_action", OTHER)
    _, policy, _ = applied(standing(V, suspended="needs_action"), charge_of(V), S)
    assert policy.suspended is None, "it is the one that was confirmed"


def test_a_late_decline_of_what_is_suspended_counts_nothing() -> None:
    _, policy, _ = applied(standing(A, suspended="needs_action", declines=1), charge_of(A), D)
    assert (policy.suspended, policy.declines, policy.open_charge) == ("needs_action", 1, None)


# --- given back


@pytest.mark.parametrize(("balance", "reversed_", "left"), [(50, 0, 0), (3, 0, -47), (20, 30, 0), (0, 50, 0)])
def test_what_is_given_back_is_taken_whole_and_not_bought_again(balance: int, reversed_: int, left: int) -> None:
    account, policy, charge = applied(
        standing(S, balance=balance), charge_of(S), R, reversed_=reversed_, code="dispute"
    )
    assert (account.balance, charge.status, charge.code) == (left, R, "dispute")
    assert (policy.suspended, policy.due_at, policy.wanted) == ("refunded", None, None)


# --- accounts that are not in use


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (standing(P, status=WalletStatus.FROZEN), Code.APPLIED),
        (standing(P, status=WalletStatus.CLOSED), Code.WALLET_CLOSED),
        (replace(user_account(status=UserStatus.BLOCKED), policy=standing(P).policy), Code.APPLIED),
        (replace(user_account(status=UserStatus.DELETED), policy=standing(P).policy), Code.APPLIED),
        (replace(standing(P), balance=2**63 - 50), Code.BALANCE_OVERFLOW),
        (replace(standing(P), policy=None), Code.APPLIED),
    ],
)
def test_money_that_was_taken_is_credited_wherever_it_can_be(account: Account, code: Code) -> None:
    decision = told(account, charge_of(P), S)
    assert decision.code is code
    if isinstance(decision, Decision):
        assert decision.account.balance == 50
        assert decision.account.policy is None or decision.account.policy.due_at is None


@pytest.mark.parametrize("status", [D, V, A])
def test_what_took_no_money_is_noted_of_a_closed_wallet_too(status: ChargeStatus) -> None:
    applied(standing(P, status=WalletStatus.CLOSED), charge_of(P), status)


@pytest.mark.parametrize(("status", "code"), [(P, Code.CHARGE_OPEN), (A, Code.CHARGE_OPEN), (V, Code.APPLIED)])
def test_a_wallet_is_not_terminated_over_an_open_charge(status: ChargeStatus, code: Code) -> None:
    decision = decide(job("wallets.terminate", wallet_id="w"), standing(status), DecisionContext(NOW, LIMITS))
    assert decision.code is code


# --- cancel


@pytest.mark.parametrize(
    ("charge", "given_up"),
    [
        (charge_of(P, asked=False), True),
        (charge_of(P, asked=True), False),
        (charge_of(A, asked=True), True),
        (charge_of(S), False),
        (charge_of(D), False),
        (charge_of(V), False),
        (charge_of(R), False),
        (None, False),
    ],
    ids=["waits", "asked for", "needs action", "succeeded", "declined", "void", "refunded", "none"],
)  # fmt: skip
def test_cancel_gives_up_what_was_certainly_not_charged(charge: Charge | None, given_up: bool) -> None:
    account = standing(V if charge is None else charge.status)
    context = DecisionContext(NOW, LIMITS, charging=Charging(charges={} if charge is None else {ID: charge}))
    decision = decide(job("auto_topup.cancel", account="wallet:w"), account, context)
    assert isinstance(decision, Decision)
    policy = decision.account.policy
    assert policy is not None
    assert (policy.trigger, policy.due_at) == (TopUpTrigger.DISABLED, None)
    assert (decision.charge is not None) is given_up
    if decision.charge is not None:
        assert (decision.charge.status, decision.charge.code, decision.charge.settled_at) == (V, "cancelled", NOW)
    open_ = charge is not None and charge.status in OPEN and not given_up
    assert policy.open_charge == (ID if open_ else None)
    again = decide(job("auto_topup.cancel", account="wallet:w"), decision.account, context)
    assert again.code is Code.UNCHANGED


def test_what_was_cancelled_and_confirmed_later_is_credited() -> None:
    account = standing(V, trigger=TopUpTrigger.DISABLED)
    account, policy, charge = applied(account, charge_of(V), S)
    assert (account.balance, charge.status, policy.due_at) == (50, S, None)
