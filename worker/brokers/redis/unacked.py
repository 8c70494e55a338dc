"""What a channel has taken and not settled: acknowledgements in batches, and messages put back in their order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from time import monotonic
from typing import Any, Final
from uuid import uuid4

import structlog
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import OutOfMemoryError

from worker.brokers.redis.acks import AcksInPipeline, drain
from worker.brokers.redis.lua import RENEW, RESTORE
from worker.brokers.redis.pending import PENDING
from worker.brokers.redis.taking import TakingChannel

_LOG: Final = structlog.get_logger(__name__)
_stock: Any = redis  # its stubs leave out most of what is built on here
FIRST_TAG: Final = "balance_first_tag"  # a property: what the message was first taken under, before it was put back
_RESTORED_AT_ONCE: Final = 100
_LARGE: Final = 32 << 10  # bytes from which a message counts: five hundred smaller ones are no matter
_TAKES_HELD: Final = 4
_RENEWED_AT_ONCE: Final = 1_000
_SCORE_STEP_S: Final = 0.000001  # what one record is later than the one before; the scripts step by the same


class _Pushes:
    """Stands in for a pipeline where kombu restores a message, to learn what it would push."""

    def __init__(self) -> None:
        self.pushes: list[tuple[str, str | bytes]] = []  # list, content

    def rpush(self, key: str, content: str) -> None:
        self.pushes.append((key, content))


class QoS(_stock.QoS):  # type: ignore[misc]  # Any, see _stock
    """Unacknowledged messages of one channel: recorded by the script that took them, settled in batches."""

    channel: TakingChannel
    _delivered: OrderedDict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tag_prefix = f"{uuid4().hex}."
        self._next_tag = 0
        self._last_score = 0.0
        self._renew_at = 0.0
        self._requeued: set[str] = set()
        self._large: dict[str, int] = {}  # bytes by tag, of what is held
        self._pending = PENDING[*self.channel.server, self.unacked_key]

    @property
    def full(self) -> bool:
        """Whether what is held is as many bytes as may be, however few messages."""
        return bool(self._large) and sum(self._large.values()) >= _TAKES_HELD * self.channel.take_bytes

    def can_consume(self) -> bool:
        return bool(super().can_consume()) and not self.full

    @property
    def room(self) -> int | None:
        """How many more messages may be held, None for no limit."""
        if not self.can_consume() or self.full:
            return 0
        if "can_consume" in vars(self):  # worker_disable_prefetch puts its own there, which says only yes or no
            return 1
        room: int | None = self.can_consume_max_estimate()
        return room

    @property
    def unsettled(self) -> bool:
        """Whether something waits for `flush`."""
        return bool(self._pending.acked or self._pending.returned or self._requeued)

    def new_tags(self, count: int) -> tuple[str, int, list[str]]:
        """Delivery tags that were never used: their prefix, the number of the first, and all of them."""
        first = self._next_tag
        self._next_tag += count
        return self._tag_prefix, first, [f"{self._tag_prefix}{number}" for number in range(first, first + count)]

    @property
    def earliest(self) -> str:
        """The time before which no record may be made (s since 1970): times are an order."""
        return f"{self._last_score:.6f}"

    def timed(self, first: float, count: int) -> None:
        """The server has made `count` records, the first of them then."""
        self._last_score = first + count * _SCORE_STEP_S

    def renew(self) -> None:
        """Tell the server that what is held is in hand still, unless it was told a moment ago."""
        self._flush()
        if not self._delivered or monotonic() < self._renew_at:
            return
        self._renew_at = monotonic() + self.visibility_timeout / 4
        held, renewed = iter(tags := list(self._delivered)), 0
        with self.channel.conn_or_acquire() as client:
            while some := list(islice(held, _RENEWED_AT_ONCE)):
                count, time = self.channel.run(RENEW, [self.unacked_index_key], [self.earliest, *some], client)
                self.timed(float(time), len(some) + 2)
                renewed += count
        if renewed < len(tags):
            _LOG.warning(
                "messages.given_away", count=len(tags) - renewed, next="they are applied once all the same",
                reason="not renewed within the visibility timeout",
            )  # fmt: skip

    def taken(self, messages: Iterable[tuple[str, int]]) -> None:
        """These (tag, bytes) are recorded by the server and count against the limits; they are handed over next."""
        if self._dirty:
            self._flush()
        for tag, size in messages:
            self._quick_append(tag, None)
            if size >= _LARGE:
                self._large[tag] = size

    def append(self, message: Any, delivery_tag: str) -> None:
        if delivery_tag in self._delivered:
            self._quick_append(delivery_tag, message)
        else:  # not taken by us: kombu itself hands over a message that it got elsewhere
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge; the server is told with the next batch, at once when nothing would send a batch."""
        self.ack_later(delivery_tag)
        if not self.channel.ticks and not self.channel.closed:  # another channel tells it for one that is closed
            self.flush_acks()

    def ack_later(self, delivery_tag: str) -> None:
        """Acknowledge with the next flush. The message no longer counts against the prefetch limit."""
        self._pending.acked.append(delivery_tag)
        self.settle(delivery_tag)

    def settle(self, delivery_tag: str) -> None:
        """The server holds no record under this tag, or will hold none soon."""
        self._quick_ack(delivery_tag)
        self._large.pop(delivery_tag, None)

    def forget(self, delivery_tag: str) -> None:
        """It is not held any more; what becomes of its record is said elsewhere."""
        self._delivered.pop(delivery_tag, None)
        self._large.pop(delivery_tag, None)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Drop a message, or have it put back in front: those requeued together come back in their order."""
        if not requeue:
            self.ack(delivery_tag)
            return
        if self.channel.closed:
            self.give_back([delivery_tag])
            return
        self._requeued.add(delivery_tag)
        if not self.channel.has_consumed:  # otherwise a tick or the close puts back all at once
            self.flush()

    def give_back(self, tags: Iterable[str]) -> None:
        """These may have been taken but were handed to nobody; the next flush puts back those that were."""
        for tag in tags:
            self.forget(tag)
            self._pending.returned.append(tag)

    def flush(self) -> None:
        """Tell the server all that is settled."""
        self.flush_acks()
        self._flush_returned()
        if self._requeued:
            self._flush()
            tags = [tag for tag in self._delivered if tag in self._requeued]
            self.restore(tags)
            for tag in tags:
                self.forget(tag)
            self._requeued.clear()

    def flush_acks(self) -> None:
        """All acknowledgements that wait, in one round trip. What fails is kept for the next flush."""
        if self._pending.acked:
            with self.channel.conn_or_acquire() as client, client.pipeline() as pipe, self.acks_in(pipe):
                pipe.execute()

    def acks_in(self, pipe: Any) -> AcksInPipeline:
        """Adds all acknowledgements that wait to a pipeline; the block must execute it."""
        return AcksInPipeline(pipe, self._pending.acked, self.unacked_key, self.unacked_index_key)

    def _flush_returned(self) -> None:
        if tags := list(drain(self._pending.returned)):
            try:
                self.restore(tags)
            except BaseException:
                self._pending.returned.extendleft(reversed(tags))
                raise

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """At the end of the channel or of the process. A server that is away keeps its records, so nothing is lost."""
        try:
            try:
                self.flush_acks()
                self._flush_returned()  # before what was handed over, which was taken earlier and must end up in front
            finally:
                super().restore_unacked_once(stderr)
        except self.channel.connection_errors as error:
            _LOG.warning(
                "messages.not_settled", error=str(error) or repr(error),
                next="they are given out again in time, and answered alike",
            )  # fmt: skip

    def restore_unacked(self, client: Any = None) -> None:
        self.restore(list(self._delivered), client)
        self._delivered.clear()
        self._large.clear()
        self._requeued.clear()

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        self.restore([tag], client)

    def restore_visible(self, start: int = 0, num: int | None = 10, interval: int = 10) -> None:
        """Put back what was taken or renewed longer than the visibility timeout ago, by whomever; one at a time."""
        self._vrestore_count += 1
        if (self._vrestore_count - 1) % (interval or 1):
            return
        with self.channel.conn_or_acquire() as client:
            try:
                with _stock.Mutex(client, self.unacked_mutex_key, self.unacked_mutex_expire):
                    tags = client.zrange(
                        self.unacked_index_key, self.latest(client), 0,
                        desc=True, byscore=True, offset=num and start, num=num,
                    )  # fmt: skip
                    if tags:
                        self.restore(tags[::-1], client)
                        _LOG.warning("messages.restored", count=len(tags), next="see why a worker is gone or silent")
            except _stock.MutexHeld:
                return  # another worker does it
            except OutOfMemoryError:  # not even the mutex can be had; taking, which makes room, must go on
                _LOG.warning("broker.full", next="give Redis memory: what was abandoned is given out again then")

    def latest(self, client: Any) -> float:
        """A record of this time or an earlier one (s since 1970) is abandoned."""
        seconds, microseconds = client.time()
        return float(seconds + microseconds / 1_000_000 - self.visibility_timeout)

    def restore(self, tags: list[Any], client: Any = None) -> None:
        """Put messages back in front of their queues. `tags` are in the order taken, which they are read in again."""
        backwards = iter(reversed(tags))  # each is pushed where reading begins
        with self.channel.conn_or_acquire(client) as client:
            while some := list(islice(backwards, _RESTORED_AT_ONCE)):
                with client.pipeline(transaction=False) as pipe:
                    for tag in some:
                        pipe.hget(self.unacked_key, tag)
                    records = pipe.execute()
                moves = [(tag, self._pushes(tag, record)) for tag, record in zip(some, records, strict=True)]
                self.move(moves, client)

    def move(self, moves: list[tuple[Any, list[tuple[str, str | bytes]]]], client: Any) -> None:
        """Replace records: for each tag the pushes (list, content) to make if the record is still there."""
        lists = {key: None for _, pushes in moves for key, _ in pushes}
        number = {key: position for position, key in enumerate(lists, start=1)}
        arguments: list[Any] = []
        for tag, pushes in moves:
            arguments += [tag, len(pushes)]
            for key, content in pushes:
                arguments += [number[key], content]
        self.channel.run(RESTORE, [self.unacked_key, self.unacked_index_key, *lists], arguments, client)

    def _pushes(self, tag: str | bytes, record: bytes | None) -> list[tuple[str, str | bytes]]:
        if record is None:
            return []
        try:
            message, exchange, routing_key = loads(bytes_to_str(record))
        except (ValueError, TypeError, RecursionError):
            return [self.channel.garbage.push(None, bytes_to_str(tag), record)]
        target = _Pushes()
        if isinstance(message, dict) and isinstance(message.get("properties"), dict):
            message["properties"].setdefault(FIRST_TAG, bytes_to_str(tag))
        self.channel._do_restore_message(message, exchange, routing_key, target)
        # kombu gives up on a message that it cannot mark or route; it is kept here all the same.
        return target.pushes or [self.channel.garbage.push(None, bytes_to_str(tag), record)]
