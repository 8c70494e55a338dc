"""docker-compose.yml without Docker: against the Compose schema, against our own rules, and by running what it says.

Each service of ours is started here by its own `command` in its own environment and judged by its own health check;
only the addresses of the servers and the place of the volume are exchanged for local ones.
"""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from balance_client import BalanceClient
from models.store.server.server import Server, examine
from tests.acceptance.compose import COMPOSE_FILE, RAW, ROOT, SECRETS, Local, UnsetVariableError, interpolated, seconds

ENV_EXAMPLE = ROOT / ".env.example"
ONE_SHOT = {"migrate"}
OURS = {"migrate", "worker", "io-worker", "beat", "flower", "http"}
SERVICES: dict[str, Any] = interpolated(RAW["services"], SECRETS)


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


# What the file is.


def validated(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
    images = {name: service["image"] for name, service in SERVICES.items() if "build" not in service}
    assert all(re.search(r":\d", image) for image in images.values()), images


def test_ports_are_open_on_this_host_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports), ports


def test_nothing_starts_before_the_schema_is_there() -> None:
    for name in ("worker", "io-worker", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_file_holds_no_secret() -> None:
    for each in strings(RAW):
        for credentials in re.findall(r"://([^@\s]*?)@", each):
            assert "${" in credentials, each
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
        os.kill(process.pid, signal.SIGSTOP)
        assert not local.is_healthy()
        os.kill(process.pid, signal.SIGCONT)
        local.wait_until_healthy(process)


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_worker_applies_what_a_publisher_sends(
    broker: str, tmp_path: Path, database_url: str, unique_queue: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(f"{broker}_url")
    switch = {"BALANCE_BROKER_URL": "amqp://balance:secret@rabbitmq:5672//"} if broker == "rabbitmq" else {}
    local = Local("worker", tmp_path, {"postgres": database_url, broker: url}, queue=unique_queue, **switch)
    with local.running() as process, BalanceClient(url, queue=unique_queue) as client:
        local.wait_until_healthy(process)
        client.wallets_create(idempotency_key="open", wallet_id="w").get(timeout_s=30)
        job = client.wallets_top_up(
            idempotency_key="k", wallet_id="w", credits_to_add="2", transaction_reason="INVOICE_PAYMENT"
        )
        assert job.get(timeout_s=30).status == "applied"
        local.stop(process)


def test_flower_asks_for_the_password(tmp_path: Path, database_url: str, redis_url: str) -> None:
    local = Local("flower", tmp_path, {"postgres": database_url, "redis": redis_url})
    with local.running() as process:
        local.wait_until_healthy(process)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{local.flower_port}/workers", timeout=10)


def test_migrate_brings_an_empty_database_up_with_a_role_for_workers_and_may_be_repeated(
    tmp_path: Path, empty_database_url: str
) -> None:
    url = make_url(empty_database_url)
    workers = url.set(username=f"app_{url.database}", password="p'w").render_as_string(hide_password=False)
    local = Local("migrate", tmp_path, {"postgres": empty_database_url, "balance_app@postgres": workers})
    for attempt in ("first", "second"):
        result = local.run_once()
        assert result.returncode == 0, f"{attempt}: {result.stdout}{result.stderr}"
    engine = create_engine(workers)
    server = examine(engine)
    engine.dispose()
    assert isinstance(server, Server), server
    assert (server.missing, server.beyond) == ([], [])
    owner = create_engine(empty_database_url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"drop owned by app_{url.database}"))
        connection.execute(text(f"drop role app_{url.database}"))
    owner.dispose()


def test_only_migrate_knows_the_owner() -> None:
    for name in OURS:
        said = [each for each in strings(SERVICES[name]) if f":{SECRETS['POSTGRES_PASSWORD']}@" in each]
        assert len(said) == (name == "migrate"), name
