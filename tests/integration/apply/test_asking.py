"""Asking a provider: until it is known what became of a charge, and no longer."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine

from models.domain.charging.policies import ProviderName
from tasks.auto_topup.charging import Asker, AskPolicy
from tasks.auto_topup.provider import ChargeAnswer, ChargeRequest, ProviderStatus
from tests.support.answering import Answering
from tests.support.builders import applier, balance, done, execute, rows

PAY = "https://pay.example/1"
CONFIRM = ChargeAnswer(ProviderStatus.NEEDS_ACTION, "r", "authentication_required", PAY)
CHARGED = ChargeAnswer(ProviderStatus.SUCCEEDED, "r")
UNKNOWN = ChargeAnswer(ProviderStatus.UNKNOWN, code="timed_out")
DECLINED = ChargeAnswer(ProviderStatus.DECLINED, code="card_declined")


class Scripted:
    """A provider that answers so, one after the other, and keeps what it was asked."""

    def __init__(self, answers: Sequence[ChargeAnswer | Exception]) -> None:
        self._answers, self.asked = iter(answers), list[ChargeRequest]()

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        self.asked.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def fired(engine: Engine) -> str:
    """The id of a charge that waits to be asked for."""
    done(engine, "wallets.create", wallet_id="w", scale=0)
    level = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 50, "provider": "http"}
    done(engine, "auto_topup.set_policy", account="wallet:w", cooldown_s=3_600, **level)
    return str(done(engine, "auto_topup.run_now", account="wallet:w")["job_id"])


def ask(engine: Engine, provider: Scripted, **policy: Any) -> int:
    """As if the time for it had come."""
    execute(engine, "update charges set ask_at = now() where ask_at is not null")
    return Asker(applier(engine), {ProviderName.HTTP: provider}, AskPolicy(**policy)).ask_due()


def charge(engine: Engine) -> dict[str, Any]:
    [found] = rows(engine, "select status, code, link, reference, attempts, ask_at, answer, credited_by from charges")
    return found


def suspended(engine: Engine) -> Any:
    return rows(engine, "select suspended from policies")[0]["suspended"]


def test_a_payer_who_confirms_later_is_noticed_without_a_webhook(engine: Engine, fired: str) -> None:
    provider = Scripted([CONFIRM, CONFIRM, CHARGED])
    assert ask(engine, provider) == 1
    assert (charge(engine)["status"], charge(engine)["link"], suspended(engine)) == (
        "needs_action",
        PAY,
        "needs_action",
    )
    assert charge(engine)["ask_at"] is not None
    assert ask(engine, provider) == 0, "it says the same"
    assert ask(engine, provider) == 1
    assert (charge(engine)["status"], suspended(engine), balance(engine, "wallet:w")) == ("succeeded", None, 50)
    assert charge(engine)["ask_at"] is None
    assert {str(request.id) for request in provider.asked} == {fired}
    assert [request.first_asked_at is None for request in provider.asked] == [True, False, False]


@pytest.mark.usefixtures("fired")
def test_a_payer_who_does_not_confirm_is_asked_for_no_more(engine: Engine) -> None:
    ask(engine, Scripted([CONFIRM]), give_up_s=0)
    assert (charge(engine)["status"], charge(engine)["ask_at"]) == ("needs_action", None)
    done(engine, "auto_topup.cancel", account="wallet:w")
    assert charge(engine)["status"] == "void"


@pytest.mark.usefixtures("fired")
@pytest.mark.parametrize("answer", [UNKNOWN, ChargeAnswer(ProviderStatus.PENDING, "r"), ValueError("a fault of ours")])
def test_what_is_not_known_is_asked_again_and_nothing_is_charged_anew(
    engine: Engine, answer: ChargeAnswer | Exception
) -> None:
    provider = Scripted([answer, answer, CHARGED])
    assert (ask(engine, provider), ask(engine, provider)) == (0, 0)
    assert (charge(engine)["status"], charge(engine)["attempts"]) == ("pending", 2)
    assert charge(engine)["ask_at"] is not None
    assert ask(engine, provider) == 1
    assert balance(engine, "wallet:w") == 50
    assert len({request.id for request in provider.asked}) == 1


@pytest.mark.usefixtures("fired")
def test_a_declined_charge_is_not_asked_for_again(engine: Engine) -> None:
    provider = Scripted([DECLINED])
    assert (ask(engine, provider), ask(engine, provider)) == (1, 0)
    assert (charge(engine)["status"], charge(engine)["code"], balance(engine, "wallet:w")) == (
        "declined", "card_declined", 0,
    )  # fmt: skip


def test_a_charge_that_was_settled_meanwhile_stays_as_it_is(engine: Engine, fired: str) -> None:
    class Slow:
        def charge(self, _request: ChargeRequest) -> ChargeAnswer:
            done(engine, "charges.settle", charge_id=fired, status="succeeded", reference="webhook")
            return DECLINED

    Asker(applier(engine), {ProviderName.HTTP: Slow()}).ask_due()
    assert (charge(engine)["status"], charge(engine)["reference"]) == ("succeeded", "webhook")
    assert (charge(engine)["ask_at"], balance(engine, "wallet:w")) == (None, 50)


@pytest.mark.usefixtures("fired")
def test_nobody_else_asks_while_a_claim_lasts(engine: Engine) -> None:
    other = Scripted([])

    class Meanwhile:
        def charge(self, _request: ChargeRequest) -> ChargeAnswer:
            assert Asker(applier(engine), {ProviderName.HTTP: other}).ask_due() == 0
            return CHARGED

    assert Asker(applier(engine), {ProviderName.HTTP: Meanwhile()}).ask_due() == 1
    assert other.asked == []


@pytest.mark.parametrize(
    ("currency", "minor_units"), [("JPY", 500), ("USD", 50_000), ("KWD", 500_000)], ids=["none", "two", "three"]
)
def test_a_charge_is_asked_for_in_the_smallest_unit_of_its_currency(
    engine: Engine, currency: str, minor_units: int
) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=0, currency=currency, conversion_rate=10)
    terms = {"trigger": "interval", "interval": "monthly", "amount": 50, "provider": "http"}
    done(engine, "auto_topup.set_policy", account="wallet:w", **terms)
    done(engine, "auto_topup.run_now", account="wallet:w")
    provider = Answering(ProviderStatus.SUCCEEDED)
    assert Asker(applier(engine), {ProviderName.HTTP: provider}).ask_due() == 1
    assert [(each.amount, each.currency, each.credits) for each in provider.asked] == [(minor_units, currency, "50")]


@pytest.mark.usefixtures("fired")
def test_what_was_charged_is_credited_to_a_wallet_that_was_frozen_meanwhile(engine: Engine) -> None:
    done(engine, "wallets.update", wallet_id="w", wallet_status="frozen")
    assert ask(engine, Scripted([CHARGED])) == 1
    assert (charge(engine)["status"], balance(engine, "wallet:w")) == ("succeeded", 50)


def test_a_user_is_charged_in_roubles(engine: Engine) -> None:
    done(engine, "users.upsert", user_id=7)
    level = {"trigger": "balance_below_threshold", "threshold": "99.50", "target_balance": "500", "provider": "http"}
    done(engine, "auto_topup.set_policy", account="user:7", **level)
    done(engine, "users.update_balance", user_id=7, amount_kopeks=1)
    done(engine, "auto_topup.run_now", account="user:7")
    provider = Answering(ProviderStatus.SUCCEEDED)
    assert Asker(applier(engine), {ProviderName.HTTP: provider}).ask_due() == 1
    assert [(each.amount, each.currency, each.account) for each in provider.asked] == [(49_999, "RUB", "user:7")]
    assert balance(engine, "user:7") == 50_000
