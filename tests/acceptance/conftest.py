"""A system for each test: its own queue and database, on Redis or on RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.acceptance.scheduled import Scheduled
from tests.acceptance.system import System


@pytest.fixture
def system(redis_url: str, database_url: str, engine: Engine, tmp_path: Path) -> Iterator[System]:
    """A system on Redis."""
    running = System(redis_url, database_url, engine, "balance", tmp_path)
    yield running
    running.stop()


@pytest.fixture
def system_on_rabbitmq(
    rabbitmq_url: str, database_url: str, engine: Engine, tmp_path: Path, unique_queue: str
) -> Iterator[System]:
    """A system on RabbitMQ."""
    running = System(rabbitmq_url, database_url, engine, unique_queue, tmp_path)
    yield running
    running.stop()


@pytest.fixture(params=["redis", "rabbitmq"])
def any_system(
    request: pytest.FixtureRequest, database_url: str, engine: Engine, tmp_path: Path, unique_queue: str
) -> Iterator[System]:
    """A system on each broker."""
    broker_url = request.getfixturevalue(f"{request.param}_url")
    running = System(broker_url, database_url, engine, unique_queue, tmp_path)
    yield running
    running.stop()


@pytest.fixture(params=["system", pytest.param("system_on_rabbitmq", marks=pytest.mark.slow)])
def either_system(request: pytest.FixtureRequest) -> System:
    """For what is hardly about the broker: a system on Redis, and in `make slow` one on RabbitMQ too."""
    found: System = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def scheduled(system: System, tmp_path: Path) -> Scheduled:
    """The scheduled work of a system on Redis."""
    return Scheduled(system, tmp_path)
