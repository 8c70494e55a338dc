"""Events in a stream of Valkey: all of a batch or nothing, in order, and every refusal with its next step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from models.contracts.replies.events import EventMessage
from tasks.events.stream import StreamDown
from tests.integration.events.made import OCCURRED_AT, address, first_seen, made, numbers
from tests.integration.transport.brokers import wait_until
from tests.support.servers.proxy import Fault, Proxy
from tests.support.servers.redis_group import RedisGroup
from tests.support.servers.servers import server_directory
from tests.support.servers.tls import authority, encrypted
from tests.support.servers.volatile import VolatileValkey
from worker.event_stream.redis import RedisStream
from worker.local.servers.embedded import EmbeddedValkey

NAME: Final = "balance.events"
AGE_S: Final = 86_400


def stream_at(url: str, *, age_s: int = AGE_S, length: int = 1_000_000, **options: Any) -> RedisStream:
    return RedisStream(address(url, NAME, **options), age_s, length)


@pytest.fixture
def stream(redis_url: str) -> Iterator[RedisStream]:
    with closing(stream_at(redis_url)) as stream:
        yield stream


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
        client.config_set("maxmemory", 0)


def published(client: Any) -> list[int]:
    return numbers([fields["event"] for _, fields in client.xrange(NAME)])


def test_an_event_is_there_as_it_was_given(stream: RedisStream, client: Any) -> None:
    [event] = made(1)
    stream.publish([event, EventMessage("e2", "letter.parked", None, OCCURRED_AT, b"{}")])
    stream.publish([])
    assert [fields for _, fields in client.xrange(NAME)] == [
        {"id": "event-1", "type": event.type, "account": "wallet:w_1", "event": event.body.decode()},
        {"id": "e2", "type": "letter.parked", "account": "", "event": "{}"},
    ]


def test_batches_are_in_order_and_a_round_trip_each(redis_url: str, client: Any) -> None:
    with Proxy(redis_url) as proxy, closing(stream_at(proxy.url)) as stream:
        client.config_resetstat()
        stream.publish(made(0, 1000))
        stream.publish(made(1000, 10))
        assert client.info("commandstats")["cmdstat_exec"]["calls"] == 2
    assert published(client) == [*range(1010)]


def test_old_events_and_those_that_are_too_many_are_removed(redis_url: str, client: Any) -> None:
    seconds, _ = client.time()
    for number in range(300):
        client.xadd(NAME, {"event": '{"seq": -1}'}, id=f"{(seconds - AGE_S - 60) * 1000}-{number}")
    young = f"{(seconds - AGE_S + 60) * 1000}-0"
    client.xadd(NAME, {"event": '{"seq": -2}'}, id=young)
    with closing(stream_at(redis_url)) as stream:
        stream.publish(made(0, 200))
    found = published(client)
    assert found.count(-1) < 100, "whole nodes of them"
    assert found[-201:] == [-2, *range(200)]
    with closing(stream_at(redis_url, length=300)) as stream:
        stream.publish(made(200, 500))
    found = published(client)
    assert found[-300:] == [*range(400, 700)]
    assert len(found) < 500


def test_a_full_server_takes_all_of_a_batch_or_nothing(stream: RedisStream, client: Any) -> None:
    stream.publish(made(0, 10))
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 300_000)  # room for a third of the batch
    with pytest.raises(StreamDown, match="maxmemory"):
        stream.publish(made(10, 1000))
    assert published(client) == [*range(10)]
    client.config_set("maxmemory", 0)
    stream.publish(made(10, 1000))
    assert published(client) == [*range(1010)]


def test_a_full_server_is_rid_of_what_is_old(redis_url: str, client: Any) -> None:
    for number in range(300):
        client.xadd(NAME, {"event": "{}"}, id=f"1-{number}")
    client.config_set("maxmemory", 1)
    with closing(stream_at(redis_url)) as stream, pytest.raises(StreamDown):
        stream.publish(made(0))
    assert client.xlen(NAME) < 100


@pytest.mark.parametrize(("at", "count", "taken"), [("request", 1000, 0), ("answer", 3, 3)])
def test_a_batch_whose_answer_is_lost_is_there_whole_or_not_at_all(
    redis_url: str, client: Any, at: Any, count: int, taken: int
) -> None:
    with Proxy(redis_url) as proxy, closing(stream_at(proxy.url)) as stream:
        stream.publish(made(0, 10))
        fault = proxy.arm(Fault((b"EXEC",), at, "cut"))  # of a long request it is in the last part: the others pass
        with pytest.raises(StreamDown, match="see that the broker runs"):
            stream.publish(made(10, count))
        assert fault.struck.wait(5)
        wait_until(lambda: client.xlen(NAME) == 10 + taken, "the server to have taken what it got")
        stream.publish(made(10, count))
    assert first_seen(published(client)) == [*range(10 + count)]
    assert client.xlen(NAME) == 10 + count + taken


def test_a_silent_server_is_given_up(redis_url: str, client: Any) -> None:
    with Proxy(redis_url) as proxy, closing(stream_at(proxy.url, timeout_s=0.5)) as stream:
        stream.publish(made(0))
        proxy.go_silent()
        with pytest.raises(StreamDown, match="Timeout"):
            stream.publish(made(1))
        stream.publish(made(1))
    assert first_seen(published(client)) == [0, 1]


def test_a_server_dies_and_comes_back() -> None:
    with server_directory() as directory, EmbeddedValkey(directory) as server:
        with closing(stream_at(server.url)) as stream:
            stream.publish(made(0, 10))
            server.stop()
            for _ in range(2):
                with pytest.raises(StreamDown, match="see that the broker runs, and that BALANCE_EVENT_STREAM_URL"):
                    stream.publish(made(10, 10))
            server.start()
            stream.publish(made(10, 10))
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            assert published(client) == [*range(20)]


@pytest.mark.slow
def test_the_primary_dies_and_another_is_named(tmp_path: Path) -> None:
    known = authority(tmp_path, "known")
    with server_directory() as directory, RedisGroup(directory, known) as group:
        with closing(stream_at(group.url, timeout_s=2, ca=known.ca)) as stream:
            stream.publish(made(0, 10))
            before = group.primary()
            wait_until(lambda: group.client(before).wait(2, 100) == 2, "both replicas to have them")
            group.kill_primary()
            with pytest.raises(StreamDown):
                stream.publish(made(10, 10))

            def taken() -> bool:
                try:
                    stream.publish(made(10, 10))
                except StreamDown:
                    return False
                return True

            wait_until(taken, "another primary", timeout_s=40)
        assert group.primary() != before
        assert first_seen(published(group.client(group.primary()))) == [*range(20)]


def test_over_tls_whoever_shows_another_certificate_gets_nothing(redis_url: str, client: Any, tmp_path: Path) -> None:
    known, other = authority(tmp_path, "known"), authority(tmp_path, "other")
    with encrypted(redis_url, "rediss", known) as url:
        with closing(stream_at(url, ca=known.ca)) as stream:
            stream.publish(made(0))
        with closing(stream_at(url, ca=other.ca)) as misled, pytest.raises(StreamDown, match="BALANCE_BROKER_TLS_CA"):
            misled.publish(made(1))
    assert published(client) == [0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VolatileValkey]:
    """One that is spoilt."""
    with VolatileValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def _is_no_stream(client: Any) -> None:
    client.set(NAME, "text")


def _is_no_longer_one(client: Any) -> None:
    client.delete(NAME)


def _is_replica(client: Any) -> None:
    client.replicaof("127.0.0.1", 1)


def _is_primary(client: Any) -> None:
    client.replicaof("NO", "ONE")


def _may_not_trim(client: Any) -> None:
    client.execute_command("ACL", "SETUSER", "default", "-xtrim")


def _may_all(client: Any) -> None:
    client.execute_command("ACL", "SETUSER", "default", "+@all")


@pytest.mark.parametrize(
    ("spoil", "mend", "says"),
    [
        (_is_no_stream, _is_no_longer_one, r"WRONGTYPE.*rename key balance\.events.*BALANCE_EVENT_STREAM_NAME"),
        (_is_replica, _is_primary, r"names the primary, not a replica"),
        (_may_not_trim, _may_all, r"xtrim.*ACL SETUSER"),
    ],
)
def test_a_refusal_says_what_to_do_and_shows_no_event(
    server: VolatileValkey, spoil: Callable[[Any], None], mend: Callable[[Any], None], says: str
) -> None:
    with (
        redis.Redis.from_url(server.url, decode_responses=True) as client,
        closing(stream_at(server.url)) as stream,
    ):
        client.delete(NAME)
        for number in range(2):  # on an open connection, too
            spoil(client)
            with pytest.raises(StreamDown, match=says) as told:
                stream.publish(made(number))
            assert "event-" not in str(told.value)
            mend(client)
            stream.publish(made(number))
        assert published(client)[-1] == 1


def test_a_wrong_password_is_not_shown(server: VolatileValkey) -> None:
    url = re.sub(r"//.*@", "//:hunter2@", server.url)
    with closing(stream_at(url)) as stream, pytest.raises(StreamDown, match="correct user and password") as told:
        stream.publish(made(0))
    assert "hunter2" not in str(told.value)
