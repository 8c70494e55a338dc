"""A message as a dead letter, and back: what is kept is enough to send the same message again."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from kombu.utils import json
from pydantic import ValidationError

from balance_client.publishing.links import RawMessage
from models.contracts.wire.dead_letter import BROKER_MARKS, LETTER_MARK, DeadLetter
from models.contracts.wire.envelope import Identity
from models.contracts.wire.travel import FORWARDED
from models.domain.deciding.commands import Job
from models.store.read.dead_letters import Letter
from worker.brokers.redis.unacked import FIRST_TAG

_UNKNOWN_TYPE: Final = "application/octet-stream"
_TEXTS: Final = ("correlation_id", "reply_to", "message_id", "type", "app_id")  # user_id is the broker's, not the job's
_PRIORITY_MAX: Final = 255
_SHOWN_MAX: Final = 1_000  # characters of a header that is no JSON value


def letter_of(
    message: Any,
    name: str,
    task_id: str,
    job: Job | None,
    arguments: Any,
    *,
    reason: str,
    error: str,
    attempts: int = 1,
    sending: str | None = None,
) -> DeadLetter:
    """What to keep of a message as kombu delivered it. Never raises for what the message holds."""
    headers = _plain(message.headers)
    if not message.errors:
        headers.pop("compression", None)  # kombu has unpacked the body
    producer, key = (job.producer, job.key) if job is not None else _identity(arguments)
    return DeadLetter(
        reason=reason,
        error=error,
        task=name,
        task_id=task_id,
        queue=_text_or_none((message.delivery_info or {}).get("routing_key")),
        headers=headers,
        body=_bytes(message.body),
        attempts=attempts,
        properties=_properties(message),
        producer=producer,
        key=key,
        sending=sending,
    )


def sending_of(message: Any, task_id: Any) -> str | None:
    """What tells a message from those that are equal to it, each time it is delivered. None: nothing does.

    RabbitMQ names no message. One that never came before is another than all before it; of one that did come nobody
    can say which of the equal ones it is.
    """
    if task_id:
        return str(task_id)
    properties = message.properties if isinstance(message.properties, dict) else {}
    if FIRST_TAG in properties:
        return str(properties[FIRST_TAG])
    return None if (message.delivery_info or {}).get("redelivered") else uuid4().hex


def message_of(letter: Letter) -> RawMessage:
    """The message that a letter was made of, to be sent again.

    What alone kept it from being applied is taken off: who replays decides that the job is wanted, late or revoked.
    """
    marks = BROKER_MARKS | {FORWARDED}
    kept = {name: value for name, value in json.loads(letter.headers).items() if name not in marks}
    headers = {**kept, "expires": None, "eta": None}
    if letter.reason in ("no_id", "revoked"):
        headers["id"] = headers["root_id"] = str(uuid4())
    if letter.idempotency_key is None:
        headers[LETTER_MARK] = letter.digest.hex()[32:]
    properties = json.loads(letter.properties)
    return RawMessage(
        body=letter.body,
        headers=headers,
        content_type=properties.pop("content_type", None) or _UNKNOWN_TYPE,
        content_encoding=properties.pop("content_encoding", None),
        properties=properties,
    )


def sent_on(message: Any, hops: int) -> RawMessage:
    """The message as it came, to be published to another queue: only how often that was done is added."""
    headers = {name: value for name, value in _plain(message.headers).items() if name not in BROKER_MARKS}
    headers.pop("compression", None)  # kombu has unpacked the body
    properties = _properties(message)
    return RawMessage(
        body=_bytes(message.body),
        headers={**headers, FORWARDED: hops},
        content_type=properties.pop("content_type", None) or _UNKNOWN_TYPE,
        content_encoding=properties.pop("content_encoding", None),
        properties=properties,
    )


def _plain(headers: Any) -> dict[str, Any]:
    """Headers as JSON values; those that kombu's JSON can carry, like times and bytes, come back as they were."""
    if not isinstance(headers, dict):
        return {}
    plain = {}
    for name, value in headers.items():
        if value is None or isinstance(value, (str, bool, int)):
            plain[str(name)] = value
            continue
        try:
            plain[str(name)] = stdlib_json.loads(json.dumps(value, allow_nan=False))  # which leaves kombu's marks
        except (ValueError, TypeError, RecursionError):
            plain[str(name)] = _shown(value)
    return plain


def _shown(value: Any) -> str:
    try:
        return repr(value)[:_SHOWN_MAX]
    except RecursionError:
        return "nested too deeply"


def _properties(message: Any) -> dict[str, Any]:
    given = message.properties if isinstance(message.properties, dict) else {}
    kept = {name: given[name] for name in _TEXTS if given.get(name) and isinstance(given[name], str)}
    formats = {"content_type": message.content_type, "content_encoding": message.content_encoding}
    kept |= {name: value for name, value in formats.items() if isinstance(value, str)}
    priority = given.get("priority")
    if isinstance(priority, int) and 0 < priority <= _PRIORITY_MAX:
        kept["priority"] = priority
    return kept


def _identity(arguments: Any) -> tuple[str, str] | tuple[None, None]:
    """Producer and key, where the message has usable ones."""
    if not isinstance(arguments, Mapping):
        return None, None
    try:
        identity = Identity.model_validate(dict(arguments))
    except (ValidationError, RecursionError):
        return None, None
    return identity.producer, identity.idempotency_key


def _bytes(body: Any) -> bytes:
    return bytes(body) if isinstance(body, (bytes, memoryview)) else str(body).encode("utf-8", "surrogatepass")


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None
