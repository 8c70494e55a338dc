"""A money message as it was delivered: decoded exactly, checked, and not Celery's to throw away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from celery.utils.time import maybe_make_aware
from celery.worker.state import revoked as revoked_ids
from celery.worker.strategy import proto1_to_proto2  # type: ignore[attr-defined]  # not in the stubs

from models.batch.outcome import Answer, StoredOutcome
from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed, parse
from models.contracts.wire.dead_letter import DeadLetter
from models.contracts.wire.travel import TRACEPARENT, sampled
from models.domain.deciding.commands import Job
from worker.brokers.rabbitmq.unreadable import UNREADABLE
from worker.consuming.admission import check_place, queue_of
from worker.consuming.money_request import MoneyRequest
from worker.consuming.placement import queue_elsewhere, queue_of_telegram_user
from worker.dead_letters.message import letter_of, sending_of
from worker.encoding.names import is_name, may_be_theirs
from worker.encoding.serialization import loads
from worker.ledger_clock import LEDGER_CLOCK
from worker.observability.celery_events import of_tasks
from worker.publishers.callbacks import NO_LINKS, FollowUp, Links
from worker.publishers.limits import Intake, too_deep
from worker.publishers.producers import ANYBODY, STRANGER, Sender
from worker.runtime import Runtime
from worker.settings.settings import Settings

if TYPE_CHECKING:
    from worker.tracing.tracer import Tracer

_NOTHING: Final[Any] = [[], {}, {}]
_ANY_JOB: Final = next(iter(CATALOGUE))  # whose settings a message of no known job is handled by


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message. `job` is what it asks for, or why it can't be answered."""

    message: Any
    request: MoneyRequest
    job: Job | Malformed
    links: Links  # what is sent on when it is settled
    sending: str | None  # see worker/dead_letters/message.py
    sender: Sender
    answerable: bool  # whether an answer goes to who asked, and to nobody else
    elsewhere: str | None = None  # the queue of the shard that it is for, when that is another one

    def letter(self, reason: str, error: str, attempts: int = 1) -> DeadLetter:
        """The message as a dead letter: nothing of it is lost."""
        request, job = self.request, self.job if isinstance(self.job, Job) else None
        return letter_of(
            self.message, request.name, str(request.id), job, request.kwargs,
            reason=reason, error=error, attempts=attempts, sending=self.sending,
        )  # fmt: skip

    def placed(self, settings: Settings, buckets: Mapping[int, int]) -> Delivery:
        """The delivery, once it is known where users are who are named by telegram ids."""
        if not isinstance(self.job, Job):
            return self
        try:
            return replace(self, elsewhere=queue_of_telegram_user(self.job, _headers(self.message), settings, buckets))
        except Malformed as error:
            self.request.asked = error
            return replace(self, job=error)

    def follow_ups(self, answer: Answer) -> list[FollowUp]:
        """What the publisher asked to be sent on, now that the message has become an outcome or a dead letter."""
        if not self.links:
            return []
        task_id = str(self.request.id)
        root_id = str(self.request.root_id or task_id)
        if isinstance(answer, StoredOutcome):
            return self.links.after_outcome(task_id, root_id, answer.document())
        return self.links.after_parking(task_id, root_id)


def understand(message: Any, runtime: Runtime, app: Any, consumer: Any) -> Delivery:
    """The delivery of whatever message. Never raises for what the message holds."""
    name, headers, content = "unknown", dict[str, Any](), _NOTHING
    job: Job | Malformed
    links = NO_LINKS
    elsewhere: str | None = None
    settings, intake = runtime.settings, runtime.intake
    own_queues = settings.own_queues
    sender = ANYBODY if intake.producers is None else STRANGER
    try:
        name, headers, content = _decode(message, intake)
        check_place(name, queue_of(message, consumer), settings)
        sender = intake.admit(name, content[1], message)
        links = Links.of(content[2] or {}, settings.money_queues, own_queues)
        _check(headers, content)
        job = parse(name, content[1])
        elsewhere = queue_elsewhere(job, _headers(message), settings)
    except Malformed as error:
        job = error
    except Exception as error:  # noqa: BLE001 - a message that breaks the parser itself is kept like any other
        job = Malformed("unreadable", repr(error))
    task_id: Any = headers.get("id") or _headers(message).get("id")
    request = MoneyRequest(
        message, app, consumer, of_tasks(consumer.event_dispatcher), app.tasks[name if name in CATALOGUE else _ANY_JOB],
        task_id=task_id if is_name(task_id) else str(uuid4()), name=name, headers=headers, content=content,
    )  # fmt: skip
    if elsewhere is None and (parent := _traceparent(headers)) is not None:
        job = _traced(request, job, parent, runtime.tracer)
    request.asked = job
    reply_to = request.reply_to
    answerable = sender.answered and (not reply_to or may_be_theirs(reply_to, own_queues))
    return Delivery(message, request, job, links, sending_of(message, task_id), sender, answerable, elsewhere)


