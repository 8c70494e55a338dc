"""Why the broker has not taken events, and what to do about it."""

from __future__ import annotations

import re
from typing import Final

from amqp import exceptions as amqp
from redis import exceptions as redis

from tasks.events.stream import StreamDown
from worker.brokers.refusals import next_step, said
from worker.event_stream.address import StreamAddress

# redis-py puts the command before what the server says: here that is an event, which no log is for.
_COMMAND: Final = re.compile(r"Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
_RENAME: Final = "or give the stream another name (BALANCE_EVENT_STREAM_NAME)"


class NotTaken(Exception):
    """RabbitMQ answered that it does not take some of the events."""


def down(error: Exception, address: StreamAddress) -> StreamDown:
    """The error in a line, without a password or an event, and its next step."""
    plain = _without_command(error)
    return StreamDown(f"{said(plain)}; next: {_step(plain, address)}")


def _step(error: Exception, address: StreamAddress) -> str:
    name = address.name
    match error:
        case NotTaken():
            return (
                f"make room in the queues that are bound to exchange {name} (rabbitmqctl list_queues name messages "
                "policy): one that rejects what it has no room for (x-overflow) holds up the events of all"
            )
        case amqp.PreconditionFailed():
            return (
                f"delete exchange {name} if nobody needs it as it is: it is declared anew, durable and of type topic; "
                f"{_RENAME}"
            )
        case amqp.NotFound():
            return (
                f"let the receivers bind their queues to exchange {name} again: it was deleted, with its bindings, "
                "and is declared anew"
            )
        case redis.ResponseError() if str(error).startswith("WRONGTYPE"):
            return f"rename key {name}, which is no stream, {_RENAME}"
    return next_step(error, address.url, setting=address.setting)


def _without_command(error: Exception) -> Exception:
    text = str(error)
    plain = _COMMAND.sub("", text)
    return error if plain == text else type(error)(plain)
