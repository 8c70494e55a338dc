"""Where outcomes come back: looked at only when somebody asks, so that publishing never depends on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from threading import Event, Lock
from time import monotonic
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakValueDictionary

import redis
from kombu import Connection, Consumer, Exchange, Queue, exceptions
from kombu.exceptions import OperationalError
from kombu.message import Message

from balance_client.brokers.addresses import kombu_url, redis_address, sentinel_options, socket_options
from balance_client.brokers.sentinels import SentinelTransport
from balance_client.brokers.tls import Tls

_PAUSE_S: Final = 0.2  # between two attempts to reach a backend that is away
_TURN_S: Final = 0.05  # how soon a thread sees that another one has read its reply
REPLY_EXPIRES_S: Final = 24 * 3600  # a reply queue that nobody uses for so long goes away by itself

Text = str | bytes


class ResultReader(Protocol):
    """One process's way to Celery's results."""

    reply_to: str  # the queue to which the worker shall send them; empty when it stores them

    def expect(self, handle: object, task_id: str) -> None:
        """Keeps the reply for this handle, for as long as the handle lives."""

    def texts(self, handle: object, task_id: str, deadline: float) -> Iterator[Text | Exception]:
        """Each state of the task that is seen until the deadline (monotonic seconds), as JSON, or why none was."""

    def close(self) -> None: ...


class RedisResults:
    """Results that the worker stores under celery-task-meta-<id> and announces on the channel of that name."""

    reply_to = ""

    def __init__(self, url: str, timeout_s: float, tls: Tls) -> None:
        address = redis_address(url)
        self._client: Any = address.client(tls, timeout_s)
        self._closed = False

    def expect(self, handle: object, task_id: str) -> None:
        pass  # the server keeps it

    def texts(self, handle: object, task_id: str, deadline: float) -> Iterator[Text | Exception]:
        key, never = f"celery-task-meta-{task_id}", Event()
        while True:
            if self._closed:
                raise RuntimeError("the client is closed")
            try:
                yield from self._stored(key)
                yield from self._announced(key, deadline)
            except (redis.RedisError, OSError) as error:
                yield error
                never.wait(max(0, min(_PAUSE_S, deadline - monotonic())))
            if monotonic() >= deadline:
                return

    def _stored(self, key: str) -> Iterator[Text]:
        text: Any = self._client.get(key)
        if text is not None:
            yield text

    def _announced(self, key: str, deadline: float) -> Iterator[Text]:
        if monotonic() >= deadline:
            return
        with self._client.pubsub() as channel:
            channel.subscribe(key)
            while (left := deadline - monotonic()) > 0:
                message = channel.get_message(timeout=left)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    yield from self._stored(key)  # what was stored before the subscription began
                elif message["type"] == "message":
                    yield message["data"]

    def close(self) -> None:
        self._closed = True
        self._client.close()


class ReplyQueue:
    """Results that the worker sends to a queue of this process's own (Celery's rpc:// backend)."""

    def __init__(self, url: str, timeout_s: float, tls: Tls) -> None:
        self.reply_to = f"balance.replies.{uuid4().hex}"
        self._url = url
        self._timeout_s, self._tls = timeout_s, tls
        self._lock = Lock()  # one thread reads, for all
        self._handles: WeakValueDictionary[str, object] = WeakValueDictionary()
        self._texts: WeakKeyDictionary[object, Text] = WeakKeyDictionary()
        self._connection: Connection | None = None
        self._errors = broker_errors(broker_connection(url, timeout_s, tls))
        self._closed = False

    def expect(self, handle: object, task_id: str) -> None:
        self._handles[task_id] = handle

    def texts(self, handle: object, task_id: str, deadline: float) -> Iterator[Text | Exception]:
        seen: Text | None = None
        while True:
            if self._closed:
                raise RuntimeError("the client is closed")
            left = max(0.0, deadline - monotonic())
            if self._lock.acquire(timeout=min(left, _TURN_S)):
                try:
                    # Another thread may have read it while this one waited for its turn.
                    problem = self._read(left) if self._texts.get(handle) is seen else None
                finally:
                    self._lock.release()
                if problem is not None:
                    yield problem
            text = self._texts.get(handle)
            if text is not None and text is not seen:
                seen = text
                yield text
            if monotonic() >= deadline:
                return

    def _read(self, timeout_s: float) -> Exception | None:
        """Waits for one reply, whosesoever it is. Answers why there could be none."""
        connection = self._connection
        try:
            if connection is None:
                connection = self._connection = self._consuming()
            connection.drain_events(timeout=max(timeout_s, 0.01))
        except TimeoutError:
            return None
        except self._errors as error:
            self._drop()
            Event().wait(min(_PAUSE_S, timeout_s))
            return error
        return None

    def _consuming(self) -> Connection:
        connection = broker_connection(self._url, self._timeout_s, self._tls)
        consume_replies(connection, self.reply_to, self._keep)
        return connection

    def _keep(self, task_id: str, text: Text) -> None:
        handle = self._handles.get(task_id)
        if handle is not None:
            self._texts[handle] = text

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):  # it is being thrown away because it is broken
                self._connection.collect()
            self._connection = None

    def close(self) -> None:
        self._closed = True
        with self._lock:
            self._drop()


