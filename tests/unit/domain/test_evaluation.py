"""The one decision of auto top-up: each reason, who comes before whom, how much it is worth, and what it costs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any, Final
from uuid import UUID

import pytest

from models.domain import money
from models.domain.accounts import Account, UserStatus, WalletStatus
from models.domain.auto_topup.calendar import month_of
from models.domain.auto_topup.evaluation import Fire, Hold, charged_for, evaluate, place, worth
from models.domain.charging.charges import Cause
from models.domain.charging.policies import Interval, Policy, ProviderName, Reason, TopUpTrigger
from models.domain.deciding.decision import Charging, DecisionContext
from tests.support.builders import LIMITS, NOW, grant, user_account, wallet_account

ON: Final[dict[str, Any]] = {"trigger": TopUpTrigger.BALANCE_BELOW_THRESHOLD, "threshold": 10, "amount": 50}
SOON: Final = NOW + timedelta(hours=1)
MONTH: Final = month_of(NOW, None)
INTERVAL: Final = {"trigger": TopUpTrigger.INTERVAL, "interval": Interval.DAILY, "anchor": NOW}
# In their order: (reason, what brings it about, until when, what suspended it).
REASONS: Final[list[tuple[Reason, dict[str, Any], datetime | None, str | None]]] = [
    (Reason.DISABLED, {"trigger": TopUpTrigger.DISABLED}, None, None),
    (Reason.INACTIVE, {"status": WalletStatus.FROZEN}, None, None),
    (Reason.SUSPENDED, {"suspended": "card_declined"}, None, "card_declined"),
    (Reason.CHARGING_PAUSED, {"paused": True}, None, None),
    (Reason.CHARGE_PENDING, {"open_charge": UUID(int=1)}, None, None),
    (Reason.NO_PAYMENT_METHOD, {"provider": ProviderName.STRIPE}, None, None),
    (Reason.NOT_YET, {**INTERVAL, "next_at": SOON}, SOON, None),
    (Reason.ABOVE_THRESHOLD, {"balance": 10}, None, None),
    (Reason.DECLINED, {"declines": 1, "not_before": SOON}, SOON, None),
    (Reason.COOLDOWN, {"topped_up_at": NOW, "cooldown_s": 60}, NOW + timedelta(minutes=1), None),
    (Reason.DOES_NOT_FIT, {"amount": money.UNITS_MAX, "conversion_rate": Decimal(1)}, None, None),
    (Reason.AMOUNT_TOO_SMALL, {"conversion_rate": Decimal("0.00001")}, None, None),
    (Reason.CAP_REACHED, {"monthly_cap": 50, "charged": 1}, MONTH[1], None),
]
EARLY: Final = {Reason.NOT_YET, Reason.ABOVE_THRESHOLD, Reason.DECLINED, Reason.COOLDOWN}
"""What does not count when somebody wants it now."""


def stood(**terms: Any) -> tuple[Account, DecisionContext]:
    """A wallet with nothing and a policy that would fire, but for these; what is known beside it."""
    given = {"balance": 0, **ON, **terms}
    charging = Charging(given.pop("paused", False), {1: {MONTH[0]: given.pop("charged", 0)}})
    return wallet_account(**given), DecisionContext(NOW, LIMITS, charging=charging)


def decided(*, asked: bool = False, **terms: Any) -> Fire | Hold:
    return evaluate(*stood(**terms), asked=asked)


def test_nothing_in_the_way() -> None:
    assert decided() == Fire(50, 5000, Cause.THRESHOLD)
    assert decided(asked=True) == Fire(50, 5000, Cause.RUN_NOW)


@pytest.mark.parametrize(("reason", "terms", "until", "code"), REASONS, ids=[str(case[0]) for case in REASONS])
def test_each_reason_alone(reason: Reason, terms: dict[str, Any], until: datetime | None, code: str | None) -> None:
    assert decided(**terms) == Hold(reason, until, code)
    if reason in EARLY:
        assert isinstance(decided(asked=True, **terms), Fire)
    else:
        assert decided(asked=True, **terms) == Hold(reason, until, code)


@pytest.mark.parametrize(
    ("first", "second"), list(combinations(REASONS, 2)), ids=lambda case: str(case[0]) if case else ""
)
def test_the_earlier_reason_is_told(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    result = decided(**{**second[1], **first[1]})
    assert isinstance(result, Hold)
    assert result.reason is first[0]


def test_every_reason_but_one_is_in_the_table() -> None:
    assert {reason for reason, *_ in REASONS} == {*Reason} - {Reason.FIRED}
    assert decided(trigger=TopUpTrigger.DISABLED) == evaluate(wallet_account(), DecisionContext(NOW, LIMITS))


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("status", [UserStatus.BLOCKED, UserStatus.DELETED, UserStatus.ACTIVE])
def test_of_a_user(status: UserStatus, asked: bool) -> None:
    user = replace(user_account(balance=999, status=status), policy=Policy(**{**ON, "threshold": 1000}), unit="RUB")
    fired = Fire(50, 50, Cause.RUN_NOW if asked else Cause.THRESHOLD)
    expected = fired if status is UserStatus.ACTIVE else Hold(Reason.INACTIVE)
    assert evaluate(user, DecisionContext(NOW, LIMITS), asked=asked) == expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"balance": 9}, Cause.THRESHOLD),
        ({"balance": 10}, Reason.ABOVE_THRESHOLD),
        ({"balance": 14, "wanted": 15}, Cause.REFUSED_JOB),
        ({"balance": 14, "wanted": 64}, Cause.REFUSED_JOB),
        ({"balance": 14, "wanted": 65}, Reason.ABOVE_THRESHOLD),
        ({"balance": 15, "wanted": 15}, Reason.ABOVE_THRESHOLD),
        ({"balance": 9, "wanted": 15}, Cause.THRESHOLD),
        ({"balance": -900, "floor": -1000}, Cause.THRESHOLD),
        ({"balance": 12, "grants": (grant(1, 3, days=0),)}, Cause.THRESHOLD),
        ({"balance": 12, "grants": (grant(1, 3, days=1),)}, Reason.ABOVE_THRESHOLD),
        ({"balance": 0, "amount": 4}, Cause.THRESHOLD),
        ({**INTERVAL, "next_at": NOW, "balance": 10**6}, Cause.INTERVAL),
        ({**INTERVAL, "next_at": NOW - timedelta(days=400)}, Cause.INTERVAL),
        ({**INTERVAL, "next_at": NOW, "amount": None, "target": 20, "balance": 20}, Reason.ABOVE_THRESHOLD),
        ({**INTERVAL, "next_at": NOW, "amount": None, "target": 21, "balance": 20}, Cause.INTERVAL),
        ({"declines": 1, "not_before": NOW}, Cause.THRESHOLD),
        ({"declines": 0, "not_before": SOON}, Cause.THRESHOLD),
        ({"topped_up_at": NOW - timedelta(seconds=60)}, Cause.THRESHOLD),
        ({"topped_up_at": NOW - timedelta(seconds=59)}, Reason.COOLDOWN),
        ({"topped_up_at": NOW, "cooldown_s": 0}, Cause.THRESHOLD),
        ({"monthly_cap": 50, "charged": 0}, Cause.THRESHOLD),
        ({"monthly_cap": 99, "charged": 50}, Reason.CAP_REACHED),
        ({"provider": ProviderName.STRIPE, "payer": "cus_1"}, Cause.THRESHOLD),
        ({"provider": ProviderName.HTTP}, Cause.THRESHOLD),
        ({"status": WalletStatus.CLOSED}, Reason.INACTIVE),
    ],
)  # fmt: skip
def test_a_look(terms: dict[str, Any], expected: Cause | Reason) -> None:
    result = decided(**terms)
    assert (result.cause if isinstance(result, Fire) else result.reason) is expected


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"amount": 50, "balance": 10**6}, 50),
        ({"amount": 50, "charge_min": 60, "charge_max": 40, "monthly_cap": 1}, 50),
        ({"target": 30}, 30),
        ({"target": 30, "balance": 29}, 1),
        ({"target": 30, "balance": 30}, 0),
        ({"target": 30, "balance": 31, "charge_min": 5}, 0),
        ({"target": 30, "balance": 29, "charge_min": 5}, 5),
        ({"target": 30, "balance": -70, "charge_max": 60}, 60),
        ({"target": 30, "monthly_cap": 20}, 20),
        ({"target": 30, "monthly_cap": 20, "charge_max": 10}, 10),
        ({"target": 30, "balance": 29, "charge_min": 5, "charge_max": 3}, 3),
        ({"target": 30, "balance": 20, "grants": (grant(1, 10, days=0),)}, 20),
        ({}, 0),
    ],
)
def test_worth(terms: dict[str, Any], expected: int) -> None:
    account = wallet_account(**{"trigger": TopUpTrigger.BALANCE_BELOW_THRESHOLD, "balance": 0, **terms})
    assert account.policy is not None
    assert worth(account, account.policy, NOW) == expected


@pytest.mark.parametrize(
    ("units", "scale", "rate", "digits", "expected"),
    [
        (50, 0, "1", 2, 5000),
        (50, 0, "1", 0, 50),
        (50, 0, "1", 3, 50_000),
        (1, 2, "1", 0, 0),
        (49, 2, "1", 0, 0),
        (50, 2, "1", 0, 1),
        (150, 2, "1", 0, 2),
        (250, 2, "1", 0, 3),  # half up, not half even
        (1, 3, "5", 2, 1),
        (1, 3, "4.999999999", 2, 0),
        (5, 9, "1000000", 2, 1),
        (1, 18, "0.0000000001", 3, 0),
        (1005, 3, "1", 2, 101),
        (333_333_333, 9, "3", 2, 100),
        (money.UNITS_MAX, 18, "1", 2, 922),
        (money.UNITS_MAX, 2, "1", 2, money.UNITS_MAX),
        (money.UNITS_MAX // 100, 0, "1", 2, money.UNITS_MAX // 100 * 100),
    ],
)  # fmt: skip
def test_what_units_cost_in_the_smallest_unit(units: int, scale: int, rate: str, digits: int, expected: int) -> None:
    account = replace(wallet_account(conversion_rate=Decimal(rate)), scale=scale)
    assert charged_for(account, units, digits) == expected


@pytest.mark.parametrize("rate", ["1", "9999999999999999999999999999"])
def test_a_cost_that_no_number_holds_overflows(rate: str) -> None:
    account = wallet_account(conversion_rate=Decimal(rate))
    with pytest.raises(money.Overflow):
        charged_for(account, money.UNITS_MAX, 3)


def test_the_place_of_a_policy_is_its_own_or_the_wallets() -> None:
    wallet = wallet_account(timezone="Europe/Riga", trigger=TopUpTrigger.DISABLED)
    assert wallet.policy is not None
    assert place(wallet) == "Europe/Riga"
    assert place(replace(wallet, policy=replace(wallet.policy, timezone="Asia/Tokyo"))) == "Asia/Tokyo"
    assert place(wallet_account()) is None
    assert place(user_account()) is None


@pytest.mark.parametrize(
    ("zone", "ends"),
    [("America/New_York", datetime(2030, 1, 1, 5, tzinfo=UTC)), ("Asia/Tokyo", datetime(2030, 1, 31, 15, tzinfo=UTC))],
)
def test_a_cap_is_about_the_month_where_the_policy_is(zone: str, ends: datetime) -> None:
    at = datetime(2030, 1, 1, 4, tzinfo=UTC)
    account = wallet_account(**ON, monthly_cap=50, timezone=zone)
    charging = Charging(False, {1: {month_of(at, zone)[0]: 1}})
    assert evaluate(account, DecisionContext(at, LIMITS, charging=charging)) == Hold(Reason.CAP_REACHED, ends)
    elsewhere = Charging(False, {1: {month_of(at, "Europe/Riga")[0]: 50}})
    assert isinstance(evaluate(account, DecisionContext(at, LIMITS, charging=elsewhere)), Fire)
