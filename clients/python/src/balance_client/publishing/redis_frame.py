"""A job's message as kombu puts it on a list of Redis, written at once: kombu's own way takes four times as long.

A test holds it to what kombu makes of the same message.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Final

from balance_client.publishing.ids import new_id
from balance_client.publishing.job_message import JobMessage

_ENCODE: Final = json.JSONEncoder().encode
_PERSISTENT: Final = 2


def redis_frame(queue: str, message: JobMessage) -> str:
    body = message.body()
    frame: dict[str, Any] = {
        "body": b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": message.headers(body),
        "properties": {
            "correlation_id": message.task_id,
            "reply_to": "",
            "delivery_mode": _PERSISTENT,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": new_id(),
        },
    }
    return _ENCODE(frame)
