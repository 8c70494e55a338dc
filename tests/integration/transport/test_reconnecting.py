"""Brokers that restart and links that die silently, under real workers with jobs in hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest
import redis
from celery import Celery

from tests.integration.transport.brokers import Broker, consuming, wait_until
from tests.integration.transport.workers import left, number_of, send, working
from tests.support.servers import servers
from tests.support.servers.proxy import Proxy
from worker.brokers.redis.channel import Transport
from worker.local.servers.embedded import EmbeddedValkey

_QUICK = {"health_check_interval": 1, "socket_timeout": 2, "socket_connect_timeout": 2, "socket_keepalive": True}


@pytest.fixture
def restartable() -> Iterator[EmbeddedValkey]:
    """A Valkey of the test's own, which keeps what it holds when it restarts."""
    with servers.server_directory() as directory, EmbeddedValkey(directory) as server:
        yield server


@pytest.mark.parametrize("pool", ["threads", "prefork", "solo"])
def test_a_broker_restarts_while_a_job_is_unacknowledged(
    restartable: EmbeddedValkey, redis_url: str, tmp_path: Path, pool: str
) -> None:
    """celery 5.7.0 exits here with a late-acknowledged task in hand; see docs/decisions/0001-celery-5.6.3.md."""
    with redis.Redis.from_url(redis_url) as past, redis.Redis.from_url(restartable.url) as client:
        broker, direct = Broker(restartable.url, f"{pool}:", client), Broker(redis_url, f"{pool}:", past)
        with working(broker, tmp_path, "atomic", pool=pool, direct=direct, **_QUICK) as worker:
            send(broker, 1, task="slow")
            wait_until(lambda: past.llen(f"{pool}:begun") == 1, "the job has begun")
            for _ in range(2):
                restartable.stop()
                assert worker.process.poll() is None, worker.log
                restartable.start()
            past.rpush(f"{pool}:go", *range(10))
            wait_until(lambda: 1 in worker.done(), f"the job ends {worker.log}")
            send(broker, 2)
            wait_until(lambda: 2 in worker.done(), f"the worker goes on {worker.log}", timeout_s=40)
            wait_until(lambda: left(broker) == [], "all is acknowledged")
            assert worker.stop() == 0, worker.log
        # A job that was in hand when the connection went may run again; none may be missing.
        assert {*worker.done()} == {1, 2}


def test_a_link_that_dies_silently_is_noticed(redis_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client, Proxy(redis_url) as proxy:
        broker = Broker(redis_url, "silent:", client)
        with working(broker, tmp_path, "atomic", url=proxy.url, **_QUICK) as worker:
            send(broker, 1)
            wait_until(lambda: worker.done() == [1], "the link works")
            proxy.go_silent()
            send(broker, 2, 3)
            wait_until(lambda: worker.done() == [1, 2, 3], f"a new link is made {worker.log}")
            wait_until(lambda: left(broker) == [], "all is acknowledged")
            assert worker.stop() == 0


def test_a_worker_answers_and_stops_as_usual(redis_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client:
        broker = Broker(redis_url, "usual:", client)
        with working(broker, tmp_path, "atomic") as worker:
            send(broker, *range(20))
            wait_until(lambda: worker.done() == [*range(20)], "all are done, in order")
            wait_until(lambda: left(broker) == [], "all are acknowledged")
            asker = Celery("asker", broker=redis_url, set_as_current=False)
            asker.conf.broker_transport_options = {"global_keyprefix": broker.prefix}
            inspect: Any = asker.control.inspect(timeout=10, limit=1)
            assert [*inspect.ping().values()] == [{"ok": "pong"}]
            assert [each["broker"]["transport"] for each in inspect.stats().values()] == ["redis"]
            assert worker.stop() == 0


def test_a_worker_that_is_stopped_gives_back_what_it_holds_in_order(redis_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client:
        broker = Broker(redis_url, "stopped:", client)
        with working(broker, tmp_path, "atomic", pool="threads", prefetch=5) as worker:
            send(broker, 0, task="slow")
            wait_until(lambda: client.llen("stopped:begun") == 1, "the first has begun")
            send(broker, 1, 2, 3, 4, 5, 6)
            wait_until(lambda: client.hlen("stopped:unacked") == 5, "as many are held as may be")
            worker.process.terminate()
            client.rpush("stopped:go", 1)
            assert worker.process.wait(30) == 0, worker.log
            done = worker.done()
            assert done == sorted(done)
            assert left(broker) == [number for number in range(7) if number not in done]
            assert client.hlen("stopped:unacked") == 0
            waiting = [number_of(json.loads(entry)) for entry in broker.raw()]
            assert waiting == sorted(waiting)


def test_closing_while_the_server_is_away_loses_nothing(broker: Broker, capfd: pytest.CaptureFixture[str]) -> None:
    broker.publish(*range(3))
    with Proxy(broker.url) as proxy:
        with consuming(broker, prefetch=3, url=proxy.url) as one:
            one.drain(3)
            one.messages[0].ack()
            proxy.refuse()
        assert "messages.not_settled" in capfd.readouterr().out
    assert broker.unacked() == [0, 1, 2]
    assert broker.waiting() == []


def test_a_connection_that_was_given_up_with_its_server_away_ends_in_a_line(
    restartable: EmbeddedValkey, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a process does last of all: kombu restores once more, on channels whose connection is long gone."""
    with kombu.Connection(restartable.url, transport=Transport, transport_options=_QUICK) as connection:
        channel: Any = connection.channel()
        kombu.Queue("q", kombu.Exchange(""), routing_key="q")(channel).declare()
        kombu.Producer(channel).publish("{}", exchange="", routing_key="q", content_type="application/json")
        qos, message = channel.qos, channel.basic_get("q")
        qos.ack_later(message.delivery_tag)
        restartable.stop()
    capfd.readouterr()
    qos.restore_unacked_once()
    assert capfd.readouterr().out.count("messages.not_settled") == 1
    restartable.start()
    with kombu.Connection(restartable.url, transport=Transport, transport_options=_QUICK) as connection:
        channel = connection.channel()
        channel.flush_acks()
        assert channel.client.hlen(channel.unacked_key) == 0, "the next connection tells it"


def test_whoever_still_asks_a_channel_of_a_lost_connection_is_told_that_it_is_lost(restartable: EmbeddedValkey) -> None:
    """Celery's steps do as they end: what they hear must be an error of the connection, not of a mistake."""
    with kombu.Connection(restartable.url, transport=Transport, transport_options=_QUICK) as connection:
        channel: Any = connection.channel()
    with pytest.raises(connection.connection_errors, match="given up"):
        channel.basic_publish({"body": "", "properties": {"delivery_info": {}}}, exchange="", routing_key="q")
