"""The atomic transport without a server: how it is chosen, and the bookkeeping of what is settled."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import kombu
import pytest
import redis
from kombu import transport as kombu_transports

from worker.brokers.kept_queues import QueueKept
from worker.brokers.rabbitmq import connection as transport_amqp
from worker.brokers.redis import channel as transport
from worker.brokers.redis import stock as transport_stock
from worker.brokers.redis.channel import Transport
from worker.brokers.redis.server import use_transport
from worker.brokers.redis.unacked import QoS
from worker.settings.settings import Settings


@pytest.fixture
def aliases() -> Iterator[None]:
    """What the URLs of this process mean, put back after the test."""
    before = dict(kombu_transports.TRANSPORT_ALIASES)
    yield
    kombu_transports.TRANSPORT_ALIASES.update(before)
    vars(kombu_transports)["_transport_cache"].clear()


@pytest.mark.usefixtures("aliases")
@pytest.mark.parametrize("scheme", ["redis", "rediss", "sentinel"])
def test_urls_stay_what_they_are_and_mean_the_chosen_transport(scheme: str) -> None:
    url = f"{scheme}://:secret@broker:6380/3"
    for kind, module in (
        ("stock", "worker.brokers.redis.stock"),
        ("atomic", "worker.brokers.redis.channel"),
        ("stock", "worker.brokers.redis.stock"),
    ):
        use_transport(kind)  # type: ignore[arg-type]  # of the literal's two values
        connection: Any = kombu.Connection(url)
        assert connection.get_transport_cls().__module__ == module
        assert (connection.transport_cls, connection.hostname, connection.port) == (scheme, "broker", 6380)
        assert (connection.password, connection.virtual_host) == ("secret", "3")
        assert bool(connection.ssl) == (scheme == "rediss")
        assert connection.transport.driver_type == "redis"


@pytest.mark.usefixtures("aliases")
def test_other_brokers_are_not_concerned() -> None:
    transport_amqp.use_transport()
    use_transport("atomic")
    connection: Any = kombu.Connection("amqp://broker")
    assert connection.get_transport_cls().__module__ == "worker.brokers.rabbitmq.connection"
    assert not isinstance(connection.transport, Transport)


def test_atomic_is_the_default() -> None:
    assert Settings().redis_transport == "atomic"


class _Client:
    """A Redis that remembers what it was told, or is away."""

    def __init__(self) -> None:
        self.away = False
        self.told: list[tuple[str, ...]] = []

    def __enter__(self) -> "_Client":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to release."""

    def pipeline(self, **_: Any) -> "_Client":
        return self

    def hdel(self, key: str, *tags: str) -> None:
        self.told.append((key, *tags))

    def zrem(self, key: str, *tags: str) -> None:
        self.told.append((key, *tags))

    def execute(self) -> None:
        if self.away:
            self.told.clear()
            raise redis.ConnectionError


def _channel(client: _Client, database: int, *, ticks: bool) -> Any:
    """The little of a channel that its bookkeeping needs."""
    return SimpleNamespace(
        server=("nowhere", 1, database), unacked_key="unacked", unacked_index_key="index", ticks=ticks, closed=False,
        conn_or_acquire=lambda *_: client, do_restore=False,
    )  # fmt: skip


@pytest.fixture
def make_qos() -> Iterator[Callable[..., Any]]:
    """Makes the bookkeeping of a channel to the given database, which does nothing at exit."""
    made: list[Any] = []

    def make(client: _Client | None = None, database: int = 0, *, ticks: bool = True) -> Any:
        made.append(QoS(_channel(client or _Client(), database, ticks=ticks)))
        return made[-1]

    yield make
    for qos in made:
        qos._on_collect.cancel()
        qos._pending.acked.clear()
        qos._pending.returned.clear()