def _traceparent(headers: dict[str, Any]) -> str | None:
    """As Celery's publishers send it: as a header of the message, or among those that are in one of them."""
    if (told := headers.get(TRACEPARENT)) is None and isinstance(inner := headers.get("headers"), dict):
        told = inner.get(TRACEPARENT)
    return None if told is None else sampled(told)


def _traced(request: MoneyRequest, job: Job | Malformed, parent: str, tracer: Tracer | None) -> Job | Malformed:
    """The job as part of its trace, which its events carry on; its span begins here."""
    request.traceparent = parent
    if tracer is not None:
        about = {"messaging.operation.type": "process", "messaging.message.id": str(request.id)}
        if isinstance(job, Job):
            about |= {"balance.producer": job.producer, "balance.key": job.key}
        request.span = tracer.begin(request.name, "consumer", parent, about)
        request.traceparent = request.span.traceparent or parent
    return replace(job, traceparent=request.traceparent) if isinstance(job, Job) else job


def _headers(message: Any) -> dict[str, Any]:
    return message.headers if isinstance(message.headers, dict) else {}


def _decode(message: Any, intake: Intake) -> tuple[str, dict[str, Any], Any]:
    """The job's name, the headers, and [args, kwargs, embed]. Raises Malformed when the message holds anything else."""
    if message.errors:
        raise Malformed("undecodable", f"the body could not be unpacked: {message.errors[0][1]}")
    if UNREADABLE in _headers(message):
        raise Malformed("undecodable", f"its properties are not AMQP: their bytes are in the header {UNREADABLE}")
    if message.content_type != "application/json":
        raise Malformed("undecodable", f"content type is {message.content_type}; only application/json is read")
    intake.check_size(message.body)
    try:
        content = loads(message.body)
    except ValueError as error:
        raise Malformed("undecodable", f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise too_deep() from error
    intake.check_depth(message.body, content)
    headers = _headers(message)
    if isinstance(content, dict) and "task" in content:  # the protocol of Celery 3
        content, headers, _, _ = proto1_to_proto2(message, content)
    name = headers.get("task")
    if not isinstance(name, str):
        raise Malformed("no_task", "the message names no task in its headers")
    match content:
        case [list(), dict(), None | dict()]:
            return name, headers, content
        case _:
            raise Malformed("undecodable", "the body is not [args, kwargs, embed]")


def _check(headers: dict[str, Any], content: Any) -> None:
    """Raises Malformed for a message that Celery would hold in memory or destroy."""
    if content[0]:
        raise Malformed("positional_arguments", "send arguments by keyword; args must be empty")
    if headers.get("eta"):
        raise Malformed("eta", "money jobs are applied when they arrive; publish without eta and countdown")
    if not is_name(headers.get("id")):
        raise Malformed("no_id", "the message has no task id in its headers, or one that cannot be used")
    if headers["id"] in revoked_ids:
        raise Malformed("revoked", "the job was revoked before it was applied")
    expires = headers.get("expires")
    try:
        late = bool(expires) and maybe_make_aware(datetime.fromisoformat(str(expires))) <= LEDGER_CLOCK.now()
    except ValueError as error:
        raise Malformed("expired", f"expires is {expires!r}, which is not a time") from error
    if late:
        raise Malformed("expired", f"the message expired at {expires}, before it was applied")
