"""What Stripe answers beyond what localstripe does, as its API documents it, and what becomes of each."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.auto_topup.provider import ChargeAnswer, ProviderStatus
from tests.integration.providers.asked import request
from tests.support.servers.recording_proxy import Reply
from tests.support.servers.stripe_proxy import SECRET, StripeProxy, error
from worker.providers.stripe import StripeProvider

SUCCEEDED, PENDING, DECLINED = ProviderStatus.SUCCEEDED, ProviderStatus.PENDING, ProviderStatus.DECLINED
NEEDS_ACTION, UNKNOWN = ProviderStatus.NEEDS_ACTION, ProviderStatus.UNKNOWN
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LINK = "https://hooks.stripe.com/redirect/authenticate/src_1"
REDIRECT = {"type": "redirect_to_url", "redirect_to_url": {"url": LINK, "return_url": "https://shop.example/"}}


def payment(status: str, **more: Any) -> Reply:
    content = {
        "id": "pi_1", "object": "payment_intent", "status": status, "amount": 2000, "currency": "usd", "metadata": {},
        "last_payment_error": None, "next_action": None, **more,
    }  # fmt: skip
    return Reply(200, json.dumps(content).encode(), {"Content-Type": "application/json"})


def refused(param: str, code: str | None = None, message: str = "", status: int = 400) -> Reply:
    said = {"type": "invalid_request_error", "param": param, "message": message}
    return error(status, **said, **({} if code is None else {"code": code}))


def card(code: str, decline: str | None = None, **inside: Any) -> Reply:
    intent = {"id": "pi_1", "object": "payment_intent", "status": "requires_payment_method", **inside}
    said = {"type": "card_error", "code": code, "message": "", "payment_intent": intent}
    return error(402, **said, **({} if decline is None else {"decline_code": decline}))


def unknown(code: str, wait_s: float | None = None) -> ChargeAnswer:
    return ChargeAnswer(UNKNOWN, code=code, retry_after_s=wait_s)


def declined(code: str, reference: str | None = None) -> ChargeAnswer:
    return ChargeAnswer(DECLINED, reference=reference, code=code)


AUTHENTICATION = ChargeAnswer(NEEDS_ACTION, reference="pi_1", code="authentication_required")
AUTHENTICATION_AT = ChargeAnswer(NEEDS_ACTION, reference="pi_1", code="authentication_required", link=LINK)
ANSWERS: dict[str, tuple[Reply, ChargeAnswer]] = {
    "succeeded": (payment("succeeded"), ChargeAnswer(SUCCEEDED, reference="pi_1")),
    "processing": (payment("processing"), ChargeAnswer(PENDING, reference="pi_1")),
    "requires_action": (payment("requires_action"), AUTHENTICATION),
    "requires_action, somewhere": (payment("requires_action", next_action=REDIRECT), AUTHENTICATION_AT),
    "failed": (
        payment("requires_payment_method", last_payment_error={"code": "card_declined", "decline_code": "lost_card"}),
        declined("lost_card", "pi_1"),
    ),
    "failed for want of the payer": (
        payment("requires_payment_method", last_payment_error={"code": "authentication_required"}), AUTHENTICATION,
    ),
    "failed to authenticate": (
        payment("requires_payment_method", last_payment_error={"code": "payment_intent_authentication_failure"}),
        declined("payment_intent_authentication_failure", "pi_1"),
    ),
    "failed without a word": (payment("requires_payment_method"), declined("declined", "pi_1")),
    "canceled": (payment("canceled"), declined("canceled", "pi_1")),
    "not captured": (
        payment("requires_capture"), ChargeAnswer(UNKNOWN, reference="pi_1", code="requires_capture"),
    ),
    "another amount": (payment("succeeded", amount=1999), unknown("contradictory_answer")),
    "another currency": (payment("succeeded", currency="eur"), unknown("contradictory_answer")),
    "no payment": (Reply(200, b'{"object": "payment_intent"}'), unknown("unreadable_answer")),
    "no object": (Reply(200, b"[]"), unknown("unreadable_answer")),
    "no JSON": (Reply(200, b"<html>"), unknown("unreadable_answer")),
    "no text": (Reply(200, b"{\xff}"), unknown("unreadable_answer")),
    "too deep": (Reply(200, b"[" * 200_000), unknown("unreadable_answer")),
    "too much": (Reply(200, b" " * ((1 << 20) + 1)), unknown("answer_too_large")),
    "the bank's word": (card("card_declined", "insufficient_funds"), declined("insufficient_funds", "pi_1")),
    "Stripe's word": (card("expired_card"), declined("expired_card", "pi_1")),
    "the payer is wanted": (card("authentication_required"), AUTHENTICATION),
    "the bank wants the payer": (card("card_declined", "authentication_required"), AUTHENTICATION),
    "the payer is wanted there": (card("authentication_required", next_action=REDIRECT), AUTHENTICATION_AT),
    "402 of another form": (error(402, code=7), unknown("http_402")),
    "no customer": (refused("customer", "resource_missing"), declined("no_payment_method")),
    "no payment method": (refused("payment_method", "resource_missing"), declined("no_payment_method")),
    "customers of the other mode": (
        refused("customer", "resource_missing", "No such customer: 'cus_1'; a similar object exists in test mode, but "
                "a live mode key was used to make this request."),
        unknown("key_of_other_mode"),
    ),
    "somebody else's card": (refused("payment_method"), declined("payment_method_unusable")),
    "too little": (refused("amount", "amount_too_small"), declined("amount_too_small")),
    "too much money": (refused("amount", "amount_too_large"), declined("amount_too_large")),
    "no such currency": (refused("currency"), declined("invalid_currency")),
    "a parameter of ours": (refused("off_session", "parameter_unknown"), unknown("parameter_unknown")),
    "a fault of ours": (refused(""), unknown("invalid_request")),
    "a missing account": (refused("account", "resource_missing", status=404), unknown("resource_missing")),
    "the key was used otherwise": (
        error(400, type="idempotency_error", message=""), unknown("idempotency_conflict"),
    ),
    "the key is at work": (error(409, type="idempotency_error", message=""), unknown("idempotency_conflict")),
    "no key": (error(401, type="invalid_request_error", message=""), unknown("provider_authentication")),
    "a key without rights": (error(403, type="invalid_request_error", message=""), unknown("provider_authentication")),
    "too often": (error(429, type="invalid_request_error", code="rate_limit"), unknown("rate_limited")),
    "too often, with a time": (
        Reply(429, b'{"error":{"type":"invalid_request_error"}}', {"Retry-After": "3"}), unknown("rate_limited", 3.0),
    ),
    "too often, said by another": (Reply(429, b"<html>", {"Retry-After": "3"}), unknown("rate_limited", 3.0)),
    "500": (error(500, type="api_error", message=""), unknown("http_500")),
    "503 of another": (Reply(503, b"<html>", {"Retry-After": "3"}), unknown("http_503", 3.0)),
    "404 of another": (Reply(404, b'{"error":"no"}'), unknown("http_404")),
    "a redirect": (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), unknown("unreadable_answer")),
    "no HTTP": (Reply(raw=b"SSH-2.0-OpenSSH\r\n"), unknown("connection_lost")),
}  # fmt: skip


@pytest.fixture
def provider(stripe_server: StripeProxy) -> Any:
    with closing(StripeProvider(SECRET, base_url=stripe_server.url, now=lambda: NOON)) as provider:
        yield provider


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_made_of_an_answer(provider: StripeProvider, stripe_server: StripeProxy, name: str) -> None:
    reply, expected = ANSWERS[name]
    empty = Reply(200, b'{"object":"list","data":[],"has_more":false}')  # nothing is found where it is looked for
    found = [empty] if name == "the key was used otherwise" else []
    before = len(stripe_server.asked)
    stripe_server.spoil(reply, *found)
    assert provider.charge(request("cus_1", payment_method="pm_1")) == expected
    assert len(stripe_server.asked) == before + 1 + len(found), "asked once; whoever charges knows when to ask again"


def test_a_payment_that_stripe_does_not_know_any_more(provider: StripeProvider, stripe_server: StripeProxy) -> None:
    stripe_server.spoil(refused("intent", "resource_missing", status=404))
    assert provider.charge(request("cus_1", reference="pi_9")) == unknown("resource_missing")
    assert stripe_server.asked[-1].path == "/v1/payment_intents/pi_9"


CUSTOMERS: dict[str, Reply] = {
    "missing": refused("id", "resource_missing", status=404),
    "deleted": Reply(200, b'{"id": "cus_1", "object": "customer", "deleted": true}'),
    "without a default": Reply(200, b'{"id": "cus_1", "object": "customer", "invoice_settings": {}}'),
}


@pytest.mark.parametrize("name", CUSTOMERS)
def test_a_customer_who_has_nothing_to_pay_with(
    provider: StripeProvider, stripe_server: StripeProxy, name: str
) -> None:
    stripe_server.spoil(CUSTOMERS[name])
    assert provider.charge(request("cus_1")) == declined("no_payment_method")


def test_a_customer_who_was_set_up_long_ago(provider: StripeProvider, stripe_server: StripeProxy) -> None:
    customer = Reply(200, b'{"id": "cus_1", "object": "customer", "default_source": "card_1"}')
    stripe_server.spoil(customer, payment("succeeded"))
    assert provider.charge(request("cus_1")).status is SUCCEEDED
    assert b"payment_method=card_1" in stripe_server.asked[-1].body


def test_of_two_payments_the_one_that_took_money_is_told(provider: StripeProvider, stripe_server: StripeProxy) -> None:
    asked = request("cus_1", payment_method="pm_1", first_asked_at=NOON)
    shared = {"amount": 2000, "currency": "usd", "metadata": {"balance_charge": str(asked.id)}}
    listed = [
        {"id": "pi_2", "status": "requires_payment_method", **shared},
        {"id": "pi_1", "status": "succeeded", **shared},
    ]
    page = {"object": "list", "has_more": False, "data": listed}
    stripe_server.spoil(Reply(200, json.dumps(page).encode()))
    assert provider.charge(asked) == ChargeAnswer(SUCCEEDED, reference="pi_1")


def test_nothing_is_charged_while_it_cannot_be_looked_up(provider: StripeProvider, stripe_server: StripeProxy) -> None:
    before = len(stripe_server.asked)
    stripe_server.spoil(error(500, type="api_error", message=""))
    assert provider.charge(request("cus_1", payment_method="pm_1", first_asked_at=NOON)) == unknown("http_500")
    stripe_server.spoil(Reply(200, b'{"object":"list"}'))
    assert provider.charge(request("cus_1", payment_method="pm_1", first_asked_at=NOON)) == unknown("unreadable_answer")
    assert [each.method for each in stripe_server.asked[before:]] == ["GET", "GET"]
    seconds = int(NOON.timestamp()) - 3_600
    assert f"created[gte]={seconds}" in stripe_server.asked[-1].path
