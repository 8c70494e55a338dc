"""A RabbitMQ that is short of memory, dies and comes back; and users who may do what the guide says and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import kombu
import pytest
from kombu import transport as kombu_transports

from tasks.events.stream import StreamDown
from tests.integration.events.made import address, first_seen, made, numbers
from tests.integration.events.receivers import ROOT, receiving
from tests.integration.transport.brokers import wait_until
from tests.support.servers import servers
from tests.support.servers.queues import taken
from tests.support.servers.rabbitmq_node import RabbitMQNode, need_rabbitmq_programs
from worker.brokers.rabbitmq.connection import use_transport
from worker.event_stream.rabbitmq import RabbitMQStream

NAME: Final = "balance.events"
GUIDE: Final = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def node() -> Iterator[RabbitMQNode]:
    need_rabbitmq_programs()
    with servers.server_directory() as directory, RabbitMQNode(directory) as node:
        yield node


@pytest.fixture
def workers_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    """What worker processes have: it does not wait for a RabbitMQ that reads nothing."""
    monkeypatch.setattr(kombu_transports, "TRANSPORT_ALIASES", {**kombu_transports.TRANSPORT_ALIASES})
    monkeypatch.setattr(kombu_transports, "_transport_cache", {})
    use_transport()


def permissions(user: str) -> list[str]:
    text = GUIDE.partition("<!-- tested: permissions -->")[2].partition("```sh\n")[2].partition("```")[0]
    found = re.search(rf"set_permissions -p shop {user} '([^']+)'\s*\\?\s*'([^']+)'\s*\\?\s*'([^']+)'", text)
    assert found is not None
    return [*found.groups()]


@pytest.mark.slow
@pytest.mark.usefixtures("workers_transport")
def test_a_broker_of_its_own(node: RabbitMQNode, tmp_path: Path) -> None:
    """One test, for what takes longest is that a node starts."""
    who_publishes_and_who_receives_need_what_the_guide_says_and_no_more(node, tmp_path)
    a_broker_that_is_short_of_memory_and_dies_has_all_events_in_the_end(node)


def a_broker_that_is_short_of_memory_and_dies_has_all_events_in_the_end(node: RabbitMQNode) -> None:
    with (
        closing(RabbitMQStream(address(node.url, NAME))) as stream,
        kombu.Connection(node.url) as connection,
    ):
        stream.publish([])
        channel: Any = connection.channel()
        channel.queue_declare("kept", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        channel.queue_bind("kept", NAME, "#")
        stream.publish(made(0, 10))
        node.control("set_vm_memory_high_watermark", "0.00001")
        for _ in range(2):
            with pytest.raises(StreamDown, match="rabbitmq-diagnostics check_local_alarms"):
                stream.publish(made(10, 10))
        node.control("set_vm_memory_high_watermark", "0.4")
        wait_until(lambda: _taken(stream, 10), "the alarm to be over", timeout_s=60)
        node.kill()
        with pytest.raises(StreamDown, match=r"see that the broker runs|connects again"):
            stream.publish(made(20, 10))
        node.start()
        wait_until(lambda: _taken(stream, 20), "it to be back", timeout_s=60)
    found = numbers([str(message.body) for message in taken(node.url, "kept")])
    assert first_seen(found) == [*range(30)]


def _taken(stream: RabbitMQStream, first: int) -> bool:
    try:
        stream.publish(made(first, 10))
    except StreamDown:
        return False
    return True


def who_publishes_and_who_receives_need_what_the_guide_says_and_no_more(node: RabbitMQNode, tmp_path: Path) -> None:
    node.control("add_vhost", "shop")
    for user in ("worker", "receiver"):
        node.control("add_user", user, "secret")
        node.control("set_permissions", "-p", "shop", user, *permissions(user))

    def url(user: str) -> str:
        return f"amqp://{user}:secret@127.0.0.1:{node.port}/shop"

    words = ["--url", url("receiver"), "--queue", "shop.events", "--passive"]
    with closing(RabbitMQStream(address(url("worker"), NAME))) as stream:
        stream.publish(made(0))
        with receiving("python", "rabbitmq_consumer", tmp_path / "log", *words) as consumer:
            stream.publish(made(1, 10))
            wait_until(lambda: len(consumer.numbers) == 10, "the events")
            consumer.stop()
    with (
        closing(RabbitMQStream(address(url("receiver"), NAME))) as forging,
        pytest.raises(StreamDown, match=r"refused for user 'receiver'.*set_permissions -p shop receiver"),
    ):
        forging.publish(made(0))
    with kombu.Connection(url("receiver")) as connection:
        for act, what in (("exchange_delete", (NAME,)), ("queue_bind", ("balance", NAME)), ("basic_get", ("balance",))):
            channel: Any = connection.channel()
            with pytest.raises(connection.channel_errors, match="ACCESS_REFUSED"):
                getattr(channel, act)(*what)
