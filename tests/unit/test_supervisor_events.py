"""What a supervisor tells whoever listens: one event at a time, and a listener that fails ends nothing."""

import sys
from pathlib import Path
from threading import Event as Flag
from threading import get_ident

from tests.support.servers.listener import Listener
from worker.local.supervisor import Backoff, Child, Event, Supervisor

_FOREVER = "import threading; threading.Event().wait()"
_QUICK = Backoff(base_s=0.05, cap_s=0.2, stable_s=60)
_PATIENCE_S = 20


def _python(name: str, program: str) -> Child:
    return Child(name, [sys.executable, "-c", program])


def test_a_listener_that_fails_does_not_end_the_watch(tmp_path: Path) -> None:
    heard = Listener(_PATIENCE_S)

    def fail_after_hearing(event: Event) -> None:
        heard(event)
        raise BrokenPipeError

    supervisor = Supervisor([_python("brief", "raise SystemExit(1)")], tmp_path, fail_after_hearing, _QUICK)
    supervisor.start()
    try:
        heard.wait_for("died", count=3)
    finally:
        supervisor.stop()


def test_events_come_one_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    overlaps: list[int] = []

    def listen(_event: Event) -> None:
        inside.append(get_ident())
        overlaps.append(len(inside))
        Flag().wait(0.01)
        inside.pop()

    supervisor = Supervisor([_python(f"c{n}", _FOREVER) for n in range(4)], tmp_path, listen)
    supervisor.start()
    supervisor.wait_ready(_PATIENCE_S)
    supervisor.stop()
    assert set(overlaps) == {1}
