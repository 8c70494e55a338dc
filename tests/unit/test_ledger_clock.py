"""How old a message is, is asked of the database's clock, whatever this machine's says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.contracts.message import Malformed
from worker import ledger_clock
from worker.consuming import delivery
from worker.ledger_clock import LedgerClock

THERE = datetime(2030, 1, 1, tzinfo=UTC)  # the time of the database


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> LedgerClock:
    clock = LedgerClock()
    monkeypatch.setattr(delivery, "LEDGER_CLOCK", clock)
    return clock


def test_until_the_database_has_answered_it_is_this_machines(
    clock: LedgerClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_clock, "now", lambda: THERE)
    assert clock.now() == THERE


def test_it_goes_on_by_itself(clock: LedgerClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_clock, "monotonic", lambda: 100.0)
    clock.looked_at(THERE)
    monkeypatch.setattr(ledger_clock, "monotonic", lambda: 160.0)
    assert clock.now() == THERE + timedelta(minutes=1)


@pytest.mark.parametrize(("expires", "late"), [(timedelta(minutes=1), False), (-timedelta(minutes=1), True)])
@pytest.mark.parametrize("off", [-timedelta(days=30), timedelta(0), timedelta(days=30)])
def test_whether_a_message_has_expired(
    clock: LedgerClock, monkeypatch: pytest.MonkeyPatch, off: timedelta, expires: timedelta, late: bool
) -> None:
    monkeypatch.setattr(ledger_clock, "now", lambda: THERE + off)
    clock.looked_at(THERE)
    headers = {"id": "t", "expires": (THERE + expires).isoformat()}
    if late:
        with pytest.raises(Malformed, match="expired at"):
            delivery._check(headers, [[], {}, {}])
    else:
        delivery._check(headers, [[], {}, {}])
