"""The processes of the stack: workers, beat, and what people open in a browser."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from celery.utils.nodenames import host_format

from worker.local.http import has_http
from worker.local.probes import answers, serves
from worker.local.supervisor import Child
from worker.local.web_ports import FLOWER, HTTP, WebPort
from worker.settings.child import given
from worker.settings.settings import Settings

_APP: Final = "worker.app"
METERED: Final = ("money", "io", "beat")
"""The processes that answer /metrics on a port for that; the door does on its own."""
_WARM_SHUTDOWN_S: Final = 60.0  # a batch that is being applied may finish


def web_ports() -> tuple[WebPort, ...]:
    """Of what is installed."""
    return tuple(port for port, there in ((FLOWER, has_flower()), (HTTP, has_http())) if there)


def has_flower() -> bool:
    return importlib.util.find_spec("flower") is not None


class Children:
    """`settings`: as they are when a process is started. `move`: gives a process that may move another port. `metrics`:
    the ports of METERED on which they answer /metrics."""

    def __init__(
        self,
        data_dir: Path,
        settings: Callable[[], Settings],
        move: Callable[[WebPort], bool],
        metrics: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._data_dir, self._settings, self._move, self._metrics = data_dir, settings, move, metrics

    def all(self) -> list[Child]:
        """In the order of their start; they stop in the reverse: first what makes work, then what does it."""
        settings = self._settings()
        beat = _BeatSchedule(self._data_dir / "beat-schedule")
        level = f"--loglevel={settings.log_level}"
        money = ",".join((settings.queue, *settings.partition_queues))
        celery = [
            self._worker("money", money, ["--pool=solo"], "applies money jobs, one at a time, in order"),
            self._worker(
                "io",
                settings.tick_queue,
                ["--pool=threads", "--concurrency=4"],
                "tops up, expires and prunes when beat says so",
            ),
            self._celery(
                "beat",
                ["beat", level, f"--schedule={beat.path}"],
                "looks for what is due",
                ready=beat.was_written,
                before_start=beat.remember,
            ),
        ]
        # Flower watches, and stops last; the door makes work, and stops first.
        flower = [self._flower()] if has_flower() else []
        door = [self._http()] if has_http() else []
        return [*flower, *celery, *door]

    def _flower(self) -> Child:
        settings = self._settings()
        address = [f"--address={settings.flower_address}", f"--port={settings.flower_port}"]
        return self._page(FLOWER, self._celery("flower", ["flower", *address], "shows it"))

    def _http(self) -> Child:
        child = Child(
            name=HTTP.name,
            argv=[sys.executable, "-m", "worker.cli.main", "http"],
            env=self._environment(HTTP.name),
            cwd=self._data_dir,
            describe="takes jobs over HTTP",
            stop_timeout_s=_WARM_SHUTDOWN_S,
        )
        return self._page(HTTP, child)

    def _page(self, port: WebPort, child: Child) -> Child:
        settings = self._settings()
        serving = partial(serves, address=port.address(settings), port=port.port(settings), path=port.probe)
        describe = f"{child.describe}: {port.url(settings)}"
        return replace(child, describe=describe, ready=serving, instead=partial(self._elsewhere, port))

    def _elsewhere(self, port: WebPort, said: str) -> Child | None:
        """At another port, when somebody took the one we chose before it listened there."""
        if not any(text in said.lower() for text in ("address already in use", "cannot listen on")):
            return None
        if not self._move(port):
            return None
        return self._flower() if port is FLOWER else self._http()

    def _worker(self, name: str, queues: str, pool: list[str], describe: str) -> Child:
        settings = self._settings()
        alone = ["--task-events", f"--loglevel={settings.log_level}"]
        argv = ["worker", f"--queues={queues}", f"--hostname={name}@%h", *pool, *alone]
        answering = partial(answers, settings=settings, node=host_format(f"{name}@%h"))
        return self._celery(name, argv, describe, answering, stop_timeout_s=_WARM_SHUTDOWN_S)

    def _celery(
        self,
        name: str,
        arguments: list[str],
        describe: str,
        ready: Callable[[int], bool] | None = None,
        before_start: Callable[[], None] | None = None,
        stop_timeout_s: float = 10.0,
    ) -> Child:
        return Child(
            name=name,
            # In a directory of ours, because Celery looks for `worker.app` in the working directory first.
            argv=[sys.executable, "-m", "celery", f"--app={_APP}", *arguments],
            env=self._environment(name),
            cwd=self._data_dir,
            describe=describe,
            ready=ready,
            before_start=before_start,
            stop_timeout_s=stop_timeout_s,
        )

    def _environment(self, name: str) -> dict[str, str]:
        """Addresses and passwords go this way and not by command line, which process lists show."""
        settings = self._settings()
        environment = {**os.environ, **given(settings), "PYTHONUNBUFFERED": "1"}
        environment["BALANCE_METRICS_PORT"] = str(self._metrics.get(name, 0))  # one for all would be the first one's
        environment.pop("BALANCE_OWNER_URL", None)  # whoever reads a worker's environment is not to become the owner
        secret = settings.flower_basic_auth
        if secret is None:
            environment["FLOWER_READ_ONLY"] = "true"  # without a password it shows, and stops nobody
        else:
            environment["FLOWER_BASIC_AUTH"] = secret.get_secret_value()
        return environment


class _BeatSchedule:
    """Beat's schedule file, which beat writes when it has set itself up (an older one may be there before)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = self._state()

    def remember(self) -> None:
        self._before = self._state()

    def was_written(self, _pid: int) -> bool:
        return self._state() != self._before

    def _state(self) -> dict[str, int]:
        # The database module that Python was built with decides what is appended to the name.
        return {file.name: file.stat().st_mtime_ns for file in self.path.parent.glob(f"{self.path.name}*")}
