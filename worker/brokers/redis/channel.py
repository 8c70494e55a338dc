"""kombu's Redis transport, taking messages without a moment in which they could be lost.

The stock one pops a message with BRPOP and records it as unacknowledged in a second round trip; a worker that dies in
between takes the message along. Here one script does both, for as many messages as may be held. Keys and wire format
are the stock ones, so producers and consumers with the stock transport work alongside. What differs and why:
docs/decisions/0003-atomic-redis-transport.md
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha1
from queue import Empty
from typing import Any, Final

import structlog
from kombu.transport import redis
from kombu.utils.json import dumps
from kombu.utils.scheduling import priority_cycle
from redis.exceptions import NoScriptError

from worker.brokers.redis import unacked as transport_qos
from worker.brokers.redis.broadcasts import NO_MESSAGE, Broadcasts
from worker.brokers.redis.garbage import Found, Garbage
from worker.brokers.redis.lua import TAKE
from worker.brokers.redis.poller import Peek, Poller, peek_kind
from worker.brokers.redis.server import ServerChannel, ServerTransport
from worker.brokers.redis.taking import Taken
from worker.brokers.redis.unacked import FIRST_TAG
from worker.encoding.serialization import loads_envelope

_LOG: Final = structlog.get_logger(__name__)
_stock: Any = redis  # its stubs leave out most of what is built on here
_WAITING_CONNECTIONS_MAX: Final = 10_000  # as many as there are lists; `max_connections` limits the other pool


def record_end(queue: str) -> str:
    """What stands behind the message in the record of one that was taken from this queue."""
    return f", {dumps(['', queue])[1:]}"


class Channel(Broadcasts, ServerChannel):
    """A channel that takes up to `take_limit` messages in one call and hands them over one after the other."""

    QoS = transport_qos.QoS
    qos: transport_qos.QoS

    take_limit = 500  # messages in one call, also when prefetching is unlimited
    take_bytes = 16 << 20  # and no more once they have so many bytes; four times as many may be held
    garbage_key = "_balance.garbage"  # the list of what is no message
    on_garbage: str | Callable[[Sequence[Found]], None] | None = None  # "module:function" too; see Garbage

    from_transport_options = (
        *ServerChannel.from_transport_options,
        "take_limit",
        "take_bytes",
        "garbage_key",
        "on_garbage",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.peeks: dict[str, Peek] = {}  # by kind of event
        self._receivers: dict[str, tuple[Callable[[Any], None], bool]] = {}  # queue: callback, no_ack
        self.garbage = Garbage(self)
        self._more = False  # whether messages were left when some were last taken
        self.has_consumed = False
        super().__init__(*args, **kwargs)
        if not self.ack_emulation:
            raise ValueError("ack_emulation=False gives jobs away before they are done; use the stock transport")

    # -- consuming

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, *args: Any, **kwargs: Any) -> Any:
        self.has_consumed = True
        self._receivers[queue] = (callback, no_ack)
        consumed = super().basic_consume(queue, no_ack, callback, *args, **kwargs)
        if not no_ack:
            self.garbage.drain()  # a worker may have died before it could
        return consumed

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        if no_ack:
            return super().basic_get(queue, no_ack=True, **kwargs)
        message = None
        while message is None and (taken := self._take([queue], 1)):
            message = self._message(taken[0])
        self.garbage.hand_on()
        with self.conn_or_acquire() as client:
            self._maybe_update_queues_expire(client, queue)
        if message is not None:
            self.qos.append(message, message.delivery_tag)
        return message

    @property
    def ticks(self) -> bool:
        """Whether a poller calls `on_tick` for as long as it goes on."""
        polled = self.connection is not None and self in self.connection.cycle._channels
        return polled and bool(self.active_queues)

    @property
    def acknowledges(self) -> bool:
        """Whether it consumes what has to be acknowledged: a worker, and not who waits for events or for answers."""
        return any(not self._receivers[queue][1] for queue in self.active_queues)

    def on_tick(self) -> None:
        """Once before the event loop waits: send what is settled, unless a call that takes more is about to."""
        if self.active_queues and self.qos.unsettled and not (self._more and self.qos.can_consume()):
            self.qos.flush()

    def flush_acks(self) -> None:
        """Send all acknowledgements now, in one round trip; a tick of the event loop does so anyway."""
        self.qos.flush_acks()

    def ack_many(self, tags: Iterable[str]) -> None:
        """Acknowledge all these delivery tags in one round trip."""
        for tag in tags:
            self.qos.ack_later(tag)
        self.qos.flush_acks()

    def look(self, peek: Peek) -> bool:
        """Read what a peek found; take and hand over if there is room. Raises Empty when nothing came of it."""
        if peek.sent_at is None:  # nothing was asked: the server has closed the connection
            peek.drop()
            raise Empty
        worth_it = peek.read()
        self._more = False
        if not worth_it or not self.qos.can_consume():
            raise Empty
        taken = self._take(self._queue_cycle.consume(len(self.active_queues)), self.qos.room)
        if not taken:
            raise Empty
        self._hand_over_all(taken)
        return True

    # -- taking

    def _take(self, queues: list[str], room: int | None) -> list[Taken]:
        """Up to `room` messages, recorded as unacknowledged in the same step. Acknowledgements that wait ride along."""
        if not queues:
            return []
        limit = self.take_limit if room is None else min(room, self.take_limit)
        prefix, first, tags = self.qos.new_tags(limit)
        rotate = not isinstance(self._queue_cycle, priority_cycle)
        lists = [self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues]
        keys = [self.unacked_key, self.unacked_index_key, *lists]
        arguments = [limit, prefix, first, self.qos.earliest, len(queues), int(rotate), self.take_bytes]
        arguments += [record_end(queue) for queue in queues]
        try:
            with self.conn_or_acquire() as client:
                more, time, *found = self._run_with_acks(TAKE, keys, arguments, client)
        except BaseException:
            self.qos.give_back(tags)  # the answer is lost, but what was taken is known by its tags
            raise
        self._more = bool(more)
        self.qos.timed(float(time), limit)
        numbers, messages = found[::2], found[1::2]
        taken = [Taken(queues[n - 1], tag, raw) for n, tag, raw in zip(numbers, tags, messages, strict=False)]
        for message in taken:
            self._queue_cycle.rotate(message.queue)
        self.qos.taken([(message.tag, len(message.raw)) for message in taken])
        return taken

    def run(self, script: str, keys: list[str], arguments: list[Any], client: Any) -> Any:
        """Run a script by its digest, sending its text only when the server does not know it."""
        call = self._call(script, keys, arguments)
        try:
            return client.evalsha(*call)
        except NoScriptError:
            client.script_load(script)
            return client.evalsha(*call)

    def _run_with_acks(self, script: str, keys: list[str], arguments: list[Any], client: Any) -> Any:
        with client.pipeline(transaction=False) as pipe, self.qos.acks_in(pipe):
            pipe.evalsha(*self._call(script, keys, arguments))
            *_, answer = pipe.execute(raise_on_error=False)
        if isinstance(answer, NoScriptError):
            return self.run(script, keys, arguments, client)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _call(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        first, *others = keys  # kombu's client puts the key prefix in front of the first key, and of that alone
        keys = [first, *(f"{self.global_keyprefix}{key}" for key in others)]
        return [sha1(script.encode(), usedforsecurity=False).hexdigest(), len(keys), *keys, *arguments]

    # -- handing over

    def _hand_over_all(self, taken: list[Taken]) -> None:
        waiting = deque(taken)
        try:
            while waiting:
                self._hand_over(waiting.popleft())
        finally:
            self.qos.give_back(message.tag for message in waiting)
            self.garbage.hand_on()
            if not self.ticks:  # the last consumer was cancelled by what was handed over
                self.qos.flush()

    def _hand_over(self, taken: Taken) -> None:
        if taken.queue not in self._active_queues:  # cancelled since
            self.qos.reject(taken.tag, requeue=True)
            return
        message = self._message(taken)
        if message is None:
            return
        callback, no_ack = self._receivers[taken.queue]
        if no_ack:
            self.qos.ack(taken.tag)
        else:
            self.qos.append(message, taken.tag)
        callback(message)

    def _message(self, taken: Taken) -> Any:
        """The message as kombu presents it, or None for garbage, which is put aside."""
        try:
            payload = loads_envelope(taken.raw)
            properties = payload["properties"]
            if not isinstance(properties["delivery_info"], dict) or not isinstance(payload.get("headers", {}), dict):
                raise TypeError("headers and delivery_info must be objects")
            properties["delivery_tag"] = taken.tag  # ours: two copies of one message have the producer's in common
            again = properties["delivery_info"].get("redelivered")
            told = {"redelivered": True} if again else {}
            properties["delivery_info"] = {"exchange": "", "routing_key": taken.queue, **told}  # and not what it says
            properties.setdefault(FIRST_TAG, taken.tag)
            return self.Message(payload, channel=self)
        except NO_MESSAGE as error:
            self.garbage.put_aside(taken, error)
            return None

    # -- connections

    def create_waiting_client(self) -> Any:
        """A client whose connection the event loop watches."""
        return self._create_client(asynchronous=True)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)
        if asynchronous:
            parameters["max_connections"] = _WAITING_CONNECTIONS_MAX
        return parameters

    def _update_queue_cycle(self) -> None:
        super()._update_queue_cycle()
        lists = [self._q_for_pri(queue, priority) for queue in self.active_queues for priority in self.priority_steps]
        needed = {peek_kind(key): key for key in (f"{self.global_keyprefix}{name}" for name in lists)}
        for kind in [*self.peeks]:
            if kind not in needed:
                self._close_peek(kind)
        for kind in needed.keys() - self.peeks.keys():
            self.peeks[kind] = Peek(self, needed[kind])

    def _close_peek(self, kind: str) -> None:
        peek = self.peeks.pop(kind)
        self.connection.cycle.forget(self, peek)
        peek.close()

    def _on_connection_disconnect(self, connection: Any) -> None:
        for peek in self.peeks.values():
            if peek.client.connection is connection:
                peek.sent_at = None
        super()._on_connection_disconnect(connection)

    def _poll_error(self, type: str, **options: Any) -> None:
        if type in self.peeks:
            self.peeks[type].read()
        else:
            super()._poll_error(type, **options)

    def _flush_brpop_reauth(self) -> None:
        for peek in self.peeks.values():
            if self._pending_reauth_token(peek.client.connection) is not None:
                peek.client.connection.set_re_auth_token(None)
                peek.drop()  # connecting anew is done with the credentials of now

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._disconnect_pools()  # what was given back last has opened a connection again

    def _close_clients(self) -> None:
        for kind in [*self.peeks]:
            self._close_peek(kind)
        super()._close_clients()


class Transport(ServerTransport):
    """Celery and kombu see the Redis transport; only how it waits and takes is another."""

    Channel = Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()
