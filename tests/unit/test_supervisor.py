"""The supervisor, with small Python programs for children."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Flag
from time import monotonic

import pytest

from tests.support.servers.listener import Listener
from worker.local.servers import localserver
from worker.local.supervisor import Backoff, Child, NotReady, Supervisor

_FOREVER = "import threading; threading.Event().wait()"
_DEAF = "import signal, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); " + (
    "threading.Event().wait()"
)
_QUICK = Backoff(base_s=0.05, cap_s=0.2, stable_s=60)
_PATIENCE_S = 20


Start = Callable[..., Supervisor]


@pytest.fixture
def heard() -> Listener:
    return Listener(_PATIENCE_S)


@pytest.fixture
def start(tmp_path: Path, heard: Listener) -> Iterator[Start]:
    """Starts a supervisor for children, and stops it after the test."""
    supervisors = []

    def start_them(*children: Child, backoff: Backoff = _QUICK) -> Supervisor:
        supervisor = Supervisor(children, tmp_path / "logs", heard, backoff)
        supervisors.append(supervisor)
        supervisor.start()
        return supervisor

    yield start_them
    for supervisor in supervisors:
        supervisor.stop()


def _python(name: str, program: str, **options: object) -> Child:
    return Child(name, [sys.executable, "-c", program], **options)  # type: ignore[arg-type]  # named by each test


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + _PATIENCE_S
    while not condition():
        assert monotonic() < deadline
        Flag().wait(0.02)


def _is_running(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_children_start_in_order_and_stop_in_the_reverse_order(start: Start, heard: Listener) -> None:
    names = ["flower", "money", "beat"]
    supervisor = start(*(_python(name, _FOREVER) for name in names))
    supervisor.wait_ready(_PATIENCE_S)
    pids = {name: supervisor.pid(name) for name in names}
    supervisor.stop()
    assert [event.name for event in heard.said("started")] == names
    assert [event.name for event in heard.said("stopping")] == names[::-1]
    assert [(event.kind, event.name) for event in heard.events[-2:]] == [("stopping", "flower"), ("stopped", "flower")]
    assert {event.name: event.pid for event in heard.said("stopped")} == pids
    assert all(supervisor.pid(name) is None for name in names)


def test_ready_is_what_the_childs_own_check_says(start: Start, heard: Listener, tmp_path: Path) -> None:
    sign, go = tmp_path / "sign", tmp_path / "go"
    program = f"""
