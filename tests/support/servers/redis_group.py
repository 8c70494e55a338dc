"""A Redis with two replicas and three sentinels of one test's own: Debian's programs, own ports and files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import pytest
import redis

from tests.support.servers.tls import Authority
from worker.local.ports import HOST, free_port
from worker.local.servers.localserver import end, open_log
from worker.local.spawn import spawn

MASTER_NAME: Final = "balance"
_PROGRAMS: Final = ("redis-server", "redis-sentinel")
_PASSWORD: Final = "servers/secret"
_SENTINEL_PASSWORD: Final = "sentinels/secret"
_REPLICAS: Final = 2
_READY_S: Final = 30


def need_redis_programs() -> None:
    """Skips the test on a machine that has none; in CI that is a failure."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        reason = f"there is no {' and no '.join(missing)} on this machine (apt-get install {' '.join(missing)})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


class RedisGroup:
    """Set up as docs/deployment.md says; a primary that dies is replaced within about two seconds."""

    def __init__(self, directory: Path, known: Authority | None = None) -> None:
        need_redis_programs()
        self._directory, self._known = directory, known
        self._processes: dict[int, subprocess.Popen[bytes]] = {}  # by port
        self._clients = ExitStack()
        first, *others = (free_port() for _ in range(1 + _REPLICAS))
        self._sentinels = [free_port() for _ in range(3)]
        self._start("redis-server", first, [])
        for port in others:
            self._start("redis-server", port, [f"replicaof {HOST} {first}"])
        for port in self._sentinels:
            self._start("redis-sentinel", port, self._watching(first))

    def __enter__(self) -> Self:
        self._wait("the sentinels to know all", self._is_complete)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clients.close()
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            end(process, signal.SIGTERM, 10)

    @property
    def url(self) -> str:
        """As BALANCE_BROKER_URL has it."""
        scheme = "sentinels" if self._known else "sentinel"
        hosts = ";".join(f"{scheme}://:{quote(_PASSWORD, safe='')}@{HOST}:{port}" for port in self._sentinels)
        return f"{hosts}/0?master_name={MASTER_NAME}&sentinel_password={quote(_SENTINEL_PASSWORD, safe='')}"

    @property
    def sentinel_as_server(self) -> str:
        """The URL of somebody who takes a sentinel for a server."""
        return f"redis://:{quote(_SENTINEL_PASSWORD, safe='')}@{HOST}:{self._sentinels[0]}/0"

    def primary(self) -> int:
        """The port of the server that the sentinels name."""
        return int(self._ask(0, "sentinel", "get-master-addr-by-name", MASTER_NAME)[1])

    def kill_primary(self) -> None:
        """SIGKILL; returns when the process is gone, and before the sentinels have noticed."""
        process = self._processes[self.primary()]
        process.kill()
        process.wait()

    def client(self, port: int) -> Any:
        """A client of one server or sentinel."""
        tls: dict[str, Any] = {}
        if self._known is not None:
            tls = {"ssl": True, "ssl_ca_certs": self._known.ca, "ssl_certfile": self._known.cert}
            tls["ssl_keyfile"] = self._known.key
        password = _SENTINEL_PASSWORD if port in self._sentinels else _PASSWORD
        return self._clients.enter_context(redis.Redis(HOST, port, password=password, decode_responses=True, **tls))

    def _ask(self, number: int, *words: str) -> Any:
        return self.client(self._sentinels[number]).execute_command(*words)

    def _is_complete(self) -> bool:
        """Whether every sentinel knows the others, and the primary has its replicas."""
        states = [self.client(port).sentinel_master(MASTER_NAME) for port in self._sentinels]
        known = all(state["num-other-sentinels"] == 2 and state["num-slaves"] == _REPLICAS for state in states)
        followed: int = self.client(self.primary()).info("replication").get("min_slaves_good_slaves", 0)
        return known and followed == _REPLICAS

    def _wait(self, what: str, condition: Any) -> None:
        deadline, pause = monotonic() + _READY_S, Event()
        while True:
            try:
                if condition():
                    return
            except redis.RedisError as error:
                what = f"{what} ({error})"
            assert monotonic() < deadline, f"waited {_READY_S} s for {what}"
            pause.wait(0.05)

    def _start(self, program: str, port: int, lines: list[str]) -> None:
        directory = self._directory / f"{program}-{port}"
        directory.mkdir()
        password = _SENTINEL_PASSWORD if program == "redis-sentinel" else _PASSWORD
        listening = [f"port {port}"]
        if self._known is not None:
            listening = ["port 0", f"tls-port {port}", "tls-replication yes", "tls-auth-clients optional"]
            listening += [f"tls-ca-cert-file {self._known.ca}", f"tls-cert-file {self._known.cert}"]
            listening += [f"tls-key-file {self._known.key}"]
        common = [f"bind {HOST}", f"dir {directory}", f"requirepass {password}"]
        if program == "redis-server":
            common += ['save ""', f"masterauth {_PASSWORD}", "min-replicas-to-write 1"]
            common += ["repl-diskless-sync-delay 0"]
        config = directory / "redis.conf"  # sentinels write to theirs
        config.write_text("".join(f"{line}\n" for line in [*listening, *common, *lines]))
        with open_log(directory / "log") as output:
            argv = [str(shutil.which(program)), str(config)]
            self._processes[port] = spawn(argv, death_signal=signal.SIGKILL, output=output, cwd=directory)

    def _watching(self, port: int) -> list[str]:
        return [
            f"sentinel monitor {MASTER_NAME} {HOST} {port} 2",
            f"sentinel auth-pass {MASTER_NAME} {_PASSWORD}",
            f"sentinel sentinel-pass {_SENTINEL_PASSWORD}",
            f"sentinel down-after-milliseconds {MASTER_NAME} 700",
            f"sentinel failover-timeout {MASTER_NAME} 3000",
        ]
