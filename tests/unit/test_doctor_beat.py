"""What the doctor makes of beat, from what I/O workers say of its ticks."""

from __future__ import annotations

from typing import Any

import pytest

from worker.doctor.beat import examine_beat
from worker.doctor.finding import Finding
from worker.doctor.workers import Report
from worker.settings.settings import Settings

SETTINGS = Settings()
SCAN = "autotopup.scan"  # every 5 s, so that 20 s are late
OLD: dict[str, Any] = {"ticks": {SCAN: 1.0}, "up_s": 99.0}  # an earlier version


def _report(queues: list[str] | None = None, now: float = 1_000.0, **told: Any) -> Report:
    queues = ["balance.io"] if queues is None else queues
    return Report("io@h", {"queues": queues, "now": now, "ticks": {}, "beats": {}, "up_s": 99.0, **told}, at=1_000.0)


def _beat(age_s: float = 1.0, ahead_s: float | None = 0.0) -> dict[str, Any]:
    return {"age_s": age_s, "ahead_s": ahead_s}


def _findings(*reports: Report, waiting: int = 0) -> dict[str, Finding]:
    return {each.check: each for each in examine_beat(reports, SETTINGS, lambda: waiting)}


@pytest.mark.parametrize(
    ("reports", "waiting", "level", "found", "action"),
    [
        ([_report(ticks={SCAN: 3.0}, beats={"b": _beat()})], 0, "ok", f"{SCAN} 3.0 s ago", ""),
        ([Report("io@h", {"queues": ["balance.io"], "now": 1_000.0, **OLD}, 1_000.0)], 0, "ok", "1.0 s ago", ""),
        # It runs, and what it sends is not run.
        ([_report(beats={"b": _beat(2.0)})], 0, "failure", "begun never", "leave beat alone"),
        ([_report(ticks={SCAN: 80.0}, beats={"b": _beat(2.0)})], 5, "failure", "begun 80 s ago", "leave beat alone"),
        ([_report()], 7, "failure", "7 messages wait in balance.io", "leave beat alone"),
        # Nobody can tell.
        ([], 0, "failure", "cannot be seen", "start an I/O worker first"),
        ([_report(queues=[], beats={"b": _beat()})], 9, "failure", "cannot be seen", "take from its queue again"),
        ([_report(up_s=3.0)], 0, "warning", "just started", "ask again in 20 s"),
        # There is none.
        ([_report()], 0, "failure", "no tick seen", "start it"),
        ([_report(ticks={SCAN: 80.0}, beats={"b": _beat(79.0)})], 0, "failure", "79 s ago, expected", "start it"),
        # Another I/O worker hears it.
        ([_report(), _report(ticks={SCAN: 3.0}, beats={"b": _beat()})], 0, "ok", f"{SCAN} 3.0 s ago", ""),
    ],
)
def test_no_beat_and_a_beat_that_nobody_listens_to_are_told_apart(
    reports: list[Report], waiting: int, level: str, found: str, action: str
) -> None:
    finding = _findings(*reports, waiting=waiting)["beat.alive"]
    assert finding.level == level
    assert found in finding.found
    assert action in finding.action
    assert bool(action) == bool(finding.action)
    assert ("start it" in finding.action) == (action == "start it")


@pytest.mark.parametrize(
    ("heard", "now", "clocks"),
    [
        ({"a": _beat(ahead_s=0.5)}, 1_000.0, {"beat.clock.a": ("ok", "beat on a: +0.5 s")}),
        ({"a": _beat(ahead_s=-6.0)}, 1_000.0, {"beat.clock.a": ("warning", "beat on a: -6.0 s")}),
        # The worker's own clock is wrong, and beat's is right.
        ({"a": _beat(ahead_s=-60.0)}, 1_060.0, {"beat.clock.a": ("ok", "beat on a: +0.0 s")}),
        (
            {"a": _beat(), "b": _beat(ahead_s=2_592_000.0)},
            1_000.0,
            {"beat.clock.a": ("ok", "beat on a: +0.0 s"), "beat.clock.b": ("warning", "beat on b: +2592000.0 s")},
        ),
        ({"gone": _beat(age_s=80.0, ahead_s=-6.0), "unknown": _beat(ahead_s=None)}, 1_000.0, {}),
    ],
)
def test_the_clock_of_each_beat_is_compared(
    heard: dict[str, Any], now: float, clocks: dict[str, tuple[str, str]]
) -> None:
    findings = _findings(_report(now=now, beats=heard))
    assert {check: (each.level, each.found) for check, each in findings.items() if "clock" in check} == clocks


def test_the_worker_that_heard_it_last_is_believed() -> None:
    earlier = _report(beats={"a": _beat(age_s=9.0, ahead_s=-600.0)})
    later = _report(beats={"a": _beat(age_s=1.0)})
    for reports in ((earlier, later), (later, earlier)):
        assert _findings(*reports)["beat.clock.a"].found == "beat on a: +0.0 s"
