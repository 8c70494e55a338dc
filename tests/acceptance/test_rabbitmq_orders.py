"""A plain Celery publisher and a worker on RabbitMQ, whichever comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import ChannelError, PreconditionFailed
from celery import Celery
from kombu import Connection

from tests.acceptance.system import System, wait_until
from tests.acceptance.test_doctor import doctor
from tests.support.command import run

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
ARGUMENTS = {"idempotency_key": "plain-1", "producer": "support", "user_id": 42, "amount_kopeks": -1500}


@pytest.fixture
def system(system_on_rabbitmq: System) -> Any:
    """Afterwards nothing of what publishers and workers made is left on a broker that tests share."""
    yield system_on_rabbitmq
    system_on_rabbitmq.stop()
    with Connection(system_on_rabbitmq.broker_url) as connection:
        channel: Any = connection.channel()
        channel.exchange_delete(system_on_rabbitmq.queue)


def publish_plainly(system: System) -> None:
    """With nothing but Celery's defaults: it declares exchange and queue by itself."""
    app = Celery(broker=system.broker_url, set_as_current=False)
    with app.connection_for_write() as own:  # one of its pool's remembers what it has declared
        app.send_task(
            "users.update_balance", kwargs=ARGUMENTS, queue=system.queue, ignore_result=True, connection=own
        )  # fmt: skip


def publish_as_the_readme_says(system: System) -> None:
    code = README.partition("From any Celery client")[2].partition("```python\n")[2].partition("```")[0]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BALANCE_BROKER_URL", system.broker_url)
        exec(code.replace('"balance"', f'"{system.queue}"'), {})


def answered(system: System, producer_key: str) -> Any:
    return lambda: system.count("jobs", f"idempotency_key = '{producer_key}'") == 1


def test_a_plain_publisher_may_come_first_and_is_told_what_to_do_when_it_comes_second(system: System) -> None:
    publish_plainly(system)  # the queue is classic from here on
    worker = system.money_worker("first")
    wait_until("the job", answered(system, "plain-1"))
    assert "queue.classic" in system.log("first")
    worker.terminate()
    assert worker.wait(30) == 0
    remake_queue(system)

    # The same as if a worker had come first: a quorum queue.
    with pytest.raises(PreconditionFailed, match="inequivalent arg 'x-queue-type'"):
        publish_plainly(system)
    system.money_worker("second")
    assert "publisher.locked_out" in system.log("second")
    assert "no_declare=True" in system.log("second")
    _, findings = doctor(system, "--wait", "0.1")
    assert findings["broker.publishers"]["level"] == "warning"
    assert findings[f"broker.queue.{system.queue}"]["level"] == "ok"
    publish_as_the_readme_says(system)
    wait_until("the README's job", answered(system, "ride-77"))


def test_the_readmes_publisher_is_told_at_once_when_no_worker_came_and_goes_on_when_one_did(system: System) -> None:
    with pytest.raises(ChannelError, match="NO_ROUTE"):
        publish_as_the_readme_says(system)
    system.money_worker("classic", BALANCE_RABBITMQ_QUEUE_TYPE="classic")
    publish_as_the_readme_says(system)
    wait_until("the README's job", answered(system, "ride-77"))
    publish_plainly(system)  # which needs a worker that makes the queue as it would itself
    wait_until("the plain job", answered(system, "plain-1"))
    assert "queue.classic" not in system.log("classic"), "as it was asked for"


def remake_queue(system: System) -> None:
    run("remake-queue", system.queue, environment=system.environment).check_returncode()
