"""The one door in: which of the messages that arrive may reach Celery, and as what.

Celery ends, reconnects in a loop, holds or drops a message for what its headers and body say, and runs whatever task it
knows, its own included. So it gets no message as it came: a tick is made anew, of its name alone, and everything else
goes to the batch consumer, which settles it or parks it.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed
from worker.encoding.serialization import loads
from worker.schedule import TICKS
from worker.settings.settings import Settings

_TICK_MAX: Final = 1_024  # bytes of a body: beat's has 80
_BODY: Final = "[[], {}, {}]"
_EMBEDDED: Final = frozenset({"callbacks", "errbacks", "chain", "chord"})
_WRONG_TICK: Final = (
    "a tick is a name and nothing more: no arguments, no ETA, no callbacks; "
    "let beat send it, or `celery -A worker.app call`"
)


def queue_of(message: Any, consumer: Any) -> str | None:
    """The queue that the message was taken from, whatever it says itself."""
    delivery = message.delivery_info or {}
    if (tag := delivery.get("consumer_tag")) is not None:  # RabbitMQ: the routing key is the publisher's
        tags = getattr(consumer.task_consumer, "_active_tags", {})  # None: the worker stops
        for queue, each in tags.items():
            if each == tag:
                return str(queue)
        # What was on its way while its queue was cancelled: the name in it is the best that is left.
    queue = delivery.get("routing_key")
    return queue if isinstance(queue, str) else None


def tick_of(message: Any, queue: str | None, io_queue: str) -> str | None:
    """The name of the tick that this message is, to the letter; None: it is something else, or more."""
    headers = message.headers
    if queue != io_queue or message.errors or not isinstance(headers, dict):
        return None
    name = headers.get("task")
    if not isinstance(name, str) or name not in TICKS or headers.get("eta") is not None:
        return None
    return name if _asks_nothing(message) else None


def made_anew(message: Any, name: str) -> Any:
    """The same message, of which Celery can read that this tick has come, and nothing that somebody else wrote."""
    task_id = _known_by(message.headers.get("id"))
    message.headers = {
        "lang": "py", "task": name, "id": task_id, "root_id": task_id, "argsrepr": "()", "kwargsrepr": "{}",
        "retries": 0, "ignore_result": True,
    }  # fmt: skip
    message.properties = {"correlation_id": task_id}
    message.body, message.content_type, message.content_encoding = _BODY, "application/json", "utf-8"
    return message


def check_place(name: str, queue: str | None, settings: Settings) -> None:
    """Raises Malformed for a task in a queue where it has no business."""
    if name in TICKS:
        if queue == settings.tick_queue:
            raise Malformed("not_a_tick", f"{name}: {_WRONG_TICK}")
        raise Malformed("wrong_queue", f"{name} is scheduled work: it belongs in {settings.tick_queue}")
    if name in CATALOGUE and queue == settings.tick_queue:
        raise Malformed("wrong_queue", f"{name} is a money job: publish it to {settings.queue}")


def _asks_nothing(message: Any) -> bool:
    body = message.body
    if message.content_type != "application/json" or not isinstance(body, (str, bytes)) or len(body) > _TICK_MAX:
        return False
    try:
        content = loads(body)
    except (ValueError, RecursionError):
        return False
    match content:
        case [[], {**arguments}, {**embedded}] if not arguments:
            return embedded.keys() <= _EMBEDDED and not any(embedded.values())
        case [[], {**arguments}, None]:
            return not arguments
    return False


def _known_by(task_id: Any) -> str:
    """The id that beat gave it, which is in its log too."""
    try:
        return str(UUID(task_id))
    except (ValueError, TypeError, AttributeError):
        return str(uuid4())
