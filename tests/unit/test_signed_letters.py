"""A signed message that was parked is still signed when it is sent again."""

from __future__ import annotations

import json
from typing import Any

from kombu.message import Message

from models.domain.signature import SIGNATURE, SIGNED_AT, sign
from worker.letters import letter_of, message_of
from worker.producers import producers_in

SECRET = "s" * 32
PRODUCERS = producers_in(json.dumps({"billing": {"secrets": [SECRET], "jobs": ["users.upsert"]}}))


def test_a_replayed_letter_carries_a_good_signature() -> None:
    kwargs = {"producer": "billing", "idempotency_key": "k", "user_id": 1, "username": "Имя 😀"}
    body: Any = json.dumps([[], kwargs, {}], ensure_ascii=False).encode()
    signed: dict[str, Any] = {SIGNED_AT: 7, SIGNATURE: sign(SECRET, "users.upsert", body, 7)}
    message: Any = Message(
        body, content_type="application/json", content_encoding="utf-8",
        headers={"task": "users.upsert", "id": "i", "expires": "2001-01-01T00:00:00Z", **signed},
    )  # fmt: skip
    letter = letter_of(message, "users.upsert", "i", None, kwargs, reason="expired", error="too late")
    row: dict[str, Any] = {
        "headers": json.dumps(letter.headers),
        "properties": json.dumps(letter.properties),
        "body": letter.body,
        "reason": letter.reason,
        "idempotency_key": "k",
    }
    again = message_of(row)
    assert again.headers["expires"] is None
    PRODUCERS.admit("users.upsert", kwargs, again.headers, again.body)
