"""Money messages on their way through Celery: decoded exactly, settled, and only then acknowledged.

Celery's own ways to destroy a message do not apply here: a revoked or expired money job is parked, not dropped, and
one that asks to be held in a worker's memory (ETA, countdown) is parked too. See docs/guarantees.md.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog
from celery import Task, signals
from celery.exceptions import Reject
from celery.utils.time import maybe_make_aware
from celery.worker.request import Request
from celery.worker.state import revoked as revoked_ids
from celery.worker.state import task_reserved
from celery.worker.strategy import proto1_to_proto2  # type: ignore[attr-defined]  # not in the stubs

from models.contracts.message import Malformed, parse
from models.domain.outcome import Status
from models.store import dead_letters
from models.store.dead_letters import DeadLetter
from models.store.session import transaction
from tasks.outcome import Outcome
from tasks.settling import Failed, Interrupted
from worker.clock import now
from worker.runtime import RUNTIME
from worker.serialization import dumps, loads

if TYPE_CHECKING:
    _Task = Task[Any, Any]
else:
    _Task = Task  # generic in its stubs alone

_LOG: Final = structlog.get_logger(__name__)


# What Celery would hold in memory, destroy or kill a job for: checked here, and then out of its hands.
_NOT_CELERYS: Final[dict[str, Any]] = {"eta": None, "expires": None, "timelimit": None}


class Parked(Exception):
    """The message is kept as a dead letter and was not applied; who waits for the result is told so."""


class MoneyRequest(Request):
    """A request that Celery may not throw away: whether a job is still wanted is decided where it can be recorded."""

    def revoked(self) -> bool:
        return False


class MoneyTask(_Task):
    """One money job. Its name is in the catalogue of contracts; its arguments are the contract's fields."""

    abstract = True
    Request = "worker.lane:MoneyRequest"
    Strategy = "worker.lane:strategy"
    acks_late = True
    reject_on_worker_lost = True
    resultrepr_maxsize = 120
    typing = False  # a wrong argument is answered by the contract, not by a TypeError

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return self._settle(args, kwargs)
        except Interrupted:
            _LOG.warning("job.returned", task=self.name, next="another worker, or this one once started, takes it")
            raise Reject("stopping", requeue=True) from None

    def _settle(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if args:
            raise self._park("positional_arguments", "send arguments by keyword; args must be empty", args, kwargs)
        try:
            job = parse(self.name, kwargs)
        except Malformed as error:
            raise self._park(error.reason, str(error), args, kwargs) from error
        except Exception as error:  # a body that breaks the parser itself is kept like any other
            raise self._park("failed", repr(error), args, kwargs) from error
        outcome = RUNTIME.settler.settle([job])[0]
        if isinstance(outcome, Failed):
            raise self._park("failed", repr(outcome.error), args, kwargs, outcome.attempts) from outcome.error
        _log_outcome(self.name, job.producer, job.key, outcome)
        return outcome.document()

    def _park(self, reason: str, error: str, args: Any, kwargs: Any, attempts: int = 1) -> Parked:
        request = self.request
        letter = DeadLetter(
            reason=reason,
            error=error,
            task=self.name,
            task_id=request.id,
            queue=(request.delivery_info or {}).get("routing_key"),
            headers={"id": request.id, "origin": request.origin, "root_id": request.root_id},
            body=_bytes_of(args, kwargs),
            attempts=attempts,
        )
        return Parked(f"{reason}: {error} (dead letter {_keep(letter)}; nothing was applied)")


def _bytes_of(args: Any, kwargs: Any) -> bytes:
    """The arguments as JSON, equal for equal arguments."""
    return dumps({"args": args, "kwargs": dict(sorted(kwargs.items()))}).encode()


def _keep(letter: DeadLetter) -> UUID:
    """Parks a message, however long the database is away."""

    def park() -> UUID:
        with transaction(RUNTIME.engine) as connection:
            return dead_letters.park(connection, letter)

    letter_id = RUNTIME.settler.persist(park)
    _LOG.warning(
        "message.parked", task=letter.task, reason=letter.reason, error=letter.error, letter=str(letter_id),
        next="nothing was applied; see `balance-worker jobs parked`",
    )  # fmt: skip
    return letter_id


def _log_outcome(name: str, producer: str, key: str, outcome: Outcome) -> None:
    log = _LOG.info if outcome.status is Status.APPLIED else _LOG.warning
    log(
        "job.settled", job=name, producer=producer, key=key, job_id=str(outcome.job_id),
        code=outcome.code.value, replayed=outcome.replayed,
    )  # fmt: skip


def strategy(task: MoneyTask, app: Any, consumer: Any) -> Callable[..., None]:
    """Celery's default strategy less what does not suit money, and with a body whose numbers were never floats."""
    eventer, hostname = consumer.event_dispatcher, consumer.hostname

    def on_message(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **_: Any) -> None:
        try:
            content, headers = _decode(message, old_protocol=body is not None)
            _check_delivery(headers)
        except Malformed as error:
            _park_message(message, task.name, error)
            return
        request = MoneyRequest(
            message, on_ack=ack, on_reject=reject, app=app, hostname=hostname, eventer=eventer, task=task,
            connection_errors=consumer.connection_errors, body=content, decoded=True,
            headers={**headers, **_NOT_CELERYS},
        )  # fmt: skip
        signals.task_received.send(sender=consumer, request=request)
        if eventer and eventer.enabled and task.send_events:
            request.send_event(
                "task-received", name=request.name, args=request.argsrepr, kwargs=request.kwargsrepr,
                root_id=request.root_id, parent_id=request.parent_id, retries=0,
            )  # fmt: skip
        task_reserved(request)
        for callback in callbacks or ():
            callback(request)
        consumer.on_task_request(request)

    return on_message


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


def _check_delivery(headers: Any) -> None:
    """Raises Malformed for a message that Celery would hold in memory or destroy."""
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


def _park_message(message: Any, task: str, error: Malformed) -> None:
    raw = message.body if isinstance(message.body, bytes) else str(message.body).encode("utf-8", "surrogatepass")
    headers = {name: value for name, value in message.headers.items() if isinstance(value, (str, int))}
    letter = DeadLetter(
        reason=error.reason, error=str(error), task=task, task_id=str(message.headers.get("id")),
        queue=message.delivery_info.get("routing_key"), headers={**headers, "content_type": message.content_type},
        body=raw,
    )  # fmt: skip
    try:
        _keep(letter)
    except Interrupted:
        return  # not acknowledged: the broker keeps it
    message.ack()
