"""What the doctor says of events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from models.domain.webhooks.endpoints import DisabledFor, Endpoint, Secret
from models.store.read.events import OutboxNow
from models.store.read.webhooks import EndpointShown
from tests.support.builders import NOW
from worker.doctor.events import events
from worker.doctor.finding import Finding, Level
from worker.settings.settings import Settings

KEY = SecretStr("a key of the tests, of some length")
ENDPOINT = Endpoint(
    UUID(int=1), "shop", "https://shop.example/", None, None, None, False, Secret(1, b"8 bytes."), None, None, NOW, NOW
)  # fmt: skip
WELL = EndpointShown(ENDPOINT, 0, None, None, 3, NOW, NOW, "http_204")
QUIET = OutboxNow(0, 0, None)
FAILING = replace(WELL, failures=7, failing_since=NOW, open_at=NOW)
GONE = replace(WELL, endpoint=replace(ENDPOINT, name="crm", disabled=DisabledFor.GONE))


def findings(found: OutboxNow, *endpoints: EndpointShown, **settings: Any) -> dict[str, Finding]:
    given = Settings(**{"webhook_key": KEY, **settings})
    return {each.check: each for each in events(found, NOW, endpoints, given)}


def test_what_leaves_as_it_should_is_well() -> None:
    asked = replace(WELL, endpoint=replace(ENDPOINT, disabled=DisabledFor.ASKED))
    told = findings(OutboxNow(12, 0, NOW - timedelta(seconds=2)), WELL, asked)
    assert {each.check: each.level for each in told.values()} == dict.fromkeys(
        ("events.relay", "events.stream", "events.webhooks"), Level.OK
    )


@pytest.mark.parametrize(
    ("check", "found", "endpoints", "said"),
    [
        ("events.relay", OutboxNow(9, 0, NOW - timedelta(hours=1)), [], "9, the oldest since 2030-01-01T11:00:00Z"),
        ("events.stream", OutboxNow(0, 4, NOW), [], "for the stream alone: 4"),
        ("events.webhooks", QUIET, [FAILING, GONE], "crm disabled; shop failing"),
        ("events.webhooks", QUIET, [FAILING] * 7, "shop, shop, shop, shop, shop and 2 more failing"),
    ],
)
def test_what_does_not_is_named_with_what_to_do(
    check: str, found: OutboxNow, endpoints: list[EndpointShown], said: str
) -> None:
    told = findings(found, *endpoints)[check]
    assert told.level is Level.WARNING
    assert said in told.found
    assert told.action


def test_endpoints_need_the_key_of_their_secrets() -> None:
    assert findings(QUIET, WELL, webhook_key=None)["events.key"].level is Level.WARNING
    assert "events.key" not in findings(QUIET, webhook_key=None)


def test_without_a_stream_nothing_is_said_of_it() -> None:
    assert "events.stream" not in findings(QUIET, event_stream=False)
