"""Asking Redis Sentinel which server is the primary: redis-py's way and kombu's, with errors that can be read."""

from __future__ import annotations

from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from redis.sentinel import MasterNotFoundError, Sentinel

_stock: Any = kombu_redis  # its stubs leave out most of what is built on here
_untyped: Any = Sentinel


class Sentinels(_untyped):  # type: ignore[misc]  # untyped
    """Redis-py's; the one that answered last is asked first."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Where the primary is. Raises MasterNotFoundError, which is a ConnectionError, with what each of them said."""
        said = []
        for number, asked in enumerate(self.sentinels):
            try:
                state = asked.sentinel_master(service_name)
            except redis.RedisError as error:
                said.append(f"{_place(asked)}: {str(error) or type(error).__name__}")
                continue
            if self.check_master_state(state, service_name):
                self.sentinels[0], self.sentinels[number] = asked, self.sentinels[0]
                return state["ip"], state["port"]
            said.append(f"{_place(asked)}: {state['ip']}:{state['port']} does not answer it")
        raise MasterNotFoundError(f"no sentinel names a primary of {service_name!r}: {'; '.join(said)}")


def _place(asked: redis.Redis) -> str:
    named = asked.connection_pool.connection_kwargs
    return f"{named['host']}:{named['port']}"


class SentinelChannel(_stock.SentinelChannel):  # type: ignore[misc]  # Any, see _stock
    """kombu's."""

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        parameters = self._connparams(asynchronous)
        named = [(parameters.pop("host"), parameters.pop("port"))]
        if listed := self.connection.client.alt:
            named = [(part.hostname, part.port) for part in map(_stock._parse_url, listed)]
        sentinels = Sentinels(named, sentinel_kwargs=self.sentinel_kwargs, **parameters)
        setattr(self, "_async_sentinel_manager" if asynchronous else "_sentinel_manager", sentinels)  # to be closed
        return sentinels.master_for(self.master_name).connection_pool


class SentinelTransport(_stock.SentinelTransport):  # type: ignore[misc]  # Any, see _stock
    """Celery and kombu see the transport for sentinels."""

    Channel = SentinelChannel
