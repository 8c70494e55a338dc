"""Two beats and two I/O workers at once, and a payment service that is slow, fails, and loses answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from tests.acceptance.charging import assert_charged_once, fall_due, payment_service, statuses
from tests.acceptance.system import System, wait_until

ONCE: Final = [*(f"wallet:w_{number}" for number in range(10)), *(f"user:{number}" for number in range(1, 11))]
TWICE: Final = [f"wallet:short_{number}" for number in range(10)]  # whose top-up is half of what is missing
FAILED, LOST = 5, 5
TROUBLES: Final = ("--delay-s", "0.1", "--fail", str(FAILED), "--lose-answers", str(LOST))
TICKS: Final = 4  # that each worker goes on for when all is done
CHARGES: Final = len(ONCE) + 2 * len(TWICE)


def test_two_beats_and_two_workers_charge_each_decision_once(any_system: System, tmp_path: Path) -> None:
    with payment_service(tmp_path, *TROUBLES) as service:
        any_system.environment |= service.settings(BALANCE_CHARGE_CONCURRENCY="2", BALANCE_TOPUP_SCAN_EVERY_S="0.2")
        workers = ["io1", "io2"]
        for name in workers:
            any_system.io_worker(name)
        fall_due(any_system.engine, ONCE)
        fall_due(any_system.engine, TWICE, amount=5)
        for number in range(2):
            any_system.celery(f"beat{number}", ["beat", f"--schedule={any_system.logs / f'schedule{number}'}"])
        wait_until("all charges", lambda: statuses(any_system.engine) == {"succeeded": CHARGES})
        ticks = {name: _ticks(any_system, name) for name in workers}
        wait_until("more ticks", lambda: all(_ticks(any_system, name) >= ticks[name] + TICKS for name in workers))
        assert_charged_once(any_system.engine, service, Counter(ONCE) + Counter(2 * TWICE))
        asked = service.asked()
    assert sum("turned_away" in line for line in asked) == FAILED
    assert sum("charge" in line for line in asked) == CHARGES + LOST, "each lost answer was asked for once more"
    assert all("charge.settled" in any_system.log(name) for name in workers), "both had a part in it"


def _ticks(system: System, name: str) -> int:
    """How many ticks a worker has finished."""
    return system.log(name).count(" succeeded in ")
