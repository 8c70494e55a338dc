"""Answers on their way to whoever asked: the results of a batch in one round trip.

Results are a courtesy. The outcome is in the database by now: a result backend that is away, stands still or crawls
costs a batch one bounded wait, and then nothing until it is tried again. What it could not be told meanwhile is kept
for as long as somebody may wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from time import monotonic
from typing import Any, Final

import msgspec
import structlog
from amqp.exceptions import AMQPError
from celery.app.task import Context
from celery.backends.redis import RedisBackend
from celery.states import FAILURE, SUCCESS
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from models.batch.outcome import Answer, Parked
from tasks.reminder import Reminder
from worker.brokers.retrying import ONCE_MORE
from worker.consuming.breaker import Breaker
from worker.encoding.names import is_name
from worker.encoding.serialization import dumps

_LOG: Final = structlog.get_logger(__name__)
_ENCODER: Final = msgspec.json.Encoder()
_PATIENCE_S: Final = 1.0  # for a connection and for each answer of a result backend
_SLOW_S: Final = 0.3  # whoever takes longer for a batch is left alone for a while
_AT_ONCE: Final = 500  # results
_KEPT_MAX: Final = 10_000  # results that wait for a better time, at most,
_KEPT_S: Final = 60.0  # and for how long: as long as our client waits by itself
_AWAY: Final = (OSError, RedisError, OperationalError, AMQPError)


@dataclass(frozen=True, slots=True)
class _Result:
    """Whom to tell what: without the message, which would be kept with it. `at`: monotonic seconds."""

    task_id: str
    reply: Context | None
    answer: Answer
    at: float


class ResultWriter:
    """Celery's result backend, written to a batch at a time. `timer`: of the worker's event loop."""

    def __init__(self, app: Any, timer: Any) -> None:
        self._app, self._timer = app, timer
        self._breaker, self._reminder = Breaker(), Reminder()
        self._kept: deque[_Result] = deque()
        self._lost, self._trouble = 0, ""  # since all were stored
        self._client: Any = None
        self._again: Any = None
        if not isinstance(app.backend, RedisBackend):
            app.backend.retry_policy = ONCE_MORE  # Celery would try for twenty seconds, in the event loop

    def store(self, answers: Sequence[tuple[Request, Answer]]) -> None:
        """Stores what publishers asked for within about a second, or keeps it for a better time."""
        at = monotonic()
        for request, answer in answers:
            if not request.ignore_result:
                self._kept.append(_Result(request.id, _reply(request), answer, at))
        if self._kept:
            self._flush()

    def close(self) -> None:
        """Tries once more, whatever it came to before."""
        if self._again is not None:
            self._again.cancel()
        while self._kept and self._attempt():
            pass
        self._lose(len(self._kept))

    def _flush(self) -> None:
        while self._kept and not self._breaker.is_open:
            self._attempt()
        gone = monotonic() - _KEPT_S
        stale = sum(1 for _ in takewhile(lambda each: each.at < gone, self._kept))
        self._lose(max(len(self._kept) - _KEPT_MAX, stale))
        if self._trouble and not self._kept and not self._breaker.is_open:
            _LOG.info("results.stored_again", lost=self._lost)
            self._lost, self._trouble = 0, ""
        if (self._kept or self._trouble) and self._again is None:
            self._again = self._timer.call_after(self._breaker.left_s, self._try_again)

    def _try_again(self) -> None:
        self._again = None
        self._flush()

    def _attempt(self) -> bool:
        """Stores the oldest. They stay when it fails: nobody minds to be told twice. Returns whether it went well."""
        batch = [*islice(self._kept, _AT_ONCE)]
        began = monotonic()
        try:
            self._write(batch)
        except _AWAY as error:
            self._leave_alone(str(error) or repr(error))
            return False
        except Exception as error:  # noqa: BLE001 - no fault of a result backend may keep a settled job from its end
            self._leave_alone(str(error) or repr(error))
            self._lose(len(batch))  # trying again may end the same way
            return False
        for _ in batch:
            self._kept.popleft()
        if (took_s := monotonic() - began) > _SLOW_S:
            self._leave_alone(f"it took {took_s:.1f} s for {len(batch)} results")
            return False
        self._breaker.succeeded()
        return True

    def _leave_alone(self, trouble: str) -> None:
        self._trouble = trouble
        self._breaker.failed()
        if self._reminder.due("results.waiting", ""):
            _LOG.warning(
                "results.waiting", count=len(self._kept), error=trouble,
                next=f"see that the result backend runs; jobs are applied, their results kept for {_KEPT_S:.0f} s",
            )  # fmt: skip

    def _lose(self, count: int) -> None:
        """The oldest."""
        if count <= 0:
            return
        for _ in range(count):
            self._kept.popleft()
        self._lost += count
        if self._reminder.due("results.lost", ""):
            _LOG.warning(
                "results.lost", count=self._lost, error=self._trouble,
                next="see that the result backend runs; publishers that wait learn the outcome by their key",
            )  # fmt: skip

    def _write(self, results: Sequence[_Result]) -> None:
        backend = self._app.backend
        if isinstance(backend, RedisBackend):
            self._write_to_redis(backend, [each for each in results if is_name(each.task_id)])
            return
        for each in results:
            if each.reply is None:
                continue
            # Celery's mark_as_done would follow what else the headers name: chords, chains.
            if isinstance(each.answer, Parked):
                backend.store_result(each.task_id, each.answer, FAILURE, request=each.reply)
            else:
                backend.store_result(each.task_id, each.answer.document(), SUCCESS, request=each.reply)

    def _write_to_redis(self, backend: Any, results: Sequence[_Result]) -> None:
        if self._client is None:
            waits = {"socket_timeout": _PATIENCE_S, "socket_connect_timeout": _PATIENCE_S}
            self._client = backend._create_client(**{**backend.connparams, **waits, "retry": Retry(NoBackoff(), 0)})
        done = self._app.now().isoformat()
        with self._client.pipeline(transaction=False) as pipe:
            for each in results:
                key, meta = backend.get_key_for_task(each.task_id), _meta(backend, each, done)
                pipe.set(key, meta, ex=self._app.conf.result_expires)
                pipe.publish(key, meta)
            pipe.execute()


def _reply(request: Request) -> Context | None:
    """Where an answer over RabbitMQ goes: the names that the protocol has room for, and no other header."""
    reply_to, correlation_id = request.reply_to, request.correlation_id or request.id
    if not all(is_name(value) for value in (request.id, reply_to, correlation_id)):
        return None
    return Context(reply_to=reply_to, correlation_id=correlation_id)


def _meta(backend: Any, result: _Result, done: str) -> bytes:
    """What Celery keeps of a result. The document of an outcome goes in as it is stored, digit for digit."""
    status: str = SUCCESS
    if isinstance(result.answer, Parked):
        status, text = FAILURE, dumps(backend.prepare_exception(result.answer, serializer="json"))
    else:
        text = result.answer.json()
    return _ENCODER.encode(
        {
            "status": status,
            "result": msgspec.Raw(text.encode()),
            "traceback": None,
            "children": [],
            "date_done": done,
            "task_id": result.task_id,
        }
    )
