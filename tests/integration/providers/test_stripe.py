"""The provider `stripe` against localstripe: what is charged, and how often, whatever becomes of the answers."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

from tasks.auto_topup.provider import ChargeAnswer, ChargeRequest, ProviderStatus
from tests.integration.providers.asked import request
from tests.integration.providers.conftest import TIMEOUT_S
from tests.support.servers.recording_proxy import HELD, LOST, PASSED, Asked
from tests.support.servers.stripe_proxy import SECRET, Account, StripeProxy, error
from worker.providers.stripe import StripeProvider

SUCCEEDED, PENDING, DECLINED = ProviderStatus.SUCCEEDED, ProviderStatus.PENDING, ProviderStatus.DECLINED
NEEDS_ACTION, UNKNOWN = ProviderStatus.NEEDS_ACTION, ProviderStatus.UNKNOWN
# docs.stripe.com/testing
GOOD, OTHER_GOOD = "4242424242424242", "5555555555554444"
DECLINED_LATER = "4000000000000341"  # can be kept, and is declined when it is charged
WANTS_PAYER = "4000002760003184"


def made(asked: list[Asked], charge: ChargeRequest) -> list[Asked]:
    return [each for each in asked if each.headers.get("idempotency-key") == str(charge.id)]


def again(charge: ChargeRequest, **changes: Any) -> ChargeRequest:
    """The same charge, asked for once more."""
    return replace(charge, first_asked_at=datetime.now(UTC), **changes)


def test_a_customer_is_charged(stripe_provider: StripeProvider, stripe_server: StripeProxy, account: Account) -> None:
    customer = account.customer()
    card = account.card(customer, GOOD)
    asked = request(customer, payment_method=card)
    answer = stripe_provider.charge(asked)
    assert answer == ChargeAnswer(SUCCEEDED, reference=answer.reference)
    assert answer.reference
    assert answer.reference.startswith("pi_")
    assert account.charged(customer) == [2_000]
    [seen] = made(stripe_server.asked, asked)
    assert dict(parse_qsl(seen.body.decode())) == {
        "amount": "2000", "currency": "usd", "customer": customer, "payment_method": card, "off_session": "true",
        "confirm": "true", "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never", "metadata[balance_charge]": str(asked.id),
        "metadata[balance_account]": "wallet:w_1", "metadata[balance_credits]": "50",
        "metadata[balance_policy_version]": "3",
    }  # fmt: skip
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert seen.headers["user-agent"] == "balance-worker"
    assert not any("telemetry" in name or "client-user-agent" in name for name in seen.headers)


def test_the_customers_default_is_charged(stripe_provider: StripeProvider, account: Account) -> None:
    customer = account.customer(GOOD)
    assert stripe_provider.charge(request(customer)).status is SUCCEEDED
    assert account.charged(customer) == [2_000]


def test_who_has_nothing_to_pay_with_is_declined(
    stripe_provider: StripeProvider, stripe_server: StripeProxy, account: Account
) -> None:
    none = ChargeAnswer(DECLINED, code="no_payment_method")
    assert stripe_provider.charge(request(account.customer())) == none
    before = len(stripe_server.asked)
    assert stripe_provider.charge(request(None)) == none
    assert len(stripe_server.asked) == before


def test_a_card_that_is_declined(stripe_provider: StripeProvider, account: Account) -> None:
    customer = account.customer(DECLINED_LATER)
    asked = request(customer)
    answers = [stripe_provider.charge(asked), stripe_provider.charge(asked)]
    assert answers == [ChargeAnswer(DECLINED, code="card_declined")] * 2
    looked_up = stripe_provider.charge(again(asked))
    assert looked_up == ChargeAnswer(DECLINED, reference=looked_up.reference, code="card_declined")
    assert looked_up.reference
    assert account.charged(customer) == []


def test_a_payer_who_has_to_confirm_and_does(stripe_provider: StripeProvider, account: Account) -> None:
    customer = account.customer(WANTS_PAYER)
    asked = request(customer)
    answer = stripe_provider.charge(asked)
    assert answer == ChargeAnswer(NEEDS_ACTION, reference=answer.reference, code="authentication_required")
    assert answer.reference
    assert stripe_provider.charge(again(asked, reference=answer.reference)) == answer
    assert account.charged(customer) == []
    account.authenticates(answer.reference)
    assert stripe_provider.charge(asked) == answer, "a repetition under the key gets the first answer"
    known = again(asked, reference=answer.reference)
    assert stripe_provider.charge(known) == ChargeAnswer(SUCCEEDED, reference=answer.reference)
    assert account.charged(customer) == [2_000]


def test_a_lost_answer_is_asked_for_again_and_nobody_pays_twice(
    stripe_provider: StripeProvider, stripe_server: StripeProxy, account: Account
) -> None:
    customer = account.customer()
    asked = request(customer, payment_method=account.card(customer, GOOD))
    stripe_server.spoil(LOST)
    assert stripe_provider.charge(asked) == ChargeAnswer(UNKNOWN, code="connection_lost")
    assert account.charged(customer) == [2_000]
    assert stripe_provider.charge(asked).status is SUCCEEDED, "by the key"
    stripe_server.forget_keys()
    assert stripe_provider.charge(again(asked)).status is SUCCEEDED, "by looking for it"
    assert account.charged(customer) == [2_000]


def test_a_payer_who_chose_another_card_meanwhile_does_not_pay_twice(
    stripe_provider: StripeProvider, stripe_server: StripeProxy, account: Account
) -> None:
    customer = account.customer(GOOD)
    asked = request(customer)
    stripe_server.spoil(PASSED, LOST)  # what the default is, is heard; of the charge nothing
    assert stripe_provider.charge(asked) == ChargeAnswer(UNKNOWN, code="connection_lost")
    account.chooses(customer, account.card(customer, OTHER_GOOD))
    assert stripe_provider.charge(asked).status is SUCCEEDED, "the key's parameters differ; the payment is found"
    assert stripe_provider.charge(again(asked)).status is SUCCEEDED
    assert account.charged(customer) == [2_000]


def test_an_answer_of_500_is_repeated_under_the_key_and_the_payment_is_found(
    stripe_provider: StripeProvider, stripe_server: StripeProxy, account: Account
) -> None:
    customer = account.customer()
    asked = request(customer, payment_method=account.card(customer, GOOD))
    stripe_server.fail_after_charging()
    assert stripe_provider.charge(asked) == ChargeAnswer(UNKNOWN, code="http_500")
    assert stripe_provider.charge(asked) == ChargeAnswer(UNKNOWN, code="http_500"), "Stripe repeats that, too"
    assert stripe_provider.charge(again(asked)).status is SUCCEEDED
    assert account.charged(customer) == [2_000]


def test_a_charge_among_many(stripe_provider: StripeProvider, account: Account) -> None:
    customer = account.customer()
    card = account.card(customer, GOOD)
    charges = [request(customer, payment_method=card, amount=1_000 + number) for number in range(45)]
    told = [stripe_provider.charge(each) for each in charges]
    assert [stripe_provider.charge(again(charges[n])) for n in (0, 22, 44)] == [told[n] for n in (0, 22, 44)]
    assert sorted(account.charged(customer)) == [1_000 + number for number in range(45)]


def test_another_attempt_that_is_still_at_work(
    stripe_provider: StripeProvider, stripe_server: StripeProxy, account: Account
) -> None:
    customer = account.customer()
    asked = request(customer, payment_method=account.card(customer, GOOD))
    told: list[ChargeAnswer] = []
    with stripe_server.at_work():
        first = Thread(target=lambda: told.append(stripe_provider.charge(asked)))
        first.start()
        stripe_server.wait_for(asked.id)
        assert stripe_provider.charge(asked) == ChargeAnswer(UNKNOWN, code="idempotency_conflict")
    first.join(TIMEOUT_S)
    assert [answer.status for answer in told] == [SUCCEEDED]
    assert account.charged(customer) == [2_000]


def test_the_same_key_for_another_charge(stripe_provider: StripeProvider, account: Account) -> None:
    customer = account.customer()
    asked = request(customer, payment_method=account.card(customer, GOOD))
    assert stripe_provider.charge(asked).status is SUCCEEDED
    other = request(customer, payment_method=asked.payment_method, id=asked.id, amount=5)
    assert stripe_provider.charge(other) == ChargeAnswer(UNKNOWN, code="contradictory_answer")
    assert account.charged(customer) == [2_000]


def test_stripe_is_away_for_a_while(
    stripe_provider: StripeProvider, stripe_server: StripeProxy, account: Account
) -> None:
    customer = account.customer()
    asked = request(customer, payment_method=account.card(customer, GOOD))
    stripe_server.go_down()
    try:
        assert stripe_provider.charge(asked) == ChargeAnswer(UNKNOWN, code="not_connected")
    finally:
        stripe_server.come_up()
    assert stripe_provider.charge(again(asked)).status is SUCCEEDED
    assert account.charged(customer) == [2_000]


def test_stripe_does_not_answer_in_time(stripe_server: StripeProxy, account: Account) -> None:
    customer = account.customer()
    asked = request(customer, payment_method=account.card(customer, GOOD))
    with closing(StripeProvider(SECRET, base_url=stripe_server.url, timeout_s=0.5)) as provider:
        stripe_server.spoil(HELD)
        assert provider.charge(asked) == ChargeAnswer(UNKNOWN, code="timed_out")
    with closing(StripeProvider(SECRET, base_url=stripe_server.url, timeout_s=TIMEOUT_S)) as provider:
        assert provider.charge(again(asked)).status is SUCCEEDED
    assert account.charged(customer) == [2_000]


def test_a_key_that_stripe_does_not_know(stripe_server: StripeProxy, account: Account) -> None:
    customer = account.customer(GOOD)
    with closing(StripeProvider("another", base_url=stripe_server.url, timeout_s=TIMEOUT_S)) as provider:
        assert provider.charge(request(customer)) == ChargeAnswer(UNKNOWN, code="provider_authentication")
    assert account.charged(customer) == []


def test_what_cannot_be_charged_exactly_is_not_asked_for(
    stripe_provider: StripeProvider, stripe_server: StripeProxy
) -> None:
    before = len(stripe_server.asked)
    answer = stripe_provider.charge(request("cus_1", amount=5_124, currency="KWD"))
    assert answer == ChargeAnswer(DECLINED, code="amount_not_chargeable")
    assert len(stripe_server.asked) == before


def test_amounts_are_written_as_stripe_writes_them(stripe_provider: StripeProvider, account: Account) -> None:
    customer = account.customer()
    card = account.card(customer, GOOD)
    for amount, currency in ((500, "JPY"), (5, "ISK"), (5_120, "KWD"), (300, "MGA")):
        asked = request(customer, payment_method=card, amount=amount, currency=currency)
        assert stripe_provider.charge(asked).status is SUCCEEDED
    assert account.charged(customer) == [500, 500, 5_120, 3]


def test_an_error_of_the_service_in_front(stripe_provider: StripeProvider, stripe_server: StripeProxy) -> None:
    stripe_server.spoil(error(403, type="invalid_request_error", message="This key may not do that."))
    assert stripe_provider.charge(request("cus_1")) == ChargeAnswer(UNKNOWN, code="provider_authentication")
