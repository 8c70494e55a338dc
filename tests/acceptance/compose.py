"""docker-compose.yml read as Compose reads it, and its services run as processes of this machine."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from worker.publishers.http_keys import new_key

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
RAW: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())

SECRETS = {
    name: f"{name.lower().replace('_', '')}1"
    for name in (
        "POSTGRES_PASSWORD",
        "POSTGRES_WORKER_PASSWORD",
        "POSTGRES_READER_PASSWORD",
        "REDIS_PASSWORD",
        "FLOWER_PASSWORD",
    )
}
VOLUME = "/var/lib/balance-worker"
FLOWER_PORT = "5555"
HTTP_PORT = "8080"
METRICS_PORT = "9100"
QUEUE = "balance"


class UnsetVariableError(ValueError):
    """A variable that the file requires (`${NAME:?why}`) is not set."""


def interpolate(text: str, variables: dict[str, str]) -> str:
    """Compose's `$$`, `${NAME}`, `${NAME:-default}` and `${NAME:?why}`; a default may hold further variables."""
    opening = re.search(r"\$\$|\$\{", text)
    if opening is None:
        return text
    before, rest = text[: opening.start()], text[opening.end() :]
    if opening.group() == "$$":
        return f"{before}${interpolate(rest, variables)}"
    depth, end = 1, -1
    while depth:
        end = min(position for sign in "{}" if (position := rest.find(sign, end + 1)) >= 0)
        depth += 1 if rest[end] == "{" else -1
    parsed = re.fullmatch(r"(\w+)(?::([-?])(.*))?", rest[:end], re.DOTALL)
    assert parsed, f"not a Compose variable: {rest[:end]}"
    name, operator, operand = parsed.groups()
    value = variables.get(name, "")
    if not value and operator == "?":
        raise UnsetVariableError(f"{name}: {operand}")
    if not value and operator == "-":
        value = interpolate(operand, variables)
    return before + value + interpolate(rest[end + 1 :], variables)


def interpolated(node: Any, variables: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: interpolated(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolated(value, variables) for value in node]
    return interpolate(node, variables) if isinstance(node, str) else node


def seconds(duration: str) -> int:
    """60s → 60, 2m → 120."""
    return int(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


class Local:
    """One service of the file as processes of this machine, by its own command, environment and health check."""

    def __init__(
        self, name: str, directory: Path, addresses: dict[str, str], *, queue: str = QUEUE, **variables: str
    ) -> None:
        """`addresses`: the local URL for each host name of the file, or for `user@host`; `variables`: what else .env
        would say."""
        self.service = interpolated(RAW["services"][name], SECRETS | variables)
        self.queue = queue
        self.volume = directory / "volume"
        self.volume.mkdir()
        self.log = directory / f"{name}.log"
        self.flower_port, self.http_port, self.metrics_port = free_port(), free_port(), free_port()
        given = {key: self.localised(value, addresses) for key, value in self.service["environment"].items()}
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "HOSTNAME": socket.gethostname(),  # as Docker sets it
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(directory),
            **given,
        }
        if self.queue != QUEUE:
            self.environment |= {"BALANCE_QUEUE": self.queue, "BALANCE_IO_QUEUE": f"{self.queue}.io"}
        if "FLOWER_ADDRESS" in given:
            self.environment["FLOWER_PORT"] = self.flower_port
        if "BALANCE_HTTP_ADDRESS" in given:
            entry = {"all": {"hashes": [new_key("all")[1]], "producer": "default"}}
            self.environment |= {"BALANCE_HTTP_PORT": self.http_port, "BALANCE_HTTP_KEYS": json.dumps(entry)}

    def localised(self, text: str, addresses: dict[str, str]) -> str:
        parts = urlsplit(text)
        of_all = addresses.get(parts.hostname or "")
        if "://" in text and (url := addresses.get(f"{parts.username}@{parts.hostname}", of_all)):
            assert urlsplit(url).scheme == urlsplit(text).scheme
            return url
        if text.split(".")[0] == QUEUE:
            return text.replace(QUEUE, self.queue, 1)
        ports = {FLOWER_PORT: self.flower_port, HTTP_PORT: self.http_port, METRICS_PORT: self.metrics_port}
        for usual, ours in ports.items():
            text = text.replace(usual, ours)
        return text.replace(VOLUME, str(self.volume))

    def arguments(self, words: list[str]) -> list[str]:
        return [self.localised(word, {}) for word in words]

    def run_once(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(self.service["command"]),
            cwd=self.volume,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                self.arguments(self.service["command"]),
                cwd=self.volume,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def is_healthy(self) -> bool:
        check = self.service["healthcheck"]
        kind, *words = self.arguments(check["test"])
        command = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
        try:
            result = subprocess.run(
                command, env=self.environment, capture_output=True, timeout=seconds(check["timeout"]), check=False
            )
        except subprocess.TimeoutExpired:
            return False  # what Docker makes of it too
        return result.returncode == 0

    def wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        """Within the file's own `start_period`; fails with the service's log."""
        deadline = time.monotonic() + seconds(self.service["healthcheck"]["start_period"])
        while not self.is_healthy():
            assert process.poll() is None, f"exited with {process.returncode}\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"not healthy in time\n{self.log.read_text()}"
            with pytest.raises(subprocess.TimeoutExpired):  # an exit ends the waiting at once
                process.wait(timeout=0.5)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """As `docker compose stop` does it: SIGTERM to the process, and no more than the file's grace."""
        process.terminate()
        try:
            process.wait(timeout=seconds(self.service["stop_grace_period"]))
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not stop within its grace period\n{self.log.read_text()}")
        assert process.returncode == 0, self.log.read_text()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
