"""A PgBouncer in front of a test's PostgreSQL: Debian's program, as it comes but for where it leads."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

import pytest
from sqlalchemy import make_url

from worker.local.ports import HOST
from worker.local.servers.localserver import LocalServer, write_private
from worker.local.servers.unprivileged import admit, give, let_through, unprivileged_identity
from worker.local.spawn import spawn

_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")


def pgbouncer_program() -> str:
    """Skips the test on a machine that has none; in CI that is a failure."""
    found = shutil.which("pgbouncer", path=os.pathsep.join((*_FOLDERS, os.environ.get("PATH", ""))))
    if found is None:
        reason = "there is no pgbouncer on this machine (apt-get install pgbouncer)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class PgBouncer(LocalServer):
    """Leads every database to the server at `server_url`, as the user there."""

    name = "pgbouncer"
    stop_signal = signal.SIGINT

    def __init__(self, data_dir: Path, server_url: str, mode: str, **settings: str) -> None:
        super().__init__(data_dir, None)
        self._program = pgbouncer_program()
        self._server = make_url(server_url)
        self._settings = {"pool_mode": mode, **settings}

    @property
    def url(self) -> str:
        return self._server.set(port=self.port, password="none").render_as_string(hide_password=False)

    @property
    def _pid_file(self) -> Path:
        return self.directory / "pid"

    def _prepare(self) -> None:
        return

    def _launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        server, config = self._server, self.directory / "pgbouncer.ini"
        settings = {"listen_addr": HOST, "listen_port": self.port, "unix_socket_dir": "", "auth_type": "any"}
        lines = ["[databases]"]
        lines += [f"* = host={server.host} port={server.port} user={server.username} password={server.password}"]
        lines += ["[pgbouncer]", *(f"{name} = {value}" for name, value in (settings | self._settings).items())]
        write_private(config, "\n".join((*lines, "")))
        identity = unprivileged_identity(self.directory)  # it refuses to run as root
        if identity is not None:
            admit(self.directory, identity)
            let_through(self.directory, identity)
            give(config, identity)
        return spawn(
            [self._program, str(config)], death_signal=self.stop_signal, output=output, cwd=self.directory,
            identity=identity,
        )  # fmt: skip

    def _answers(self) -> bool:
        return "process up" in self.log_path.read_text()
