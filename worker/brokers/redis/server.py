"""Which server a channel is connected to: the one that its URL names, or the one that its sentinels do."""

from __future__ import annotations

from typing import Any, Literal

from kombu import transport as kombu_transports
from kombu.transport import redis
from redis import exceptions

from balance_client.brokers.sentinels import SentinelChannel
from worker.brokers.kept_queues import KeepsQueues

_stock: Any = redis  # its stubs leave out most of what is built on here


RedisTransport = Literal["atomic", "stock"]


def use_transport(kind: RedisTransport) -> None:
    """What redis, rediss and sentinel URLs mean in this process from now on. Open connections stay what they are."""
    name = "worker.brokers.redis.channel:Transport" if kind == "atomic" else "worker.brokers.redis.stock:Transport"
    for scheme in ("redis", "rediss", "sentinel"):
        kombu_transports.TRANSPORT_ALIASES[scheme] = name
        kombu_transports._transport_cache.pop(scheme, None)  # type: ignore[attr-defined]  # not in the stubs


class ServerChannel(KeepsQueues, SentinelChannel):
    """kombu's channel, asking sentinels when it has a `master_name`: at the start, and after each lost connection."""

    master_name: str | None = None  # what the sentinels call the server

    from_transport_options = (*SentinelChannel.from_transport_options, "kept_queues")

    @property
    def _kind(self) -> Any:
        return SentinelChannel if self.master_name else _stock.Channel

    @property
    def connection_class(self) -> Any:
        return self._kind.connection_class

    @property
    def connection_class_ssl(self) -> Any:
        return self._kind.connection_class_ssl

    def _get_pool(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:  # kombu would stumble over the None
            raise exceptions.ConnectionError("the connection was given up")
        return self._kind._get_pool(self, asynchronous)

    @property
    def at(self) -> tuple[str | None, int | None]:
        """Host and port of the server, which with sentinels is the primary that they named last."""
        if self.master_name:
            return self.pool.master_address or (None, None)
        return self.pool.connection_kwargs.get("host"), self.pool.connection_kwargs.get("port")

    @property
    def server(self) -> tuple[Any, ...]:
        """The same for all channels to this server and database, also when it has moved to another machine."""
        client = self.connection.client
        sentinels = (self.master_name, *(client.alt or (client.hostname, client.port)))
        place = sentinels if self.master_name else self.at
        return *place, self.pool.connection_kwargs["db"], self.global_keyprefix


class ServerTransport(_stock.Transport):  # type: ignore[misc]  # Any, see _stock
    """Celery and kombu see the Redis transport."""

    Channel = ServerChannel
    # Who answers with an error does not serve us now: a channel's error in a timer would only be logged.
    connection_errors = (*_stock.Transport.connection_errors, exceptions.ResponseError)