def consume_replies(connection: Connection, queue: str, keep: Callable[[str, Text], None]) -> None:
    """Opens the connection. `keep` gets the id of each task that is answered on it, and the answer as JSON."""

    def on_message(message: Message) -> None:
        body: Any = message.body
        keep(str(message.properties.get("correlation_id")), body if isinstance(body, (str, bytes)) else bytes(body))

    connect(connection)
    try:
        Consumer(connection.channel(), [reply_queue(queue)], no_ack=True, on_message=on_message).consume()
    except BaseException:
        connection.collect()
        raise


def reply_queue(name: str) -> Queue:
    """The queue for replies. Durable, because RabbitMQ 4.3 has no transient shared ones; expiring, so none is left."""
    return Queue(name, Exchange(""), routing_key=name, durable=True, auto_delete=False, expires=REPLY_EXPIRES_S)


def broker_connection(url: str, timeout_s: float, tls: Tls, heartbeat_s: float = 0) -> Connection:
    """A connection, not opened yet, on which nothing waits longer than the timeout.

    `heartbeat_s`: of RabbitMQ, for a connection that is only read from; its owner calls `heartbeat_check`.
    """
    options: dict[str, Any]
    if urlsplit(url).scheme.startswith("amqp"):
        options = {"read_timeout": timeout_s, "write_timeout": timeout_s}
    else:
        options = {**socket_options(timeout_s), **sentinel_options(url, tls)}
    transport = SentinelTransport if "master_name" in options else None
    connection = Connection(
        kombu_url(url), ssl=tls.options(url), transport=transport, connect_timeout=timeout_s,
        transport_options=options, heartbeat=heartbeat_s,
    )  # fmt: skip
    if transport is not None:
        connection.cycle = None  # each attempt asks all sentinels; kombu's next part would have kombu's transport
    return connection


def connect(connection: Connection) -> None:
    """Opens it, trying each server of the URL once: kombu's own way would wait two seconds and try again."""
    connection.ensure_connection(
        max_retries=len(connection.alt) - 1 if connection.cycle else 0, interval_start=0, interval_step=0
    )


def broker_errors(connection: Connection) -> tuple[type[Exception], ...]:
    """What a broker that fails or refuses raises. Not kombu's KeyError: that would hide bugs."""
    batch: type[Exception] = getattr(exceptions, "BatchPublishError", OperationalError)  # since kombu 5.7
    errors = (*connection.connection_errors, *connection.channel_errors, OperationalError, batch)
    return tuple(error for error in errors if issubclass(error, Exception) and error is not KeyError)
