"""What comes over the wire, as the verifier of Standard Webhooks' own library sees it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.integration.webhooks.events import event, sender, sent
from tests.support.servers.receiver import Receiver
from worker.outgoing.signature import key_of

BODY = '{"id": "evt_1", "data": {"name": "Ёлка 🎄", "balance": "12.50"}}'


def secret(key: bytes) -> str:
    return f"whsec_{base64.b64encode(key).decode()}"


OLD, NEW, ANOTHER = (
    secret(b"the key as it was before"),
    secret(b"the key as it is by now."),
    secret(b"of somebody else"),
)


def verified(receiver: Receiver, by: str) -> bool:
    asked = receiver.asked[-1]
    try:
        Webhook(by).verify(asked.body, dict(asked.headers))
    except WebhookVerificationError:
        return False
    return True


def test_who_has_the_secret_can_verify(receiver: Receiver) -> None:
    with sender() as sending:
        sent(sending, event(receiver.url, body=BODY.encode(), keys=(key_of(NEW),)))
    assert [verified(receiver, each) for each in (NEW, OLD, ANOTHER)] == [True, False, False]


def test_while_a_secret_is_replaced_both_verify(receiver: Receiver) -> None:
    with sender() as sending:
        sent(sending, event(receiver.url, body=BODY.encode(), keys=(key_of(NEW), key_of(OLD))))
    assert [verified(receiver, each) for each in (NEW, OLD, ANOTHER)] == [True, True, False]
    signatures = receiver.asked[-1].headers["webhook-signature"].split(" ")
    with sender() as sending:
        sent(sending, event(receiver.url, body=BODY.encode(), keys=(key_of(NEW),)))
    assert len(signatures) == 2


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_what_was_changed_on_the_way_does_not_verify(receiver: Receiver, header: str) -> None:
    with sender() as sending:
        sent(sending, event(receiver.url, body=BODY.encode(), keys=(key_of(NEW),)))
    asked = receiver.asked[-1]
    changed = {**asked.headers, header: f"1{asked.headers[header]}"}
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(asked.body, changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(asked.body + b" ", dict(asked.headers))


def test_each_time_it_is_sent_it_is_signed_anew(receiver: Receiver) -> None:
    """A receiver refuses what was signed minutes ago; the id is what tells it that it has this event."""
    moments = iter([datetime.now(UTC) - timedelta(hours=1), *[datetime.now(UTC)] * 9])
    with sender(now=lambda: next(moments)) as sending:
        asked = event(receiver.url, body=BODY.encode(), keys=(key_of(NEW),))
        sent(sending, asked)
        assert not verified(receiver, NEW)
        sent(sending, asked)
    assert verified(receiver, NEW)
    assert receiver.ids == ["evt_1", "evt_1"]
