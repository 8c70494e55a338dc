"""One Flower with a sample ledger, and one browser; pages are looked at in tabs of their own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser
from sqlalchemy import create_engine, make_url

from models.store.server.privileges import READERS
from models.store.server.roles import grant
from tests.browser.running import RunningFlower, browser_running, flower_running
from tests.browser.sample import Ledger, Sample, fill
from tests.support.builders import execute
from tests.support.servers import forks, servers
from worker.local.ports import free_port
from worker.local.servers.embedded import EmbeddedPostgres, EmbeddedValkey

_CHANGED = 61  # the broker's database of who changes the ledger


@contextmanager
def filled_ledger(server: EmbeddedPostgres, template: str) -> Iterator[Ledger]:
    """A database with the sample in it, and a role that may read it."""
    name = f"pages_{uuid.uuid4().hex}"
    url, role = servers.create_database(server.url, name, template), f"reader_of_{name}"
    engine = create_engine(url)
    sample = fill(engine)
    grant(engine, role, "r", READERS)
    yield Ledger(url, make_url(url).set(username=role, password="r").render_as_string(hide_password=False), sample)
    execute(engine, f"drop owned by {role}; drop role {role}")
    engine.dispose()
    servers.drop_database(server.url, name)


def settings_for(ledger: Ledger, valkey: EmbeddedValkey, number: int, run_dir: Path) -> dict[str, str]:
    """Settings of a Flower that reads this ledger, with a broker's database of its own."""
    broker = servers.with_database(valkey.url, str(number))
    with redis.Redis.from_url(broker) as client:
        client.flushdb()
    return {
        "BALANCE_BROKER_URL": broker,
        "BALANCE_DATABASE_URL": ledger.reading_url,
        "BALANCE_FLOWER_DATABASE_URL": ledger.reading_url,
        "BALANCE_RUN_DIR": str(run_dir),
    }


@pytest.fixture(scope="session")
def ledger(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Ledger]:
    """The one that all look at: nobody changes it."""
    with filled_ledger(postgres, template_database) as filled:
        yield filled


@pytest.fixture(scope="module")
def own_ledger(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Ledger]:
    """One of a file's own, for what changes it."""
    with filled_ledger(postgres, template_database) as filled:
        yield filled


@pytest.fixture(scope="session")
def sample(ledger: Ledger) -> Sample:
    return ledger.sample


@pytest.fixture(scope="session")
def environment(ledger: Ledger, valkey: EmbeddedValkey, server_directory: Path) -> dict[str, str]:
    """Settings of a Flower that shows the ledger that all look at."""
    return settings_for(ledger, valkey, 63, server_directory)


@pytest.fixture(scope="module")
def own_environment(own_ledger: Ledger, valkey: EmbeddedValkey, server_directory: Path) -> dict[str, str]:
    """Settings of a Flower on the file's own ledger."""
    return settings_for(own_ledger, valkey, 62, server_directory)


@pytest.fixture(scope="session")
def flower(environment: dict[str, str], server_directory: Path) -> Iterator[RunningFlower]:
    """One that asks for a login."""
    with flower_running(environment, server_directory / "flower.log") as running:
        yield running


@pytest.fixture(scope="session")
def open_flower(environment: dict[str, str], server_directory: Path) -> Iterator[RunningFlower]:
    """One that lets everybody in, below a path; it has what tests/browser/acting.py adds, and its pages wait long."""
    patient = {
        "BALANCE_LOCK_TIMEOUT_MS": "25000",
        "BALANCE_VISIBILITY_TIMEOUT_S": "60",
        "BALANCE_FLOWER_STATEMENT_TIMEOUT_MS": "60000",
    }
    log, program = server_directory / "open-flower.log", "tests.browser.acting"
    with flower_running(environment | patient, log, login=None, prefix="/ops/flower", program=program) as running:
        yield running


@pytest.fixture(scope="package")
def changed_ledger(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Ledger]:
    """One for jobs that forms ask for: each test changes what is its own."""
    with filled_ledger(postgres, template_database) as filled:
        yield filled


@pytest.fixture(scope="package")
def acting(changed_ledger: Ledger, valkey: EmbeddedValkey, server_directory: Path) -> Iterator[RunningFlower]:
    """A Flower that shows it, with what tests/browser/acting.py adds."""
    given = settings_for(changed_ledger, valkey, _CHANGED, server_directory)
    given["BALANCE_DATABASE_URL"] = changed_ledger.url
    with flower_running(given, server_directory / "acting.log", program="tests.browser.acting") as running:
        yield running


@pytest.fixture(scope="package")
def worker(
    acting: RunningFlower, changed_ledger: Ledger, valkey: EmbeddedValkey, server_directory: Path
) -> Iterator[None]:
    """A money worker that applies what its forms ask for."""
    given = {
        **os.environ,
        "BALANCE_BROKER_URL": servers.with_database(valkey.url, str(_CHANGED)),
        "BALANCE_DATABASE_URL": changed_ledger.url,
        "BALANCE_RUN_DIR": str(server_directory),
    }
    words = ["worker", "--pool=solo", "--queues=balance", "--without-mingle"]
    process = forks.celery(words, environment=given, log=server_directory / "acting-worker.log")
    yield
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="package")
def brokerless(changed_ledger: Ledger, server_directory: Path) -> Iterator[RunningFlower]:
    """A Flower on the same ledger whose broker is away."""
    given = {
        "BALANCE_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",
        "BALANCE_DATABASE_URL": changed_ledger.url,
        "BALANCE_FLOWER_DATABASE_URL": changed_ledger.reading_url,
        "BALANCE_RUN_DIR": str(server_directory),
    }
    with flower_running(given, server_directory / "brokerless.log") as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Of this folder alone: as long as there is one, an event loop runs in this thread, and others could have none."""
    with browser_running() as running:
        yield running