import pathlib, threading
while not pathlib.Path({str(go)!r}).exists(): threading.Event().wait(0.02)
pathlib.Path({str(sign)!r}).touch()
threading.Event().wait()
"""
    supervisor = start(_python("slow", program, ready=lambda _: sign.exists(), describe="is slow"))
    with pytest.raises(NotReady, match=r"not ready after 0\.3 s: slow \(log: .*slow\.log\)"):
        supervisor.wait_ready(0.3)
    assert not supervisor.is_ready("slow")
    go.touch()
    supervisor.wait_ready(_PATIENCE_S)
    assert supervisor.is_ready("slow")
    assert [event.detail for event in heard.said("ready")] == ["is slow"]


def test_ready_is_asked_of_the_process_that_runs(start: Start) -> None:
    asked: list[int] = []

    def ready(pid: int) -> bool:
        asked.append(pid)
        return True

    supervisor = start(_python("money", _FOREVER, ready=ready))
    supervisor.wait_ready(_PATIENCE_S)
    assert asked == [supervisor.pid("money")]


def test_a_child_that_cannot_start_is_told_at_once_with_why(start: Start) -> None:
    never = _python("slow", _FOREVER, ready=lambda _: False)
    brief = _python("brief", "raise SystemExit('the port is taken')", ready=lambda _: False)
    supervisor = start(never, brief)
    began = monotonic()
    with pytest.raises(NotReady, match=r"^brief ended with code 1 before it was ready \(log: .*: the port is taken\)$"):
        supervisor.wait_ready(600)
    assert monotonic() - began < _PATIENCE_S


def test_another_takes_the_place_of_a_child_that_would_fail_again(start: Start, heard: Listener) -> None:
    def instead(said: str) -> Child | None:
        return _python("flower", _FOREVER) if "the port is taken" in said else None

    taken, broken = (
        _python("flower", f"raise SystemExit('{said}')", ready=lambda _: False, instead=instead)
        for said in ("the port is taken", "no")
    )
    supervisor = start(taken)
    supervisor.wait_ready(_PATIENCE_S)
    assert heard.names("died") == ["flower"]
    other = start(broken)
    with pytest.raises(NotReady, match=r"before it was ready \(log: .*: no\)$"):
        other.wait_ready(_PATIENCE_S)


def test_a_child_that_has_no_log_is_told_at_once_with_why(start: Start, tmp_path: Path) -> None:
    (tmp_path / "logs" / "money.log").mkdir(parents=True)
    supervisor = start(_python("money", _FOREVER, ready=lambda _: True))
    with pytest.raises(NotReady, match=r"^money could not be started: .*Is a directory"):
        supervisor.wait_ready(600)


def test_a_child_that_was_killed_before_it_was_ready_is_started_again(start: Start, heard: Listener) -> None:
    supervisor = start(_python("money", _FOREVER, ready=lambda _: len(heard.said("started")) > 1))
    pid = supervisor.pid("money")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    supervisor.wait_ready(_PATIENCE_S)


def test_who_is_late_is_told_with_what_it_said_last(start: Start, heard: Listener) -> None:
    program = f"print('first', flush=True); print('waiting for a broker\\n', flush=True); {_FOREVER}"
    supervisor = start(_python("money", program, ready=lambda _: False))
    log = Path(supervisor._keepers[0].log_path)
    _wait_until(lambda: "broker" in log.read_text())
    with pytest.raises(NotReady, match=r"not ready after 0.1 s: money \(log: .*: waiting for a broker\)$"):
        supervisor.wait_ready(0.1)


def test_a_check_that_fails_is_said_once_and_asked_again(start: Start, heard: Listener) -> None:
    answers: Iterator[ConnectionError | bool] = iter([ConnectionError("refused"), ConnectionError("refused"), True])

    def ready(_pid: int) -> bool:
        answer = next(answers)
        if isinstance(answer, ConnectionError):
            raise answer
        return answer

    start(_python("flower", _FOREVER, ready=ready)).wait_ready(_PATIENCE_S)
    assert [event.detail for event in heard.said("failed")] == [
        "cannot tell whether it is ready: ConnectionError('refused')"
    ]


def test_a_child_that_dies_is_restarted_later_each_time(start: Start, heard: Listener) -> None:
    start(_python("brief", "raise SystemExit(3)"))
    details = [event.detail for event in heard.wait_for("died", count=4)]
    assert all(detail.startswith("ended with code 3 after") for detail in details)
    assert [detail.rpartition("restarting in ")[2] for detail in details[:4]] == ["0.05 s", "0.1 s", "0.2 s", "0.2 s"]


def test_a_killed_child_comes_back_as_another_process(start: Start, heard: Listener) -> None:
    supervisor = start(_python("money", _FOREVER))
    supervisor.wait_ready(_PATIENCE_S)
    pid = supervisor.pid("money")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    died = heard.wait_for("died")[0]
    assert died.pid == pid
    assert died.detail.startswith("ended by SIGKILL")
    heard.wait_for("ready", count=2)
    assert supervisor.pid("money") not in (pid, None)


def test_the_wait_starts_anew_after_a_stable_life(start: Start, heard: Listener) -> None:
    start(_python("steady", "raise SystemExit(1)"), backoff=Backoff(base_s=0.05, cap_s=10, stable_s=0))
    details = [event.detail for event in heard.wait_for("died", count=4)]
    assert {detail.rpartition("restarting in ")[2] for detail in details} == {"0.05 s"}


def test_backoff_doubles_to_its_cap() -> None:
    assert [Backoff().delay_s(n) for n in (1, 2, 3, 6, 7, 8, 5000)] == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0, 30.0]


def test_a_child_that_does_not_stop_is_killed_with_what_it_started(
    start: Start, heard: Listener, tmp_path: Path
) -> None:
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_DEAF!r}]); {_DEAF}"
    log = tmp_path / "logs" / "deaf.log"
    supervisor = start(_python("deaf", program, stop_timeout_s=0.3, ready=lambda _: log.read_text().count("up") == 2))
    supervisor.wait_ready(_PATIENCE_S)
    pid = supervisor.pid("deaf")
    assert pid is not None
    members = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(members) == 1
    started = monotonic()
    supervisor.stop()
    assert monotonic() - started < 10
    assert "did not stop in time and was killed" in heard.said("killed")[0].detail
    assert not heard.said("stopped")
    _wait_until(lambda: not _is_running(int(members[0])))


def test_stop_does_not_wait_for_a_restart_and_may_be_repeated(start: Start, heard: Listener) -> None:
    supervisor = start(_python("brief", "raise SystemExit(1)"), backoff=Backoff(base_s=600, cap_s=600))
    heard.wait_for("died")
    started = monotonic()
    supervisor.stop()
    supervisor.stop()
    assert monotonic() - started < 5
    assert len(heard.said("started")) == 1


def test_a_supervisor_that_never_started_can_be_stopped(tmp_path: Path, heard: Listener) -> None:
    Supervisor([_python("never", _FOREVER)], tmp_path, heard).stop()
    assert heard.events == []


def test_a_program_that_is_not_there_is_said_and_tried_again(start: Start, heard: Listener, tmp_path: Path) -> None:
    start(Child("gone", [str(tmp_path / "no-such-program")]))
    assert heard.wait_for("died", count=2)[0].detail.startswith("ended with code 1")
    assert "FileNotFoundError" in (tmp_path / "logs" / "gone.log").read_text()


def test_output_goes_to_a_private_log_and_settings_come_by_environment(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "money.log"
    program = f"import os, sys; print(os.environ['WORD'], flush=True); print('bad', file=sys.stderr); {_FOREVER}"
    child = _python("money", program, env={"WORD": "secret"}, ready=lambda _: "secret" in log.read_text())
    assert "secret" not in repr(child)
    supervisor = start(child)
    supervisor.wait_ready(_PATIENCE_S)
    _wait_until(lambda: "bad" in log.read_text())
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert b"secret" not in Path(f"/proc/{supervisor.pid('money')}/cmdline").read_bytes()


def test_a_log_that_has_grown_too_long_is_moved_aside(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localserver, "_LOG_LIMIT_BYTES", 10)
    log = tmp_path / "logs" / "money.log"
    log.parent.mkdir()
    log.write_text("the old contents")
    start(_python("money", _FOREVER)).wait_ready(_PATIENCE_S)
    assert log.with_name("money.log.1").read_text() == "the old contents"
    assert log.read_text() == ""


def test_ctrl_c_in_the_terminal_does_not_reach_children(start: Start) -> None:
    supervisor = start(_python("money", _FOREVER))
    supervisor.wait_ready(_PATIENCE_S)
    pid = supervisor.pid("money")
    assert pid is not None
    assert os.getsid(pid) == pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_no_child_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import pathlib, sys, threading
from worker.local.supervisor import Child, Supervisor
children = [Child(name, [sys.executable, "-c", {_DEAF!r}]) for name in ("a", "b")]
supervisor = Supervisor(children, pathlib.Path({str(tmp_path)!r}), lambda event: None)
thread = threading.Thread(target=supervisor.start); thread.start(); thread.join()
supervisor.wait_ready({_PATIENCE_S})
print(supervisor.pid("a"), supervisor.pid("b"), flush=True)
sys.stdin.read()
"""
    owner = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        _wait_until(
            lambda: all(map(_is_running, pids))
        )  # a process that becomes another program has no words for a moment
        owner.kill()
    _wait_until(lambda: not any(map(_is_running, pids)))
