"""Processes of the product that die by SIGKILL at a named step.

The product knows nothing of it: the function of the step is wrapped in the process that is to die. Processes are forked
from one that has imported everything, so that a death costs a fraction of a second.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

_FORKS: Final = multiprocessing.get_context("forkserver")
# Everything that worker.app imports and Celery loads late; not itself, because it reads the settings.
_FORKS.set_forkserver_preload(
    [
        __name__, "celery.bin.celery", "celery.bin.worker", "celery.apps.worker", "celery.concurrency.solo",
        "celery.concurrency.thread", "celery.apps.beat", "kombu.transport.redis", "kombu.transport.pyamqp",
        "celery.backends.redis", "celery.backends.rpc", "celery.worker.autoscale", "celery.worker.strategy",
        "psycopg", "sqlalchemy.dialects.postgresql.psycopg", "worker.consumer", "worker.schedule", "worker.transport",
    ]
)  # fmt: skip
# Starting a process also asks how the others ended, and the answer can be read once: two threads would spoil it.
_ONE_AT_A_TIME: Final = Lock()


@dataclass(frozen=True, slots=True)
class KillPoint:
    """A call of a function: "module:name" is where its caller looks it up. "… or …": whichever of them is called."""

    function: str
    when: Literal["before", "after"]
    call: int = 1

    def arm(self) -> None:
        """From now on this process dies at that call."""
        for function in self.function.split(" or "):
            self._wrap(function)

    def _wrap(self, path: str) -> None:
        module, _, path = path.partition(":")
        *owners, name = path.split(".")
        owner: Any = import_module(module)
        for each in owners:
            owner = getattr(owner, each)
        function, calls = getattr(owner, name), 0

        @wraps(function)
        def deadly(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == self.call and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if calls == self.call:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, deadly)


def start(command: list[str], environment: dict[str, str], log: Path, point: KillPoint | None = None) -> Any:
    """`celery -A worker.app …` in a process of its own, which dies at `point` if there is one."""
    log.touch()
    process = _FORKS.Process(target=_run, args=(command, environment, log, point), daemon=True)
    with _ONE_AT_A_TIME:
        process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """It is gone when this returns, whether it was alive or not."""
    process.kill()
    _exit_code(process)


def assert_killed(process: ForkServerProcess, point: KillPoint, log: Path) -> None:
    """It died at its point and of nothing else."""
    code = _exit_code(process)
    assert code == -signal.SIGKILL, f"{point} was never reached (exit code {code}): {log.read_text()[-2000:]}"


def _exit_code(process: ForkServerProcess) -> int | None:
    """None if it has not ended after a minute."""
    wait([process.sentinel], timeout=60)
    with _ONE_AT_A_TIME:
        return process.exitcode


def _run(command: list[str], environment: dict[str, str], log: Path, point: KillPoint | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if point is not None:
        point.arm()
    from worker.app import app

    app.start(command)
