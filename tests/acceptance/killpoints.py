"""Processes of the product that die by SIGKILL at a named step.

The product knows nothing of it: the function of the step is wrapped in the process that is to die.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import current_thread
from typing import Any, Literal

from tests.support.servers import forks

Function = Callable[..., Any]
OF_EVENTS = ("relay", "webhooks")
"""The threads in which events leave, beside the ticks."""


@dataclass(frozen=True, slots=True)
class KillPoint:
    """A call of a function, or of whichever of several is called. They are given themselves: a new name of one breaks
    the import, and not the victim."""

    function: Function | tuple[Function, ...]
    when: Literal["before", "after"]
    call: int = 1
    but_in: tuple[str, ...] = ()  # threads, by their names, whose calls are not meant

    def arm(self) -> None:
        """From now on this process dies at that call."""
        for function in self.function if isinstance(self.function, tuple) else (self.function,):
            self._replace(function)

    def _replace(self, function: Function) -> None:
        """Where it is defined, and wherever it has been imported to."""
        deadly = self._deadly(function)
        *owners, name = function.__qualname__.split(".")
        owner: Any = sys.modules[function.__module__]
        for each in owners:
            owner = getattr(owner, each)
        assert vars(owner)[name] is function, f"{function.__qualname__} is found under its name"
        setattr(owner, name, deadly)
        for module in [*sys.modules.values()]:
            for known, value in [*vars(module).items()]:
                if value is function:
                    setattr(module, known, deadly)

    def _deadly(self, function: Function) -> Function:
        calls = 0

        @wraps(function)
        def deadly(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            if current_thread().name in self.but_in:
                return function(*args, **kwargs)
            calls += 1
            number = calls  # other threads call it meanwhile
            if number == self.call and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if number == self.call:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return deadly


def start(
    command: list[str], environment: dict[str, str], log: Path, point: KillPoint | None = None
) -> ForkServerProcess:
    """`celery -A worker.app …` in a process of its own, which dies at `point` if there is one."""
    return forks.start(_run, command, point, environment=environment, stdout=log, stderr=log)


def assert_killed(process: ForkServerProcess, point: KillPoint, log: Path) -> None:
    """It died at its point and of nothing else."""
    code = forks.exit_code(process)
    assert code == -signal.SIGKILL, f"{point} was never reached (exit code {code}): {log.read_text()[-2000:]}"


def _run(command: list[str], point: KillPoint | None) -> None:
    if point is not None:
        point.arm()
    from worker.app import app

    app.start(command)
