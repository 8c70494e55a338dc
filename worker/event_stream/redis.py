"""Events in a stream of Redis or Valkey, which keeps them for a while: receivers read on from where they were."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from balance_client.brokers.addresses import redis_address
from models.contracts.replies.events import EventMessage
from worker.event_stream.address import StreamAddress
from worker.event_stream.refusals import down

_FAILURES: Final = (redis.RedisError, OSError)


class RedisStream:
    """A batch is one transaction in one round trip: all of it is in the stream, or nothing.

    Without a transaction a server that is short of memory could refuse an event and take a later one of the same
    account. `age_s`, `length`: what is older, and what is more, is removed, roughly: in whole nodes of the stream.
    """

    def __init__(self, address: StreamAddress, age_s: int, length: int) -> None:
        self._address, self._age_s, self._length = address, age_s, length
        self._client: Any = None
        self._ahead_s = (
            0.0  # by which the server's clock is ahead of monotonic(): ids of entries are times of the server
        )

    def publish(self, events: Sequence[EventMessage]) -> None:
        if not events:
            return
        try:
            if self._client is None:
                self._open()
            try:
                self._add(events)
            except redis.OutOfMemoryError:
                self._make_room()
                raise
        except _FAILURES as error:
            self.close()
            raise down(error, self._address) from error
        except BaseException:
            self.close()  # interrupted in the middle: an answer may be on its way on this connection
            raise

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> None:
        self._client = redis_address(self._address.url).client(self._address.tls, self._address.timeout_s)
        self._client.set_retry(Retry(NoBackoff(), 0))  # whoever publishes decides when to try again
        seconds, micros = self._client.time()
        self._ahead_s = seconds + micros / 1_000_000 - monotonic()

    def _add(self, events: Sequence[EventMessage]) -> None:
        with self._client.pipeline(transaction=True) as batch:
            for event in events:
                fields = {"id": event.id, "type": event.type, "account": event.account or "", "event": event.body}
                batch.xadd(self._address.name, fields)
            self._trim(batch)
            batch.execute()

    def _make_room(self) -> None:
        """Events that have grown old are removed from a full server too, or it would take no more of them for ever."""
        with self._client.pipeline(transaction=False) as alone:
            self._trim(alone)
            alone.execute()

    def _trim(self, pipeline: Any) -> None:
        oldest_ms = int(1000 * (monotonic() + self._ahead_s - self._age_s))
        pipeline.xtrim(self._address.name, minid=max(0, oldest_ms), approximate=True)
        pipeline.xtrim(self._address.name, maxlen=self._length, approximate=True)
