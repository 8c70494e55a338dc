"""Names of queues and tasks that strangers write."""

from __future__ import annotations

from typing import Any, Final

_SHORT_MAX: Final = 255  # bytes of a short text in AMQP


def is_name(value: Any) -> bool:
    """Whether it can name a queue, a task or a message on either broker, and is found under it again."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value.encode()) <= _SHORT_MAX


def may_be_theirs(queue: Any, own_queues: frozenset[str]) -> bool:
    """Whether it may be a queue of a publisher's: none of ours, and none that Celery's workers are controlled by."""
    return (
        is_name(queue)
        and queue not in own_queues
        and not queue.endswith(".celery.pidbox")
        and not queue.startswith("celeryev")
    )
