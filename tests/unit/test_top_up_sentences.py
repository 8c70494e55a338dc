"""Why an account is topped up or not: for every reason a sentence that says what would have to change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from models.domain import money
from models.domain.accounts import Account, AccountKey, Kind, WalletStatus
from models.domain.auto_topup.calendar import month_of
from models.domain.auto_topup.evaluation import Hold, evaluate, place
from models.domain.charging.charges import Cause, Charge, ChargeStatus
from models.domain.charging.policies import Interval, ProviderName, Reason, TopUpTrigger
from models.domain.credits import balance as credits
from models.domain.deciding.decision import Charging, DecisionContext
from models.store.read.charges import ChargeShown
from models.store.read.top_ups import TopUpStanding
from models.store.write.top_ups.switches import Switch
from tests.support.builders import LIMITS, NOW, user_account, wallet_account
from worker.wording.top_ups import sentence

ID = UUID(int=7)
HOUR = timedelta(hours=1)
ON: dict[str, Any] = {
    "trigger": TopUpTrigger.BALANCE_BELOW_THRESHOLD,
    "threshold": 10,
    "amount": 50,
    "provider": ProviderName.HTTP,
    "due_at": NOW - HOUR,
}
MONTHLY: dict[str, Any] = {**ON, "trigger": TopUpTrigger.INTERVAL, "interval": Interval.MONTHLY, "anchor": NOW - HOUR}
CHARGE = Charge(
    ID, 1, 1, Cause.THRESHOLD, 50, 5000, "USD", ProviderName.HTTP, "p", None, ChargeStatus.PENDING, NOW, asked=True
)
SHOWN = ChargeShown(CHARGE, AccountKey(Kind.WALLET, "w"), 0, 3, NOW + HOUR, "unknown: timeout")
OPEN = {**ON, "open_charge": ID, "due_at": None}
TOLD = f"charge {ID} of 50.00 USD at http"
PAUSE = Switch(is_on=False, set_at=NOW - HOUR, set_by="olga", reason="ticket 17")


def confirming(link: str | None = "https://pay.example/x") -> ChargeShown:
    return replace(SHOWN, ask_at=None, charge=replace(CHARGE, status=ChargeStatus.NEEDS_ACTION, link=link))


def stands(account: Account, charged: int = 0, on: bool = True, **known: Any) -> TopUpStanding:
    """As it is read, with the one decision about it."""
    switch = known.get("switch")
    charging = Charging(
        paused=switch is not None or not on, charged={account.id: {month_of(NOW, place(account))[0]: charged}}
    )
    context = DecisionContext(NOW, LIMITS, charging=charging)
    plain: dict[str, Any] = dict.fromkeys(("charge", "last_decline", "suspended_at", "switch"))
    return TopUpStanding(
        account=account,
        at=NOW,
        spendable=credits.spendable(account, NOW),
        result=evaluate(account, context),
        unpaused=evaluate(account, replace(context, charging=replace(charging, paused=False))),
        charged=charged,
        month_ends=month_of(NOW, place(account))[1],
        **plain | known,
    )


def wallet(balance: int = 0, terms: dict[str, Any] = ON, **more: Any) -> Account:
    return wallet_account(balance=balance, **{**terms, **more})


# The reason that the decision gives, how it stands, and the sentence after "wallet:w is not topped up: "
CASES: list[tuple[Reason, TopUpStanding, str]] = [
    (
        Reason.DISABLED,
        stands(wallet_account()),
        "it has no auto top-up policy; agree to one: `balance-worker publish auto_topup.set_policy --list` has its"
        " terms",
    ),
    (
        Reason.DISABLED,
        stands(wallet(terms={**OPEN, "trigger": TopUpTrigger.DISABLED}), charge=SHOWN),
        f"its policy is switched off, and {TOLD} is still open; agree to one: `balance-worker publish"
        " auto_topup.set_policy --list` has its terms",
    ),
    (
        Reason.INACTIVE,
        stands(wallet(status=WalletStatus.FROZEN)),
        "it is frozen; it is looked at once it is active again",
    ),
    (
        Reason.SUSPENDED,
        stands(wallet(suspended="card_declined", declines=3), suspended_at=NOW - HOUR),
        "suspended since 2030-01-01T11:00:00Z because the last 3 charges were declined (card_declined); give another"
        " payment method and run `balance-worker auto-topup resume wallet:w`",
    ),
    (
        Reason.SUSPENDED,
        stands(wallet(suspended="no_payment_method", declines=1)),
        "suspended because the last charge was declined (no_payment_method); give another payment method and run"
        " `balance-worker auto-topup resume wallet:w`",
    ),
    (
        Reason.SUSPENDED,
        stands(wallet(suspended="refunded")),
        "suspended because a top-up was given back; if another one is wanted, run `balance-worker auto-topup resume"
        " wallet:w`",
    ),
    (
        Reason.SUSPENDED,
        stands(wallet(terms={**OPEN, "suspended": "needs_action"}), charge=confirming()),
        f"suspended because its payer has to confirm {TOLD}; have it confirmed at https://pay.example/x, and it"
        " goes on",
    ),
    (
        Reason.SUSPENDED,
        stands(wallet(suspended="needs_action")),
        "suspended because a charge that its payer had to confirm was given up; run `balance-worker auto-topup resume"
        " wallet:w`",
    ),
    (
        Reason.CHARGING_PAUSED,
        stands(wallet(), switch=PAUSE),
        "charging is paused for all accounts since 2030-01-01T11:00:00Z by olga (ticket 17); after `balance-worker"
        " charging resume --by NAME` the next scan charges 50.00 USD by http and credits 50",
    ),
    (
        Reason.CHARGING_PAUSED,
        stands(wallet(99), switch=PAUSE),
        "charging is paused for all accounts since 2030-01-01T11:00:00Z by olga (ticket 17); after `balance-worker"
        " charging resume --by NAME` it is held back all the same (above_threshold)",
    ),
    (
        Reason.CHARGING_PAUSED,
        stands(wallet(), on=False),
        "BALANCE_CHARGING is off in these settings; where it is on the next scan charges 50.00 USD by http and"
        " credits 50",
    ),
    (
        Reason.CHARGE_PENDING,
        stands(wallet(terms=OPEN), charge=SHOWN),
        f"{TOLD} was asked for 3 times and the last answer was 'unknown: timeout'; it is asked for again at"
        " 2030-01-01T13:00:00Z",
    ),
    (
        Reason.CHARGE_PENDING,
        stands(wallet(terms=OPEN), charge=replace(SHOWN, attempts=0, answer=None)),
        f"{TOLD} has not been asked for yet; the next tick (within 15 s) asks",
    ),
    (
        Reason.CHARGE_PENDING,
        stands(wallet(terms=OPEN), charge=replace(SHOWN, ask_at=NOW)),
        f"{TOLD} was asked for 3 times and the last answer was 'unknown: timeout'; it is asked for again by the next"
        " tick (within 15 s)",
    ),
    (
        Reason.CHARGE_PENDING,
        stands(wallet(terms=OPEN), charge=replace(SHOWN, attempts=1, answer=None)),
        f"{TOLD} was asked for once and there is no answer yet; it is asked for again at 2030-01-01T13:00:00Z",
    ),
    (
        Reason.CHARGE_PENDING,
        stands(wallet(terms=OPEN), charge=replace(SHOWN, ask_at=None)),
        f"{TOLD} was asked for 3 times and the last answer was 'unknown: timeout', and nobody is asked any more; look"
        f" it up at the provider, then run `balance-worker charges settle {ID} --status …`",
    ),
    (
        Reason.CHARGE_PENDING,
        stands(wallet(terms=OPEN), charge=confirming(link=None)),
        f"{TOLD} waits for its payer; have it confirmed, or `balance-worker auto-topup cancel wallet:w` gives it up",
    ),
    (
        Reason.NO_PAYMENT_METHOD,
        stands(wallet(provider=ProviderName.STRIPE)),
        "its policy names nobody whom stripe could charge; set one that names a payer",
    ),
    (
        Reason.ABOVE_THRESHOLD,
        stands(wallet(10, due_at=None)),
        "10 can be spent and its threshold is 10; it is looked at once less than that can be spent",
    ),
    (
        Reason.ABOVE_THRESHOLD,
        stands(wallet(10, due_at=NOW + HOUR)),
        "10 can be spent and its threshold is 10; it is looked at once less than that can be spent, and at"
        " 2030-01-01T13:00:00Z, when credits of it run out",
    ),
    (
        Reason.ABOVE_THRESHOLD,
        stands(wallet(40, {**MONTHLY, "amount": None, "target": 30, "next_at": NOW})),
        "40 can be spent and its target is 30; its interval's next time looks again",
    ),
    (
        Reason.NOT_YET,
        stands(wallet(terms={**MONTHLY, "next_at": NOW + HOUR})),
        "its interval is monthly; its next time is 2030-01-01T13:00:00Z",
    ),
    (
        Reason.COOLDOWN,
        stands(wallet(topped_up_at=NOW, cooldown_s=3600)),
        "it was topped up at 2030-01-01T12:00:00Z; the next one may follow at 2030-01-01T13:00:00Z",
    ),
    (
        Reason.DECLINED,
        stands(wallet(declines=2, not_before=NOW + HOUR), last_decline="card_declined"),
        "its last charge was declined (card_declined), 2 in a row of 3 that suspend it; the next one is tried at"
        " 2030-01-01T13:00:00Z",
    ),
    (
        Reason.DOES_NOT_FIT,
        stands(wallet(amount=money.UNITS_MAX, conversion_rate=Decimal(9))),
        "the top-up is more than an account can hold, or than can be charged at once; set a policy that adds less",
    ),
    (
        Reason.AMOUNT_TOO_SMALL,
        stands(wallet(conversion_rate=Decimal("0.00001"))),
        "the top-up costs less than the smallest unit of USD; set a policy that adds more",
    ),
    (
        Reason.CAP_REACHED,
        stands(wallet(monthly_cap=90, timezone="Europe/Riga"), charged=50),
        "50 of its monthly cap of 90 is charged and the top-up would pass it; the month ends at 2030-01-31T22:00:00Z"
        " (2030-02-01 00:00 in Europe/Riga), or set a policy with another cap",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "found", "said"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_a_sentence_says_why_and_what_then(reason: Reason, found: TopUpStanding, said: str) -> None:
    assert isinstance(found.result, Hold)
    assert found.result.reason is reason
    assert sentence(found, 15) == f"wallet:w is not topped up: {said}"


def test_every_reason_has_a_sentence() -> None:
    assert {reason for reason, _, _ in CASES} | {Reason.FIRED} == set(Reason)


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (
            wallet(),
            "wallet:w is due since 2030-01-01T11:00:00Z: the next scan (within 15 s) charges 50.00 USD by http and"
            " credits 50",
        ),
        (
            wallet(due_at=NOW + HOUR),
            "wallet:w is to be topped up: the look at 2030-01-01T13:00:00Z charges 50.00 USD by http and credits 50",
        ),
        (
            wallet(due_at=None),
            "wallet:w is to be topped up: the next job on it has it looked at, and that charges 50.00 USD by http and"
            " credits 50",
        ),
        (
            wallet(provider=ProviderName.NONE, currency="JPY"),
            "wallet:w is due since 2030-01-01T11:00:00Z: the next scan (within 15 s) credits 50 for 50 JPY, which"
            " somebody else invoices",
        ),
    ],
)
def test_what_fires_says_when_and_how_much(account: Account, said: str) -> None:
    assert sentence(stands(account), 15) == said


def test_a_user_is_told_of_in_roubles() -> None:
    policy = wallet(2000, threshold=1000, due_at=None).policy
    found = stands(replace(user_account(balance=2000), policy=policy, unit="RUB"))
    assert sentence(found, 15).startswith("user:7 is not topped up: 20.00 can be spent and its threshold is 10.00;")


def test_a_month_in_utc_is_said_once() -> None:
    found = stands(wallet(monthly_cap=50), charged=50)
    assert found.month_ends == datetime(2030, 2, 1, tzinfo=UTC)
    assert "the month ends at 2030-02-01T00:00:00Z, or" in sentence(found, 15)
