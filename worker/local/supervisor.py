"""Keeps child processes running: starts them in order, restarts those that die, stops them in the reverse order."""

import logging
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic
from typing import Literal

from models.domain.retry import backoff_s
from worker.local.servers.localserver import end, last_lines, open_log
from worker.local.spawn import spawn

_log = logging.getLogger("balance.supervisor")
_READY_POLL_S = 0.1

EventKind = Literal["started", "ready", "died", "failed", "stopping", "stopped", "killed"]


class NotReady(RuntimeError):
    """Children did not become ready in time, or ended before they were; the text says which, and what they said."""


@dataclass(frozen=True)
class Child:
    """A process to keep running.

    `env`: its whole environment (None = ours); secrets belong there and not in `argv`, which process lists show.
    `describe`: what it does, for people. `ready`: asked with its process id several times a second until it says yes;
    None = ready once started. `stop_timeout_s`: seconds between SIGTERM and SIGKILL. `cwd`: its working directory
    (None = ours). `before_start`: called before every start, the first included. `instead`: asked with the end of its
    log when it ended before it ever was ready: what to run in its place (None = nothing would help).
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = field(default=None, repr=False)
    describe: str = ""
    ready: Callable[[int], bool] | None = None
    stop_timeout_s: float = 10.0
    cwd: Path | None = None
    before_start: Callable[[], None] | None = None
    instead: Callable[[str], "Child | None"] | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened to a child; `detail` is a phrase for people, `pid` None when it has no process."""

    kind: EventKind
    name: str
    pid: int | None
    detail: str


@dataclass(frozen=True)
class Backoff:
    """Waiting times before a restart, in seconds: `base_s` doubling to `cap_s`, anew after `stable_s` alive."""

    base_s: float = 0.5
    cap_s: float = 30.0
    stable_s: float = 60.0

    def delay_s(self, deaths_in_a_row: int) -> float:
        """The wait after the n-th death in a row, n counted from 1."""
        return backoff_s(deaths_in_a_row, self.base_s, self.cap_s)


class Announcer:
    """Passes events on to a listener, one call at a time, from any thread; a listener that fails is logged."""

    def __init__(self, listener: Callable[[Event], None]) -> None:
        self._listener = listener
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            try:
                self._listener(event)
            except Exception:  # noqa: BLE001 -- a listener whose terminal is gone must not end the watch over workers
                _log.exception("the listener failed on %s of %s", event.kind, event.name)


class Supervisor:
    """Runs `children`; their output goes to `log_dir`/NAME.log; `on_event` hears of everything, one call at a time.

    Children do not outlive this process, even when it is killed (Linux). `on_event` is called from other threads.
    """

    def __init__(
        self,
        children: Sequence[Child],
        log_dir: Path,
        on_event: Callable[[Event], None],
        backoff: Backoff | None = None,
    ) -> None:
        self._log_dir = log_dir
        tell = Announcer(on_event)
        self._keepers = [_Keeper(child, log_dir, tell, backoff or Backoff()) for child in children]

    def start(self) -> None:
        """Start the children in order, without waiting until they are ready. To be called once."""
        self._log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for keeper in self._keepers:
            keeper.start()

    def wait_ready(self, timeout_s: float) -> None:
        """Return when all children are ready.

        Raises NotReady when `timeout_s` seconds were not enough, and at once when a child cannot be started or ends by
        itself before it ever was ready: it would again.
        """
        deadline = monotonic() + timeout_s
        while late := [keeper for keeper in self._keepers if not keeper.ready.is_set()]:
            if failed := [keeper for keeper in late if keeper.failure]:
                raise NotReady("; ".join(f"{keeper.child.name} {keeper.failure}" for keeper in failed))
            if monotonic() >= deadline:
                names = ", ".join(f"{keeper.child.name} {keeper.end_of_log()}" for keeper in late)
                raise NotReady(f"not ready after {timeout_s:g} s: {names}")
            late[0].ready.wait(min(_READY_POLL_S, deadline - monotonic()))

    def pid(self, name: str) -> int | None:
        """The process id of a child now; None while it has none. Raises KeyError for an unknown name."""
        return {keeper.child.name: keeper for keeper in self._keepers}[name].pid

    def is_ready(self, name: str) -> bool:
        """Whether a child is ready since its last start. Raises KeyError for an unknown name."""
        return {keeper.child.name: keeper for keeper in self._keepers}[name].ready.is_set()

    def stop(self) -> None:
        """Stop the children one after the other, last started first, and return when all have ended."""
        for keeper in reversed(self._keepers):
            keeper.stop()


