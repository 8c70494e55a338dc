"""docker-compose.yml without Docker: against the Compose schema, against our own rules, and by running what it says.

Each service of ours is started here by its own `command` in its own environment and judged by its own health check;
only the addresses of the servers and the place of the volume are exchanged for local ones.
"""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
ENV_EXAMPLE = ROOT / ".env.example"
RAW: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())

SECRETS = {
    name: f"{name.lower().replace('_', '')}1" for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "FLOWER_PASSWORD")
}
VOLUME = "/var/lib/balance-worker"
FLOWER_PORT = "5555"
ONE_SHOT = {"migrate"}
OURS = {"migrate", "worker", "io-worker", "beat", "flower"}


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


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


def seconds(duration: str) -> int:
    """60s → 60, 2m → 120."""
    return int(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


SERVICES: dict[str, Any] = interpolated(RAW["services"], SECRETS)


# What the file is.


def validated(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(
    not importlib.util.find_spec("check_jsonschema"), reason="check-jsonschema brings the Compose schema"
)
def test_file_follows_the_compose_specification(tmp_path: Path) -> None:
    result = validated(COMPOSE_FILE)
    assert result.returncode == 0, result.stdout + result.stderr

    misspelt = tmp_path / "docker-compose.yml"
    misspelt.write_text(COMPOSE_FILE.read_text().replace("stop_grace_period", "stop_grace_perod"))
    assert "stop_grace_perod" in validated(misspelt).stdout


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_watched_limited_and_restarted(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert {"test", "interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
        assert seconds(service["stop_grace_period"]) > 0
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_write_nowhere_but_where_they_must(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]


def test_images_are_pinned_to_a_major_release() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if name not in OURS}
    assert all(re.search(r":\d", image) for image in images.values()), images


def test_ports_are_open_on_this_host_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports), ports


def test_nothing_starts_before_the_schema_is_there() -> None:
    for name in ("worker", "io-worker", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_file_holds_no_secret() -> None:
    for text in strings(RAW):
        for credentials in re.findall(r"://([^@\s]*?)@", text):
            assert "${" in credentials, text
    for service in RAW["services"].values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASS|AUTH|SECRET|TOKEN", key):
                assert "${" in value, key


@pytest.mark.parametrize("name", SECRETS)
def test_each_secret_is_required_and_says_why(name: str) -> None:
    with pytest.raises(UnsetVariableError, match=f"{name}: set it in .env, .+"):
        interpolated(RAW, SECRETS | {name: ""})


def test_env_example_lists_every_variable_of_the_file() -> None:
    example = ENV_EXAMPLE.read_text()
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text()))
    assert asked == set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) - {"COMPOSE_PROFILES"}
    assert set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE)) == set(SECRETS)


def test_switching_to_rabbitmq_is_one_variable() -> None:
    url = "amqp://balance:secret@rabbitmq:5672//"
    services = interpolated(RAW["services"], SECRETS | {"BALANCE_BROKER_URL": url})
    assert {services[name]["environment"]["BALANCE_BROKER_URL"] for name in OURS} == {url}
    assert SERVICES["worker"]["depends_on"]["rabbitmq"]["required"] is False


# What the file does.


class Local:
    """One service of the file as processes of this machine."""

    def __init__(self, name: str, directory: Path, addresses: dict[str, str]) -> None:
        """`addresses`: the local URL for each host name of the file."""
        self.service = SERVICES[name]
        self.volume = directory / "volume"
        self.volume.mkdir()
        self.log = directory / f"{name}.log"
        self.flower_port = free_port()
        given = {key: self.localised(value, addresses) for key, value in self.service["environment"].items()}
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "HOSTNAME": socket.gethostname(),  # as Docker sets it
            "PYTHONUNBUFFERED": "1",
            **given,
        }
        if "FLOWER_ADDRESS" in given:
            self.environment["FLOWER_PORT"] = self.flower_port

    def localised(self, text: str, addresses: dict[str, str]) -> str:
        if "://" in text and (url := addresses.get(urlsplit(text).hostname or "")):
            assert urlsplit(url).scheme == urlsplit(text).scheme
            return url
        return text.replace(VOLUME, str(self.volume)).replace(FLOWER_PORT, self.flower_port)

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


@pytest.mark.parametrize("name", sorted(OURS - ONE_SHOT))
def test_service_becomes_healthy_and_stops_in_time(
    name: str, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    local = Local(name, tmp_path, {"postgres": database_url, "redis": redis_url})
    assert not local.is_healthy(), "the health check is satisfied with nothing running"
    with local.running() as process:
        local.wait_until_healthy(process)
        local.stop(process)


def test_beat_that_no_longer_ticks_is_unhealthy(tmp_path: Path, database_url: str, redis_url: str) -> None:
    local = Local("beat", tmp_path, {"postgres": database_url, "redis": redis_url})
    with local.running() as process:
        local.wait_until_healthy(process)
        long_ago = time.time() - 600
        os.kill(process.pid, signal.SIGSTOP)
        for file in local.volume.iterdir():
            os.utime(file, (long_ago, long_ago))
        assert not local.is_healthy()
        os.kill(process.pid, signal.SIGCONT)
        local.wait_until_healthy(process)


def test_flower_asks_for_the_password(tmp_path: Path, database_url: str, redis_url: str) -> None:
    local = Local("flower", tmp_path, {"postgres": database_url, "redis": redis_url})
    with local.running() as process:
        local.wait_until_healthy(process)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{local.flower_port}/workers", timeout=10)


def test_migrate_brings_an_empty_database_up_and_may_be_repeated(tmp_path: Path, empty_database_url: str) -> None:
    local = Local("migrate", tmp_path, {"postgres": empty_database_url})
    for attempt in ("first", "second"):
        result = local.run_once()
        assert result.returncode == 0, f"{attempt}: {result.stdout}{result.stderr}"
