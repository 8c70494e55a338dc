"""What the doctor says of charging."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from models.store.read.charges import ChargingNow
from models.store.write.top_ups.switches import Switch
from tests.support.builders import NOW
from worker.doctor.charging import charging
from worker.doctor.finding import Finding, Level
from worker.settings.settings import Settings

WELL = ChargingNow(
    at=NOW,
    switch=None,
    waiting=0,
    long_waiting=0,
    waiting_since=None,
    unknown=0,
    for_payers=0,
    due=0,
    overdue=0,
    due_since=None,
)
OFF = Switch(is_on=False, set_at=NOW, set_by="olga", reason="ticket 17")
EVERYTHING = {"charging.on", "charging.unknown", "charging.providers", "charging.scan"}
WAITING: dict[str, Any] = {"waiting": 3, "long_waiting": 2, "waiting_since": NOW - timedelta(hours=1)}
DUE: dict[str, Any] = {"due": 5, "overdue": 4, "due_since": NOW - timedelta(hours=2)}


def findings(found: ChargingNow, **settings: Any) -> dict[str, Finding]:
    return {each.check: each for each in charging(found, Settings(**settings))}


@pytest.mark.parametrize(
    "found", [WELL, replace(WELL, switch=replace(OFF, is_on=True)), replace(WELL, waiting=3, due=5, for_payers=1)]
)
def test_what_waits_as_it_should_is_well(found: ChargingNow) -> None:
    told = findings(found)
    assert set(told) == EVERYTHING
    assert {each.level for each in told.values()} == {Level.OK}


@pytest.mark.parametrize(
    ("check", "found", "said", "does"),
    [
        ("charging.on", {"switch": OFF}, "paused since 2030-01-01T12:00:00Z by olga: ticket 17", "charging resume"),
        ("charging.on", {"switch": replace(OFF, reason=None)}, "paused since 2030-01-01T12:00:00Z by olga", "resume"),
        ("charging.unknown", {"unknown": 1}, "charges of which nobody knows what became: 1", "charges settle"),
        (
            "charging.providers",
            WAITING,
            "waiting for longer than 10 minutes: 2, since 2030-01-01T11:00:00Z",
            "charges list",
        ),
        (
            "charging.scan",
            DUE,
            "due for longer than 20 s: 4, since 2030-01-01T10:00:00Z",
            "beat and an I/O worker run",
        ),
    ],
)
def test_what_waits_too_long_is_a_warning(check: str, found: dict[str, Any], said: str, does: str) -> None:
    told = findings(replace(WELL, **found))
    assert (told[check].level, told[check].found) == (Level.WARNING, said)
    assert told[check].meaning
    assert does in told[check].action
    assert {each.level for each in told.values() if each.check != check} == {Level.OK}


@pytest.mark.parametrize(("found", "settings"), [({"switch": OFF}, {}), ({}, {"charging": False})])
def test_what_waits_for_a_pause_is_not_told_twice(found: dict[str, Any], settings: dict[str, Any]) -> None:
    told = findings(replace(WELL, unknown=1, **WAITING, **DUE, **found), **settings)
    assert set(told) == {"charging.on", "charging.unknown"}, "what nobody knows of waits for an operator all the same"
    assert {each.level for each in told.values()} == {Level.WARNING}


def test_that_it_is_off_in_the_settings_is_said() -> None:
    assert findings(WELL, charging=False)["charging.on"].found == "BALANCE_CHARGING is off in these settings"


def test_how_long_a_scan_may_take_follows_its_pace() -> None:
    assert "longer than 185 s: 4" in findings(replace(WELL, **DUE), topup_scan_every_s=60)["charging.scan"].found
