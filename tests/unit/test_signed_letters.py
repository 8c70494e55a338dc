"""A signed message that was parked is still signed when it is sent again."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from kombu.message import Message

from balance_client.publishing.links import RawMessage
from models.contracts.message import Malformed
from models.contracts.wire.signature import SIGNATURE, SIGNED_AT, Signed, sign
from models.domain.letters import LetterStatus
from models.store.read.dead_letters import Letter
from tests.support.builders import NOW
from worker.dead_letters.message import letter_of, message_of
from worker.publishers.producers import producers_in

SECRET = "s" * 32
PRODUCERS = producers_in(json.dumps({"billing": {"secrets": [SECRET], "jobs": ["users.upsert"]}}))


KWARGS = {"producer": "billing", "idempotency_key": "k", "user_id": 1, "username": "Имя 😀"}
BODY: Any = json.dumps([[], KWARGS, {}], ensure_ascii=False).encode()
LATE: dict[str, Any] = {"task": "users.upsert", "id": "i", "expires": "2001-01-01T00:00:00Z", SIGNED_AT: 7}


def again(signature: str, reason: str) -> RawMessage:
    """The message that replaying makes of a letter."""
    message: Any = Message(
        BODY, content_type="application/json", content_encoding="utf-8", headers={**LATE, SIGNATURE: signature},
        properties={"reply_to": "replies"},
    )  # fmt: skip
    parked = letter_of(message, "users.upsert", "i", None, KWARGS, reason=reason, error="too late")
    letter = Letter(
        id=UUID(int=1), status=LetterStatus.PARKED, reason=parked.reason, error=parked.error, task=parked.task,
        queue=parked.queue, producer=parked.producer, idempotency_key=parked.key, attempts=1, first_seen=NOW,
        last_seen=NOW, closed_at=None, closed_by=None, discard_reason=None, job=None, digest=parked.digest,
        task_id=parked.task_id,
        headers=json.dumps(parked.headers), properties=json.dumps(parked.properties), body=parked.body,
    )  # fmt: skip
    return PRODUCERS.signed_again(letter.producer, parked.headers, message_of(letter))


@pytest.mark.parametrize("reason", ["expired", "revoked"])
def test_what_is_changed_in_a_genuine_message_is_signed_again(reason: str) -> None:
    signed = Signed("users.upsert", BODY, 7, "i", LATE["expires"], "replies")
    message = again(sign(SECRET, signed), reason)
    assert message.headers["expires"] is None
    assert (message.headers["id"] == "i") is (reason == "expired")
    sender = PRODUCERS.admit("users.upsert", KWARGS, message.headers, message.body, "replies")
    assert sender.answered


@pytest.mark.parametrize(
    "signature", [sign("x" * 32, Signed("users.upsert", BODY, 7, "i", LATE["expires"], "replies")), "2:00", ""]
)
def test_what_was_not_genuine_is_not_made_so(signature: str) -> None:
    message = again(signature, "bad_signature")
    assert message.headers[SIGNATURE] == signature
    with pytest.raises(Malformed) as refused:
        PRODUCERS.admit("users.upsert", KWARGS, message.headers, message.body, "replies")
    assert refused.value.reason == "bad_signature"
