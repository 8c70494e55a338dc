"""Events through a topic exchange of RabbitMQ: whoever binds a queue to it gets those of the types that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kombu import Connection, Exchange, Producer

from balance_client.publishing.confirms import Confirms
from balance_client.publishing.links import discard
from balance_client.publishing.result_reader import broker_connection, broker_errors, connect
from models.contracts.replies.events import EventMessage
from worker.event_stream.address import StreamAddress
from worker.event_stream.refusals import NotTaken, down

APP_ID: Final = "balance-worker"
_PERSISTENT: Final = 2


class RabbitMQStream:
    """Events are sent one after the other and confirmed together.

    RabbitMQ confirms an event to which no queue is bound: it has no receiver. One that a queue has rejected is sent
    again with all of its batch, so that an event never stands without those before it for good.
    """

    def __init__(self, address: StreamAddress) -> None:
        self._address = address
        self._failures: tuple[type[Exception], ...] = (*broker_errors(self._connection()), NotTaken)
        self._link: _Link | None = None

    def publish(self, events: Sequence[EventMessage]) -> None:
        try:
            if self._link is None:
                self._link = self._open()
            self._link.send(events)
        except self._failures as error:
            self._drop()
            raise down(error, self._address) from error
        except BaseException:
            self._drop()  # interrupted in the middle: what was confirmed on this link is no longer known
            raise

    def close(self) -> None:
        try:
            if self._link is not None:
                self._link.close()
        except self._failures:
            self._drop()  # everything was confirmed before: there is nothing left to lose
        self._link = None

    def _connection(self) -> Connection:
        return broker_connection(self._address.url, self._address.timeout_s, self._address.tls)

    def _open(self) -> _Link:
        connection = self._connection()
        try:
            connect(connection)
            return _Link(connection, self._address)
        except BaseException:
            discard(connection)
            raise

    def _drop(self) -> None:
        if self._link is not None:
            self._link.drop()
            self._link = None


class _Link:
    """One open connection, on which the exchange has been declared."""

    def __init__(self, connection: Connection, address: StreamAddress) -> None:
        self._connection, self._address = connection, address
        channel: Any = connection.channel()
        Exchange(address.name, "topic", durable=True)(channel).declare()
        self._confirms = Confirms(connection, channel)
        self._producer = Producer(channel, auto_declare=False)

    def send(self, events: Sequence[EventMessage]) -> None:
        for event in events:
            self._confirms.sending(event.type)
            self._producer.publish(
                event.body,
                exchange=self._address.name,
                routing_key=event.type,
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=_PERSISTENT,
                headers={} if event.account is None else {"account": event.account},
                timeout=self._address.timeout_s,
                message_id=event.id,
                type=event.type,
                timestamp=int(event.occurred_at.timestamp()),
                app_id=APP_ID,
            )
        self._confirms.wait(self._address.timeout_s)
        if refused := self._confirms.refused:
            first = next(iter(refused.values()))
            raise NotTaken(f"{len(refused)} of {len(events)} events were rejected, the first of type {first}")

    def close(self) -> None:
        self._connection.close()

    def drop(self) -> None:
        discard(self._connection)
