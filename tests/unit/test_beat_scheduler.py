"""Beat's schedule: by no clock that can be set, and without what is in its file. What a tick tells of its beat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from worker.app import app
from worker.beat import heard as beats
from worker.beat import scheduler as beat
from worker.beat.scheduler import BeatScheduler

FAR: Any = timedelta(days=30)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The machine's clock."""
    at = [datetime(2030, 1, 1, tzinfo=UTC)]
    monkeypatch.setattr(beat, "now", lambda: at[0])
    return at


def started(path: Path, waiting: int = 0) -> tuple[BeatScheduler, list[str]]:
    """A scheduler on this file, and what it logged. Nothing is sent: whoever asks for the queue is told `waiting`."""

    class Unconnected(BeatScheduler):
        def _waiting(self) -> int:
            return waiting

    with capture_logs() as said:
        scheduler = Unconnected(app, schedule_filename=str(path))
    # A thread that another test has left behind may have a word as well.
    return scheduler, [event["event"] for event in said if event["event"].startswith("schedule.")]


def due(scheduler: BeatScheduler) -> set[str]:
    return {name for name, entry in scheduler.schedule.items() if scheduler.is_due(entry)[0]}


def _write(text: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text)


@pytest.mark.parametrize(
    ("make", "events"),
    [
        (lambda _path: None, []),
        (_write(b"2029-12-31T23:59:55+00:00\n"), []),
        (_write(b"2030-01-31T00:00:00+00:00\n"), ["schedule.from_the_future"]),
        (_write(b""), ["schedule.not_read"]),
        (_write(b"2030-01-31T00:00:00\n"), ["schedule.not_read"]),  # of no time zone
        (_write(b"\x13\x57\x9a\xce" * 100), ["schedule.not_read"]),
        (Path.mkdir, ["schedule.not_read", "schedule.not_written"]),
    ],
)
def test_all_is_due_at_the_start_whatever_is_in_the_file(
    tmp_path: Path, clock: list[datetime], make: Callable[[Path], object], events: list[str]
) -> None:
    path = tmp_path / "schedule"
    make(path)
    scheduler, said = started(path)
    assert said == events
    assert due(scheduler) == {"autotopup.scan", "charges.ask", "credits.expire", "jobs.prune"}
    if "schedule.not_written" not in events:
        assert path.read_text() == "2030-01-01T00:00:00.000000+00:00\n"


@pytest.mark.parametrize("jump", [-FAR, -timedelta(seconds=6), FAR])
def test_a_clock_that_is_set_makes_nothing_due_and_nothing_late(
    tmp_path: Path, clock: list[datetime], monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    scheduler, _ = started(tmp_path / "schedule")
    sent: dict[str, Any] = {name: scheduler.reserve(entry) for name, entry in {**scheduler.schedule}.items()}
    clock[0] += jump
    assert due(scheduler) == set()
    seconds = {name: scheduler.is_due(entry)[1] for name, entry in sent.items()}
    assert 4 < seconds["autotopup.scan"] <= 5
    assert 3_599 < seconds["jobs.prune"] <= 3_600
    with capture_logs() as said:
        scheduler._give_a_sign()
        scheduler._give_a_sign()
    assert [(each["event"], each["by_s"]) for each in said] == [
        ("clock.jumped", pytest.approx(jump.total_seconds(), abs=1))
    ]


def test_nothing_is_sent_while_a_thousand_wait_and_all_of_it_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "schedule"
    full, _ = started(path, waiting=1_000)
    path.unlink()
    with capture_logs() as said:
        assert due(full) == due(full) == set()
    assert [each["event"] for each in said] == ["ticks.held_back"]
    assert path.exists(), "beat itself is well"
    room, _ = started(path, waiting=999)
    assert due(room) == {*room.schedule}


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ({"host": "a", "clock": 1.5}, True),
        (None, False),
        ("text", False),
        ({}, False),
        ({"host": "a"}, False),
        ({"host": 7, "clock": 1.5}, False),
        ({"host": "a", "clock": "1.5"}, False),
        ({"host": "a", "clock": float("nan")}, False),
        ({"host": "a", "clock": 10**400}, False),
    ],
)
def test_a_tick_says_what_it_likes_and_is_heard(monkeypatch: pytest.MonkeyPatch, header: object, known: bool) -> None:
    monkeypatch.setattr(beats, "_HEARD", {})
    monkeypatch.setattr(beats, "now", lambda: datetime.fromtimestamp(1_001.5, UTC))
    beats.heard({beats.HEADER: header})
    ((host, told),) = beats.beats().items()
    assert (host, told["ahead_s"]) == (("a", -1_000.0) if known else ("unknown", None))


def test_machines_that_somebody_makes_up_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "_HEARD", {})
    for number in range(1_000):
        beats.heard({beats.HEADER: {"host": f"{number}" * 1_000, "clock": 1.5}})
    assert len(beats.beats()) == 16
    assert max(map(len, beats.beats())) == 255


def test_a_signal_that_python_lost_in_a_finalizer_ends_beat_all_the_same(tmp_path: Path) -> None:
    scheduler, _ = started(tmp_path / "schedule")
    scheduler.close()  # so Celery's handler begins; the SystemExit that it raises then is what may be lost
    with pytest.raises(SystemExit):
        scheduler.tick()
