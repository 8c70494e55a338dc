"""A money message as it was delivered: decoded exactly, checked, and not Celery's to throw away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from celery.utils.time import maybe_make_aware
from celery.worker.request import Request
from celery.worker.state import revoked as revoked_ids
from celery.worker.strategy import proto1_to_proto2  # type: ignore[attr-defined]  # not in the stubs

from models.contracts.message import Malformed, parse
from models.domain.commands import Job
from models.store.dead_letters import DeadLetter
from worker.clock import now
from worker.serialization import loads

# What Celery would hold in memory, destroy or kill a job for: checked here, and then out of its hands.
_NOT_CELERYS: Final[dict[str, Any]] = {"eta": None, "expires": None, "timelimit": None}


class MoneyRequest(Request):
    """A request that Celery may not throw away: whether a job is still wanted is decided where it can be recorded."""

    def revoked(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message. `job` is what it asks for, or why it can't be answered."""

    message: Any
    request: MoneyRequest
    job: Job | Malformed

    def letter(self, reason: str, error: str, attempts: int = 1) -> DeadLetter:
        """The message as a dead letter: nothing of it is lost."""
        message, body = self.message, self.message.body
        headers = {name: value for name, value in (message.headers or {}).items() if isinstance(value, (str, int))}
        return DeadLetter(
            reason=reason,
            error=error,
            task=self.request.name,
            task_id=str(self.request.id),
            queue=(message.delivery_info or {}).get("routing_key"),
            headers={**headers, "content_type": message.content_type},
            body=body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogatepass"),
            attempts=attempts,
        )


def understand(message: Any, task: Any, app: Any, consumer: Any, *, old_protocol: bool) -> Delivery:
    """The delivery of a message whose task name is known. Never raises for what the message holds."""
    headers: Any = {"id": str(message.headers.get("id")), "task": task.name}
    content: Any = [[], {}, {}]
    job: Job | Malformed
    try:
        content, headers = _decode(message, old_protocol=old_protocol)
        _check(headers, content)
        job = parse(task.name, content[1])
    except Malformed as error:
        job = error
    except Exception as error:  # noqa: BLE001 - a body that breaks the parser itself is kept like any other
        job = Malformed("unreadable", repr(error))
    request = MoneyRequest(
        message, app=app, hostname=consumer.hostname, eventer=consumer.event_dispatcher, task=task,
        connection_errors=consumer.connection_errors, body=content, decoded=True, headers={**headers, **_NOT_CELERYS},
    )  # fmt: skip
    return Delivery(message, request, job)


def _decode(message: Any, *, old_protocol: bool) -> tuple[Any, Any]:
    """[args, kwargs, embed] and the headers. Raises Malformed when the message holds anything else."""
    if message.content_type != "application/json":
        raise Malformed("undecodable", f"content type is {message.content_type}; only application/json is read")
    try:
        content = loads(message.body)
    except (ValueError, RecursionError) as error:
        raise Malformed("undecodable", f"the body is not JSON: {error}") from error
    if old_protocol:
        content, headers, _, _ = proto1_to_proto2(message, content)
        return content, headers
    match content:
        case [list(), dict(), None | dict()]:
            return content, message.headers
        case _:
            raise Malformed("undecodable", "the body is not [args, kwargs, embed]")


def _check(headers: Any, content: Any) -> None:
    """Raises Malformed for a message that Celery would hold in memory or destroy."""
    if content[0]:
        raise Malformed("positional_arguments", "send arguments by keyword; args must be empty")
    if headers.get("eta"):
        raise Malformed("eta", "money jobs are applied when they arrive; publish without eta and countdown")
    if headers.get("id") in revoked_ids:
        raise Malformed("revoked", "the job was revoked before it was applied")
    expires = headers.get("expires")
    try:
        late = bool(expires) and maybe_make_aware(datetime.fromisoformat(str(expires))) <= now()
    except ValueError as error:
        raise Malformed("expired", f"expires is {expires!r}, which is not a time") from error
    if late:
        raise Malformed("expired", f"the message expired at {expires}, before it was applied")