def test_room_is_what_the_prefetch_limit_leaves(make_qos: Callable[..., Any]) -> None:
    assert make_qos().room is None
    qos = make_qos()
    qos.prefetch_count = 3
    assert qos.room == 3
    qos.taken((tag, 1) for tag in ["a", "b", "c"])
    assert qos.room == 0
    qos.ack("b")
    assert qos.room == 1
    qos.taken((tag, 1) for tag in ["d"])
    assert qos.room == 0
    qos.give_back(["c", "d"])
    assert qos.room == 2
    qos.can_consume = lambda: True  # as worker_disable_prefetch does
    assert qos.room == 1


def test_tags_are_never_used_twice(make_qos: Callable[..., Any]) -> None:
    one, other = make_qos(), make_qos()
    tags = [tag for qos in (one, other, one, other) for tag in qos.new_tags(3)[2]]
    assert len({*tags}) == 12
    prefix, first, named = one.new_tags(2)
    assert named == [f"{prefix}{first}", f"{prefix}{first + 1}"]


def test_times_of_records_are_an_order_as_far_as_redis_can_tell(make_qos: Callable[..., Any]) -> None:
    qos = make_qos()
    assert qos.earliest == "0.000000"
    first = 2_000_000_000.0
    for count in (1, 500, 1):
        qos.timed(first, count)
        assert round(float(qos.earliest) - first, 6) == count * 1e-6
        first = float(qos.earliest)


def test_acknowledgements_wait_for_the_tick_and_go_together(make_qos: Callable[..., Any]) -> None:
    client = _Client()
    qos = make_qos(client, database=1)
    for tag in ("a", "b", "c"):
        qos.ack(tag)
    assert (client.told, qos.unsettled) == ([], True)
    qos.flush()
    assert client.told == [("unacked", "a", "b", "c"), ("index", "a", "b", "c")]
    assert not qos.unsettled


def test_acknowledgements_that_no_tick_would_send_go_at_once(make_qos: Callable[..., Any]) -> None:
    client = _Client()
    make_qos(client, database=2, ticks=False).ack("a")
    assert client.told == [("unacked", "a"), ("index", "a")]


def test_acknowledgements_outlive_the_connection_in_their_order(make_qos: Callable[..., Any]) -> None:
    client = _Client()
    first = make_qos(client, database=3)
    first.ack("a")
    first.ack("b")
    client.away = True
    with pytest.raises(redis.ConnectionError):
        first.flush()
    first.channel.closed = True
    first.channel.ticks = False
    first.ack("late")
    client.away = False
    make_qos(client, database=4).flush()
    assert client.told == [], "another broker's"
    make_qos(client, database=3).flush()
    assert client.told == [("unacked", "a", "b", "late"), ("index", "a", "b", "late")]


def test_what_a_closed_channel_requeues_is_put_back_by_the_next(make_qos: Callable[..., Any]) -> None:
    client, restored = _Client(), list[str]()
    closed = make_qos(client, database=5)
    closed.taken((tag, 1) for tag in ["a", "b"])
    closed.channel.closed = True
    closed.reject("a", requeue=True)
    closed.reject("b", requeue=True)
    following = make_qos(client, database=5)
    following.restore = restored.extend
    following.flush()
    assert restored == ["a", "b"]


@pytest.mark.parametrize("kind", [transport.Channel, transport_stock.Transport.Channel, transport_amqp.Channel])
def test_every_transport_keeps_the_money_queues(kind: Any) -> None:
    channel = object.__new__(kind)
    if kind is transport_amqp.Channel:
        channel.connection = SimpleNamespace(kept_queues=["balance"])
    else:
        channel.kept_queues = ["balance"]
    calls: list[Callable[[], Any]] = [
        lambda: channel.queue_purge("balance"),
        lambda: channel.queue_purge(queue="balance"),
        lambda: channel.queue_delete("balance"),
        lambda: channel.basic_get("balance", no_ack=True),
    ]
    for destroy in calls:
        with pytest.raises(QueueKept, match="would destroy accepted jobs"):
            destroy()
