"""All of it on one machine: the servers (embedded unless given), the migrations, the workers, beat and Flower."""

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from types import TracebackType
from typing import IO, Self

from celery.utils.nodenames import host_format

from models.store.schema.migrations import upgrade
from models.store.server import roles
from worker.database import grant_workers
from worker.encoding.urls import SecretUrl, mask_url
from worker.local.data_directory import hold, located
from worker.local.embedded import EmbeddedPostgres, EmbeddedValkey
from worker.local.localserver import LocalServer
from worker.local.ports import free_port, refusal
from worker.local.probes import answers, serves, web_address
from worker.local.server_error import ServerError, plainly
from worker.local.supervisor import Announcer, Backoff, Child, Event, Supervisor
from worker.settings.child import given
from worker.settings.settings import Settings

_APP = "worker.app"
_SERVER_POLL_S = 0.5
_WARM_SHUTDOWN_S = 60.0  # a batch that is being applied may finish


def _ignore(_event: Event) -> None:
    """Nobody listens."""


class Stack:
    """The whole product under `data_dir`: `postgres`, `valkey`, `logs`, `beat-schedule`.

    PostgreSQL is embedded unless BALANCE_DATABASE_URL was given, Valkey unless BALANCE_BROKER_URL was. `on_event` hears
    of servers, migrations and children, from several threads, one call at a time.
    """

    def __init__(self, settings: Settings, data_dir: Path, on_event: Callable[[Event], None] = _ignore) -> None:
        self.data_dir = located(data_dir)
        self.settings = settings  # after start(): with the addresses of the embedded servers
        self._tell = Announcer(on_event)
        given = settings.model_fields_set
        self._flower_may_move = "flower_port" not in given
        self.postgres = None if "database_url" in given else EmbeddedPostgres(self.data_dir)
        fsync = settings.embedded_appendfsync
        self.valkey = None if "broker_url" in given else EmbeddedValkey(self.data_dir, appendfsync=fsync)
        self.supervisor: Supervisor | None = None
        self._keepers: list[_ServerKeeper] = []
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def flower_url(self) -> str | None:
        """Where Flower is; None when it is not installed. Its port is known after start()."""
        return web_address(self.settings.flower_address, self.settings.flower_port) if _has_flower() else None

    def start(self, ready_timeout_s: float = 60.0) -> None:
        """Start everything and return when it is ready to take jobs; whatever was started is stopped when it fails.

        Raises ServerError (the directory, an embedded server, a port), NotReady (a worker, beat or Flower), or what the
        migrations ran into.
        """
        try:
            self._lock = hold(self.data_dir)
            self._choose_flower_port()
            self._start_servers()
            self._migrate()
            self._tell(Event("ready", "migrations", None, "the database is at the newest revision"))
            self.supervisor = Supervisor(self._children(), self.data_dir / "logs", self._tell)
            with plainly(self.data_dir):
                self.supervisor.start()
            self.supervisor.wait_ready(ready_timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the children, the workers warmly, and only then the servers. May be repeated."""
        if self.supervisor is not None:
            self.supervisor.stop()
            self.supervisor = None
        while self._keepers:
            self._keepers.pop().stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _start_servers(self) -> None:
        chosen: dict[str, object] = {}
        for server in (self.postgres, self.valkey):
            if server is not None:
                keeper = _ServerKeeper(server, self._tell)
                self._keepers.append(keeper)
                keeper.start()
        if self.postgres is not None:
            chosen |= {"database_url": SecretUrl(self.postgres.worker_url), "owner_url": SecretUrl(self.postgres.url)}
        if self.valkey is not None:
            chosen["broker_url"] = SecretUrl(self.valkey.url)
        self.settings = self.settings.model_copy(update=chosen)

    def _migrate(self) -> None:
        """As the owner, and the workers under a role of their own, where there are both."""
        settings = self.settings
        upgrade(settings.owner_url or settings.database_url)
        role = roles.role_of(settings.database_url)
        if settings.owner_url is not None and role is not None:
            grant_workers(settings, role)

    def _choose_flower_port(self) -> None:
        """The usual one, or another when that is taken; one that was given has to be free. Raises ServerError."""
        address, port = self.settings.flower_address, self.settings.flower_port
        if not _has_flower() or (refused := refusal(address, port)) is None:
            return
        if not self._flower_may_move:
            raise ServerError(
                f"Flower cannot listen on {address} port {port}: {refused}: set BALANCE_FLOWER_PORT or"
                " BALANCE_FLOWER_ADDRESS to what is free here"
            )
        self._move_flower()

    def _move_flower(self) -> None:
        self.settings = self.settings.model_copy(update={"flower_port": free_port()})

    def _children(self) -> list[Child]:
        """In the order of their start; they stop in the reverse: first what makes work, then what does it."""
        settings = self.settings
        beat = _BeatSchedule(self.data_dir / "beat-schedule")
        level = f"--loglevel={settings.log_level}"
        money = ",".join((settings.queue, *settings.partition_queues))
        children = [
            self._worker("money", money, ["--pool=solo"], "applies money jobs, one at a time, in order"),
            self._worker(
                "io",
                settings.io_queue,
                ["--pool=threads", "--concurrency=4"],
                "tops up, expires and prunes when beat says so",
            ),
            self._child(
                "beat",
                ["beat", level, f"--schedule={beat.path}"],
                "looks for what is due",
                ready=beat.was_written,
                before_start=beat.remember,
            ),
        ]
        if _has_flower():
            children.insert(0, self._flower())
        return children

    def _flower(self) -> Child:
        settings = self.settings
        address = [f"--address={settings.flower_address}", f"--port={settings.flower_port}"]
        serving = partial(serves, address=settings.flower_address, port=settings.flower_port)
        flower = self._child("flower", ["flower", *address], f"shows it: {self.flower_url}", serving)
        return replace(flower, instead=self._flower_elsewhere)

    def _flower_elsewhere(self, said: str) -> Child | None:
        """At another port, when somebody took the one we chose before Flower listened there."""
        if not self._flower_may_move or "address already in use" not in said.lower():
            return None
        self._move_flower()
        return self._flower()

    def _worker(self, name: str, queues: str, pool: list[str], describe: str) -> Child:
        alone = ["--task-events", f"--loglevel={self.settings.log_level}"]
        argv = ["worker", f"--queues={queues}", f"--hostname={name}@%h", *pool, *alone]
        node = host_format(f"{name}@%h")
        answering = partial(answers, settings=self.settings, node=node)
        return self._child(name, argv, describe, answering, stop_timeout_s=_WARM_SHUTDOWN_S)

    def _child(
        self,
        name: str,
        arguments: list[str],
        describe: str,
        ready: Callable[[int], bool],
        before_start: Callable[[], None] | None = None,
        stop_timeout_s: float = 10.0,
    ) -> Child:
        return Child(
            name=name,
            # In a directory of ours, because Celery looks for `worker.app` in the working directory first.
            argv=[sys.executable, "-m", "celery", f"--app={_APP}", *arguments],
            env=self._environment(),
            cwd=self.data_dir,
            describe=describe,
            ready=ready,
            before_start=before_start,
            stop_timeout_s=stop_timeout_s,
        )

    def _environment(self) -> dict[str, str]:
        """Addresses and passwords go this way and not by command line, which process lists show."""
        environment = {**os.environ, **given(self.settings), "PYTHONUNBUFFERED": "1"}
        environment.pop("BALANCE_OWNER_URL", None)  # whoever reads a worker's environment is not to become the owner
        secret = self.settings.flower_basic_auth
        if secret is None:
            environment["FLOWER_READ_ONLY"] = "true"  # without a password it shows, and stops nobody
        else:
            environment["FLOWER_BASIC_AUTH"] = secret.get_secret_value()
        return environment


class _ServerKeeper:
    """Starts an embedded server and starts it again when it dies, at the same address."""

    def __init__(self, server: LocalServer, tell: Callable[[Event], None]) -> None:
        self._server = server
        self._tell = tell
        self._backoff = Backoff()
        self._stopping = Flag()
        self._thread = Thread(target=self._keep, name=f"keeper-{server.name}", daemon=True)

    def start(self) -> None:
        """Raises ServerError when the first start fails."""
        self._server.start()
        self._tell(Event("ready", self._server.name, self._server.pid, mask_url(self._server.url)))
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        pid = self._server.pid
        self._server.stop()
        if pid is not None:
            self._tell(Event("stopped", self._server.name, pid, "shut down cleanly"))

    def _keep(self) -> None:
        failures = 0
        delay_s = _SERVER_POLL_S
        while not self._stopping.wait(delay_s):
            delay_s = _SERVER_POLL_S
            if self._server.pid is not None:
                failures = 0
                continue
            failures += 1
            self._tell(Event("died", self._server.name, None, f"starting it again (log: {self._server.log_path})"))
            try:
                self._server.start()
            except ServerError as error:
                delay_s = self._backoff.delay_s(failures)
                self._tell(Event("failed", self._server.name, None, f"{error}; again in {delay_s:g} s"))
            else:
                self._tell(Event("ready", self._server.name, self._server.pid, "runs again"))


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


def _has_flower() -> bool:
    return importlib.util.find_spec("flower") is not None