class _Keeper:
    """Keeps one child running, on a thread of its own."""

    def __init__(self, child: Child, log_dir: Path, tell: Callable[[Event], None], backoff: Backoff) -> None:
        self.child = child
        self.log_path = log_dir / f"{child.name}.log"
        self.ready = Flag()
        self.failure = ""  # why it cannot be started; a child that was ready once is always started again
        self._was_ready = False
        self._log_start = 0  # where the process of now began to write
        self._tell = tell
        self._backoff = backoff
        self._stopping = Flag()
        self._lock = Lock()  # between starting a process and deciding to stop
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths_in_a_row = 0
        self._thread = Thread(target=self._keep, name=f"keeper-{child.name}", daemon=True)

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def end_of_log(self) -> str:
        """Where the log is, and the last line of it."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(self._log_start)
                line = last_lines(log.read().decode(errors="replace"), 1)
        except OSError:  # there is no log yet
            line = ""
        return f"(log: {self.log_path}{f': {line.strip()}' if line else ''})"

    def start(self) -> None:
        self._start_process()  # here and not on the thread: so that they start in order
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None and process.poll() is None:
            self._say("stopping", process.pid, f"asked to stop, has {self.child.stop_timeout_s:g} s")
            if end(process, signal.SIGTERM, self.child.stop_timeout_s):
                self._say("stopped", process.pid, _how_it_ended(process))
            else:
                detail = "did not stop in time and was killed; what it had not acknowledged will be delivered again"
                self._say("killed", process.pid, detail)
        self.ready.clear()
        if self._thread.ident is not None:
            self._thread.join()

    def _say(self, kind: EventKind, pid: int | None, detail: str) -> None:
        self._tell(Event(kind, self.child.name, pid, detail))

    def _keep(self) -> None:
        while not self._stopping.is_set():
            started = monotonic()
            process = self._process
            if process is not None:
                self._watch(process)
            self.ready.clear()
            alive_s = monotonic() - started
            if self._stopping.is_set():
                return
            self._deaths_in_a_row = 1 if alive_s >= self._backoff.stable_s else self._deaths_in_a_row + 1
            delay_s = self._backoff.delay_s(self._deaths_in_a_row)
            if process is not None:
                if process.returncode >= 0 and not self._was_ready:  # not by a signal: somebody else's doing
                    self._give_up_or_change(process)
                detail = f"{_how_it_ended(process)} after {alive_s:.1f} s; restarting in {delay_s:g} s"
                self._say("died", process.pid, detail)
            if not self._stopping.wait(delay_s):
                self._start_process()

    def _give_up_or_change(self, process: subprocess.Popen[bytes]) -> None:
        """It would end again: another takes its place, or nothing does."""
        said = self.end_of_log()
        another = self.child.instead(said) if self.child.instead is not None else None
        if another is None:
            self.failure = f"{_how_it_ended(process)} before it was ready {said}"
        else:
            self.child = another

    def _start_process(self) -> None:
        with self._lock:
            self._process = None
            if self._stopping.is_set():
                return
            child = self.child
            try:
                if child.before_start is not None:
                    child.before_start()
                with open_log(self.log_path) as output:
                    self._log_start = output.tell()
                    self._process = spawn(
                        child.argv, env=child.env, cwd=child.cwd, output=output, death_signal=signal.SIGKILL
                    )
            except OSError as error:
                problem = str(error)
        if self._process is None:
            self.failure = "" if self._was_ready else f"could not be started: {problem}"
            self._say("failed", None, f"could not be started: {problem}")
            return
        self._say("started", self._process.pid, self.child.describe)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the process has ended, having asked until then whether it is ready."""
        complaint = ""
        while not self.ready.is_set() and process.poll() is None and not self._stopping.is_set():
            try:
                is_ready = self.child.ready is None or self.child.ready(process.pid)
            except Exception as error:  # noqa: BLE001 -- whatever a check runs into is said, and asked again
                is_ready = False
                if complaint != (complaint := f"cannot tell whether it is ready: {error!r}"):
                    self._say("failed", process.pid, complaint)
            if is_ready and process.poll() is None:
                self._was_ready = True
                self.ready.set()
                self._say("ready", process.pid, self.child.describe)
            else:
                self._stopping.wait(_READY_POLL_S)
        process.wait()


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code >= 0:
        return f"ended with code {code}"
    names = {known.value: known.name for known in signal.Signals}
    return f"ended by {names.get(-code, f'signal {-code}')}"
