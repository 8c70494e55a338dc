"""Plain Celery, and the typed client in services on the newest and the oldest that it works with."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from kombu import Connection

from balance_client.publishing.job_message import job_message
from models.contracts.spec.examples import EXAMPLES as EXAMPLES_OF_JOBS
from tests.acceptance.system import System, wait_until
from tests.support.builders import done
from tests.support.distributions import ROOT
from tests.support.environments import Environment, made

EXAMPLES = ROOT / "examples" / "publishers"
CELERY = "celery[redis]==5.7.0"  # newer than the worker's


@pytest.fixture
def plain(shelf: Path) -> Environment:
    """Celery, and nothing of ours."""
    return made(shelf, "celery", [CELERY])


ALONE = {"newest": [], "kombu 5.4": ["kombu==5.4.*"]}


@pytest.fixture(params=["newest", *(pytest.param(name, marks=pytest.mark.slow) for name in ("kombu 5.4", "oldest"))])
def service(request: pytest.FixtureRequest, shelf: Path, wheel: Path) -> Environment:
    """With the client."""
    if request.param == "oldest":
        return made(shelf, "oldest", [wheel, CELERY, "pydantic==2.5.*"], "3.10")
    return made(shelf, request.param.replace(" ", ""), [wheel, *ALONE[request.param]])


def major(url: str) -> str:
    """The version of RabbitMQ that answers there."""
    with Connection(url) as connection:
        connection.connect()
        properties: dict[str, str] = connection.connection.server_properties
    return properties["version"].partition(".")[0]


def publish(plain: Environment, system: System, key: str, *words: str, fails: str = "") -> str:
    arguments = ["--url", system.broker_url, "--queue", system.queue, "--key", key, *words]
    ended = plain.run(["python", "publish.py", *arguments], EXAMPLES / "celery")
    assert (ended.returncode != 0) == bool(fails), ended.stderr
    assert fails in ended.stderr
    return ended.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("first", ["publisher", "worker"])
def test_plain_celery_publishes_whoever_comes_first(plain: Environment, any_system: System, first: str) -> None:
    assert plain.run(["python", "-c", "import balance_client"], ROOT / "examples").returncode == 1
    done(any_system.engine, "users.upsert", user_id=42)
    on_rabbitmq = any_system.broker_url.startswith("amqp")
    makes_it = ["--declare-for", major(any_system.broker_url)] if on_rabbitmq else []
    if first == "publisher":
        if on_rabbitmq:
            publish(plain, any_system, "early", fails="NO_ROUTE")
        assert publish(plain, any_system, "order-1", *makes_it) == "published"
    any_system.money_worker()
    assert publish(plain, any_system, "order-2", *makes_it, "--wait", "30") == "insufficient_funds"
    assert publish(plain, any_system, "order-3") == "published"
    jobs = 3 if first == "publisher" else 2
    wait_until("the jobs", lambda: any_system.count("jobs", "producer = 'shop'") == jobs)
    for trouble in ("queue.classic", "queue.unusable", "publisher.locked_out"):
        assert trouble not in any_system.log("money"), "the queue is as the worker would have made it"


def test_the_client_is_answered(service: Environment, either_system: System, tmp_path: Path) -> None:
    done(either_system.engine, "wallets.create", wallet_id="w_1", scale=2)
    either_system.money_worker()
    shutil.copy(EXAMPLES / "client" / "charge.py", tmp_path)
    command = ["python", "charge.py", either_system.broker_url, "order-1", "w_1", "12.50"]
    ended = service.run(command, tmp_path, {"BALANCE_QUEUE": either_system.queue})
    assert ended.stdout.startswith("insufficient_funds: Error(status=409"), ended.stderr


WRONG = """
from balance_client import BalanceClient

def charge(client: BalanceClient) -> str:
    client.wallets_debit(idempotency_key="k", wallet_id=7, credits="1")
    client.wallets_debit(idempotency_key="k", wallet="w_1", credits="1")
    return client.wallets_debit(idempotency_key="k", wallet_id="w_1", credits="1").get(10).applied
"""


def test_mypy_sees_the_types_of_the_client(service: Environment, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "client" / "charge.py", tmp_path)
    (tmp_path / "wrong.py").write_text(WRONG)
    # The program is that of the tests; what it looks at is the environment.
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", service.python]
    right, wrong = (service.call([*command, file], tmp_path) for file in ("charge.py", "wrong.py"))
    assert right.stdout.startswith("Success"), right.stdout
    found = [line.split(":")[1] + line.rpartition("[")[2] for line in wrong.stdout.splitlines() if ": error: " in line]
    assert sorted({*found}) == ["5arg-type]", "6call-arg]", "7return-value]"], wrong.stdout


UNDERSTOOD = """
import json, sys
from balance_client.publishing.job_message import job_message

for name, kwargs in json.load(sys.stdin):
    message = job_message((name, kwargs), "shop", want_result=False)
    print(json.dumps([message.account, dict(message.kwargs)]))
"""


def test_every_job_is_understood_alike(service: Environment, tmp_path: Path) -> None:
    """By the oldest pydantic too: what is published there is what the worker's own contracts make of it."""
    jobs = [(name, example) for name, examples in EXAMPLES_OF_JOBS.items() for example in examples]
    ended = service.call([service.python, "-c", UNDERSTOOD], tmp_path, answer=json.dumps(jobs))
    assert ended.returncode == 0, ended.stderr
    here = [job_message(job, "shop", want_result=False) for job in jobs]
    assert [json.loads(line) for line in ended.stdout.splitlines()] == [[each.account, each.kwargs] for each in here]
