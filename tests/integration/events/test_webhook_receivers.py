"""Examples of receivers of webhooks: our signatures as the independent libraries see them, in Python and Node."""

from __future__ import annotations

import contextlib
import secrets
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.integration.events.made import made
from tests.integration.events.receivers import Receiver, receiving
from worker.outgoing.signature import key_of, signed

SECRET: Final = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
OLD_SECRET: Final = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
[EVENT] = made(1)


@pytest.fixture(params=["python", "node"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    environment = {"WEBHOOK_SECRET": SECRET}
    with receiving(request.param, "webhook_receiver", tmp_path / "log", "--port=0", environment=environment) as running:
        yield running


def headers(name: str, body: bytes, *, secret: str = SECRET, age: timedelta = timedelta()) -> dict[str, str]:
    return signed((key_of(secret),), name, datetime.now(UTC) - age, body)


def post(receiver: Receiver, body: bytes, given: dict[str, str]) -> int:
    return httpx.post(receiver.url, content=body, headers=given, timeout=10).status_code


def test_each_event_once_however_often_it_comes(receiver: Receiver) -> None:
    for _ in range(2):
        assert post(receiver, EVENT.body, headers("event-1", EVENT.body)) == 204
    [other] = made(2)
    assert post(receiver, other.body, headers("event-2", other.body)) == 204
    receiver.stop()
    assert receiver.numbers == [1, 2]
    assert receiver.events[0]["name"] == "Ünï"


def test_what_was_not_signed_so_is_refused(receiver: Receiver) -> None:
    body, good = EVENT.body, headers("event-1", EVENT.body)
    assert post(receiver, body.replace(b'"seq": 1', b'"seq": 2'), good) == 400
    assert post(receiver, body + b"\xff", good) == 400
    assert post(receiver, body, {**good, "webhook-id": "event-2"}) == 400
    assert post(receiver, body, {**good, "webhook-signature": "v1"}) == 400
    assert post(receiver, body, {**good, "webhook-signature": "v1,!"}) == 400
    assert post(receiver, body, {**good, "webhook-timestamp": "soon"}) == 400
    assert post(receiver, body, {}) == 400
    assert post(receiver, body, headers("event-1", body, secret=OLD_SECRET)) == 400
    for age in (timedelta(minutes=6), timedelta(minutes=-6)):
        assert post(receiver, body, headers("event-1", body, age=age)) == 400
    assert httpx.get(receiver.url).status_code >= 400
    with contextlib.suppress(httpx.TransportError):  # it may have hung up before all was sent
        assert post(receiver, b"x" * 1_100_000, good) == 413
    assert post(receiver, body, good) == 204, "what was refused has not been noted"
    receiver.stop()
    assert receiver.numbers == [1]


def test_of_two_signatures_one_is_enough(receiver: Receiver) -> None:
    """While a secret is being replaced."""
    new, old = headers("event-1", EVENT.body), headers("event-1", EVENT.body, secret=OLD_SECRET)
    both = f"{old['webhook-signature']} {new['webhook-signature']}"
    assert post(receiver, EVENT.body, {**new, "webhook-signature": both}) == 204
    receiver.stop()
    assert receiver.numbers == [1]
