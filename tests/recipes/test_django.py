"""Django with `models` and `tasks` of its own: the job is in the transaction of the order, and relayed from there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.system import System, wait_until
from tests.support.builders import done
from tests.support.distributions import ROOT
from tests.support.environments import Environment, made

SERVICE = ROOT / "examples" / "publishers" / "django"
pytestmark = pytest.mark.slow

STOPS_S = 20
SHOPS = "producer = 'shop'"
VERSIONS = {"django 5": ("3.11", "django>=5,<6"), "django 6": ("3.12", "django>=6,<7")}


class Service:
    """The example, with a database of its own."""

    def __init__(self, environment: Environment, directory: Path, broker_url: str) -> None:
        self._environment, self._directory = environment, directory
        self.settings = {"DATABASE": str(directory / "shop.sqlite3"), "BALANCE_BROKER_URL": broker_url}

    def manage(self, *words: str, fails: str = "", **settings: str) -> str:
        """What a command says; `fails`: a part of what it says when it does not end well."""
        command = ["python", "manage.py", *words]
        ended = self._environment.run(command, self._directory, {**self.settings, **settings})
        assert (ended.returncode != 0) == bool(fails), ended.stdout + ended.stderr
        assert fails in ended.stderr
        return ended.stdout

    def shell(self, code: str, fails: str = "") -> str:
        return self.manage("shell", "--verbosity=0", "-c", code, fails=fails).strip()

    @contextmanager
    def relaying(self) -> Iterator[None]:
        """A relay that runs until the block ends, when it is told to."""
        command = [self._environment.python, "manage.py", "relay_balance_jobs", "--pause", "0.1"]
        with (self._directory / "relay.log").open("w") as log:
            relay = subprocess.Popen(
                command, cwd=self._directory, env=self._environment.variables(self.settings), stdout=log, stderr=log
            )
        try:
            yield
            relay.terminate()
            assert relay.wait(STOPS_S) == 0, self.relay_log
        finally:
            relay.kill()
            relay.wait()

    @property
    def relay_log(self) -> str:
        return (self._directory / "relay.log").read_text()


@pytest.fixture(params=VERSIONS)
def service(request: pytest.FixtureRequest, shelf: Path, wheel: Path, tmp_path: Path, redis_url: str) -> Service:
    version, django = VERSIONS[request.param]
    environment = made(shelf, request.param.replace(" ", ""), [wheel, django], version)
    shutil.copytree(SERVICE, tmp_path / "service", ignore=shutil.ignore_patterns("__pycache__"))
    service = Service(environment, tmp_path / "service", redis_url)
    service.manage("migrate", "--verbosity=0")
    return service


# What a service does, in one process of Django's shell: its start takes longer than all of it.
IN_THE_TRANSACTION = """
from balance_client import InvalidJob
from balance_client.django.models import OutboxJob
from balance_client.django.outbox import add
from django.db import IntegrityError, transaction
from models.models import Order
from tasks import place_order

def refused(kind, call):
    try:
        call()
    except kind:
        assert [*OutboxJob.objects.values_list("job", "account")] == [("users.update_balance", "user:42")]
        assert Order.objects.count() == 1
    else:
        raise AssertionError(kind)

place_order("1", 42, 1500)
refused(IntegrityError, lambda: place_order("1", 42, 1500))  # by the database, after the job was added
refused(InvalidJob, lambda: place_order("2", "nobody", 1500))
refused(transaction.TransactionManagementError, lambda: add(("users.upsert", {"idempotency_key": "k", "user_id": 1})))
place_order("2", 42, 1500)
place_order("3", 42, 1500)
"""
WAITING = "from balance_client.django.models import OutboxJob; print(OutboxJob.objects.count())"


def test_jobs_are_in_the_transactions_of_orders_and_relayed_in_order(service: Service, system: System) -> None:
    service.manage("makemigrations", "--check", "--dry-run")  # the migrations are those of the models
    service.shell(IN_THE_TRANSACTION)
    done(system.engine, "users.upsert", user_id=42)
    done(system.engine, "users.update_balance", user_id=42, amount_kopeks=100_000)
    system.money_worker()
    with service.relaying():
        wait_until("the jobs", lambda: system.count("jobs", SHOPS) == 3)
        service.shell("import tasks; tasks.place_order('4', 42, 1500)")
        wait_until("another", lambda: system.count("jobs", SHOPS) == 4)
    assert service.shell(WAITING) == "0"
    keys = system.rows(
        f"select idempotency_key from jobs join entries on entries.job_id = jobs.id where {SHOPS} order by seq"
    )
    assert [key for (key,) in keys] == ["order-1", "order-2", "order-3", "order-4"]


def test_what_the_broker_does_not_take_stays_and_what_is_wrong_is_said(service: Service) -> None:
    service.shell("import tasks; tasks.place_order('1', 42, 1500)")
    away = {"BALANCE_BROKER_URL": "redis://127.0.0.1:1/0"}
    service.manage("relay_balance_jobs", "--once", fails="nothing was removed: ", **away)
    assert service.shell(WAITING) == "1"
    service.manage("relay_balance_jobs", "--once", "--limit", "0", fails="allowed is 1 to")
    service.manage("relay_balance_jobs", "--once", fails="BALANCE_CLIENT: broker_url", BALANCE_BROKER_URL="kafka://x")
