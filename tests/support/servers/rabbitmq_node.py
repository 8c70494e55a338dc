"""A RabbitMQ node of one test's own: to be killed and restarted, which the machine's must never be.

It has its own name, ports, port mapper (epmd), cookie and files. Only the program is the machine's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import IO, ClassVar, Final

import pytest

from worker.local.ports import HOST, free_port
from worker.local.server_error import ServerError
from worker.local.servers.localserver import LocalServer, end, write_private
from worker.local.spawn import spawn

# Debian's /usr/sbin/rabbitmq-server is a wrapper that becomes the machine's rabbitmq user: the program itself is here.
_PROGRAMS: Final = ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/rabbitmq/sbin", "/opt/homebrew/sbin", "/usr/sbin")
_CONTROL_S: Final = 60


def rabbitmq_programs() -> Path | None:
    """The directory of rabbitmq-server and rabbitmqctl; None when the machine has none."""
    found = shutil.which("rabbitmq-server", path=os.pathsep.join((*_PROGRAMS, os.environ.get("PATH", ""))))
    return None if found is None or shutil.which("erl") is None else Path(found).parent


def need_rabbitmq_programs() -> None:
    """Skips the test on a machine that has none; in CI that is a failure."""
    if rabbitmq_programs() is None:
        reason = "there is no rabbitmq-server program for a node of the test's own (install RabbitMQ)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


class RabbitMQNode(LocalServer):
    """A node under `data_dir`/rabbitmq. Its user is guest, its password is guest: it listens on 127.0.0.1 alone."""

    name = "rabbitmq"
    stop_signal = signal.SIGTERM
    start_timeout_s = 120.0
    stop_timeout_s = 60.0
    settings: ClassVar[tuple[str, ...]] = ()  # further lines of rabbitmq.conf

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, None)
        self._mapper: subprocess.Popen[bytes] | None = None
        self._mapper_port = free_port()
        self._peer_port = free_port()
        self._node = f"balance-{secrets.token_hex(4)}@localhost"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{HOST}:{self.port}//"

    @property
    def _pid_file(self) -> Path:
        return self.directory / "rabbitmq.pid"

    @property
    def _environment(self) -> dict[str, str]:
        mine = {
            "HOME": str(self.directory),  # where the cookie is
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._peer_port),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_PID_FILE": str(self._pid_file),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "none.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",  # a guest on a small machine
        }
        return {**{key: value for key, value in os.environ.items() if not key.startswith("RABBITMQ_")}, **mine}

    def control(self, *words: str) -> str:
        """What `rabbitmqctl` says. Raises ServerError when it fails, as it does while the node is down."""
        program = str(_programs() / "rabbitmqctl")
        done = subprocess.run(
            [program, "--quiet", "-n", self._node, *words],
            env=self._environment, capture_output=True, text=True, timeout=_CONTROL_S, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise ServerError(f"rabbitmqctl {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def kill(self) -> None:
        """SIGKILL to all of the node."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):  # it had died
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        super().stop()
        if self._mapper is not None:
            end(self._mapper, signal.SIGTERM, 5)
            self._mapper = None

    def _prepare(self) -> None:
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(secrets.token_hex(20))
            cookie.chmod(0o400)
        (self.directory / "plugins").write_text("[].\n")
        if self._mapper is None or self._mapper.poll() is not None:
            program = shutil.which("epmd")
            if program is None:
                raise ServerError("rabbitmq: erlang's epmd is not on the PATH")
            argv = [program, "-port", str(self._mapper_port), "-address", HOST]
            self._mapper = spawn(argv, death_signal=signal.SIGKILL, cwd=self.directory)

    def _launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        lines = (f"listeners.tcp.1 = {HOST}:{self._port}", *self.settings)
        write_private(self.directory / "rabbitmq.conf", "".join(f"{line}\n" for line in lines))
        return spawn(
            [str(_programs() / "rabbitmq-server")],
            death_signal=signal.SIGTERM, env=self._environment, output=output, cwd=self.directory,
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=2) as link:
                link.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(link.recv(1))  # it opens with connection.start once it is up
        except OSError:
            return False


def _programs() -> Path:
    programs = rabbitmq_programs()
    if programs is None:
        raise ServerError("no rabbitmq-server on this machine: install RabbitMQ (its service need not run)")
    return programs
