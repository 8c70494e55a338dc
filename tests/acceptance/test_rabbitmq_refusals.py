"""Whatever RabbitMQ refuses: said at once, once, with the next step; the worker lives, and goes on when it is mended.

Each step costs a start of rabbitmqctl: what differs in its words alone is in tests/unit/test_broker_refusals.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import Engine

from balance_client import BalanceClient
from tests.acceptance.system import System, wait_until
from tests.acceptance.test_doctor import doctor
from tests.support.servers import servers
from tests.support.servers.rabbitmq_node import RabbitMQNode, need_rabbitmq_programs

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitMQNode]:
    need_rabbitmq_programs()
    with servers.server_directory() as directory, RabbitMQNode(directory) as node:
        node.control("add_user", "worker", "right")
        yield node


class Site:
    """A system whose user may be refused everything."""

    def __init__(self, node: RabbitMQNode, system: System) -> None:
        self.node, self.system = node, system
        self._jobs = self._seen = 0
        self._since = monotonic()

    def as_guest(self) -> Any:
        """A channel that may do anything."""
        return Connection(self.node.url).channel()

    def publish(self) -> None:
        """One job, by somebody whom nothing is refused."""
        self._jobs += 1
        with BalanceClient(self.node.url) as client:
            client.users_upsert(idempotency_key=f"k{self._jobs}", user_id=self._jobs)

    def applied(self) -> bool:
        return self.system.count("jobs") == self._jobs

    def says(self, event: str, *words: str) -> None:
        """Waits until the worker's log has a line of the event with these words, behind what was looked at before."""

        def said() -> bool:
            lines = self.news()
            return any(event in line and all(word in line for word in words) for line in lines)

        wait_until(f"{event} with {words}", said)

    def news(self) -> list[str]:
        return [line for line in self.system.log("money")[self._seen :].splitlines() if "next=" in line]

    def goes_on(self, lines: int) -> None:
        """A job is applied; since it last went on no more was said than `lines` a minute, and no traceback."""
        self.publish()
        wait_until("the job", self.applied)
        minutes = 1 + int((monotonic() - self._since) / 60)
        assert len(self.news()) <= lines * minutes, self.news()
        assert "Traceback" not in self.system.log("money")
        self._seen, self._since = len(self.system.log("money")), monotonic()


@pytest.fixture
def site(node: RabbitMQNode, database_url: str, engine: Engine, tmp_path: Path) -> Iterator[Site]:
    url = node.url.replace("guest:guest", "worker:wrong")
    system = System(url, database_url, engine, "balance", tmp_path)
    yield Site(node, system)
    system.stop()


def test_whatever_rabbitmq_refuses_is_said_once_with_what_to_do_and_the_worker_goes_on(
    node: RabbitMQNode, site: Site
) -> None:
    system, control = site.system, node.control
    worker = system.celery("money", ["worker", "--pool=solo", "--queues=balance", "--without-mingle"])
    beat = system.beat()
    site.says("broker.waiting", "ACCESS_REFUSED", "rabbitmqctl change_password worker")
    wait_until("beat to say it", lambda: "rabbitmqctl change_password worker" in system.log("beat"))
    control("change_password", "worker", "wrong")  # which the worker has
    site.says("broker.waiting", "access to vhost '/' refused", "rabbitmqctl set_permissions -p / worker")
    channel = site.as_guest()
    channel.queue_declare("balance", durable=True, auto_delete=False, exclusive=True)
    control("set_permissions", "-p", "/", "worker", *enough_for("worker"))
    site.says("queue.unusable", "RESOURCE_LOCKED", "owner_pid")
    channel.connection.close()
    wait_until("the queue to be used", lambda: "queue.usable" in system.log("money"))
    site.goes_on(lines=4)  # one for each, and queue.made

    site.as_guest().queue_delete("balance")  # under its consumer
    site.says("broker.waiting", "declared again")
    site.goes_on(lines=2)

    site.publish()
    control("set_vm_memory_high_watermark", "0.00001")
    site.says("broker.blocked", "rabbitmq-diagnostics")
    assert doctor(system, "--wait", "0.1")[1]["broker.publishing"]["level"] == "failure"
    wait_until("the job that was there", site.applied)
    control("set_vm_memory_high_watermark", "0.4")
    site.goes_on(lines=2)

    assert site.as_guest().queue_declare("balance.io", passive=True).message_count > 0, "beat goes on too"
    assert "Traceback" not in system.log("beat")
    for process in (worker, beat):
        assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 0


def enough_for(user: str) -> list[str]:
    """The permissions that the guide says are enough for this user."""
    text = GUIDE.partition("<!-- tested: permissions -->")[2].partition("```sh\n")[2].partition("```")[0]
    found = re.search(rf"set_permissions -p shop {user} '([^']+)'\s*\\?\s*'([^']+)'\s*\\?\s*'([^']+)'", text)
    assert found is not None
    return [*found.groups()]
