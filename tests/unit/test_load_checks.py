"""The checks of `make events` find what they are there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.checks import Arrived, of_receiver

GOOD = [("a1", "user:1", 1), ("b1", "user:2", 1), ("a2", "user:1", 2)]


def findings(events: list[tuple[str, str, int]]) -> list[str]:
    arrived = Arrived("somewhere")
    for event in events:
        arrived.take(*event)
    arrived.end({"user:1": 2, "user:2": 1})
    return arrived.findings


@pytest.mark.parametrize(
    "events", [GOOD, [*GOOD, GOOD[0]], [GOOD[0], GOOD[0], *GOOD[1:]]], ids=["once", "again later", "again at once"]
)
def test_what_arrived_at_least_once_in_order_is_no_finding(events: list[tuple[str, str, int]]) -> None:
    assert findings(events) == []


@pytest.mark.parametrize(
    "events",
    [
        GOOD[:2],
        GOOD[::-1],
        [*GOOD, ("other", "user:1", 2)],
        [*GOOD, ("a1", "user:1", 2)],
        [("a1", "user:1", 1), ("a1", "user:2", 1), ("a2", "user:1", 2)],
    ],
    ids=["lost", "out of order", "again under another id", "an id of another event", "one id for two accounts"],
)
def test_what_is_lost_out_of_order_or_under_another_id_is_found(events: list[tuple[str, str, int]]) -> None:
    assert findings(events)


def test_what_a_receiver_has_not_taken_has_not_arrived(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a1 user:1 1 failed\na1 user:1 1 reset\na1 user:1 1 taken\na2 user:1 2 held\n")
    arrived = of_receiver(log, {"user:1": 2})
    assert (arrived.taken, arrived.failed) == (1, {"failed": 1, "reset": 1, "held": 1})
    assert arrived.findings == ["webhooks: of user:1 1 came of 2"]
    log.write_text("a1 user:1 1 unsigned\n")
    assert any("signed" in finding for finding in of_receiver(log, {}).findings)
