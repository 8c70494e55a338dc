"""Answers on their way to whoever asked: the results of a batch in one round trip.

Results are a courtesy. The outcome is in the database by now: a result backend that is away, stands still or crawls
costs a batch one bounded wait, and then nothing until it is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

import msgspec
import structlog
from celery.app.task import Context
from celery.backends.redis import RedisBackend
from celery.states import FAILURE, SUCCESS
from celery.worker.request import Request
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.contracts.storable import storable_text
from tasks.outcome import Outcome
from tasks.settling import Reminder
from worker.breaker import Breaker
from worker.names import is_name
from worker.serialization import dumps

_LOG: Final = structlog.get_logger(__name__)
_ENCODER: Final = msgspec.json.Encoder()
_PATIENCE_S: Final = 1.0  # for a connection and for each answer of a result backend
_SLOW_S: Final = 0.3  # whoever takes longer for a batch is left alone for a while
_ONCE_MORE: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class Parked(Exception):
    """The message is kept as a dead letter and was not applied; who waits for the result is told so."""

    def __init__(self, text: str) -> None:
        super().__init__(storable_text(text))  # what strangers wrote is in it


Answer = Outcome | Parked


class Results:
    """Celery's result backend, written to a batch at a time."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._breaker, self._reminder = Breaker(), Reminder()
        self._lost, self._trouble = 0, ""  # since one was stored in time
        self._client: Any = None
        if not isinstance(app.backend, RedisBackend):
            app.backend.retry_policy = _ONCE_MORE  # Celery would try for twenty seconds, in the event loop

    def store(self, answers: Sequence[tuple[Request, Answer]]) -> None:
        """Stores what publishers asked for, or gives it up within about a second."""
        wanted = [(request, answer) for request, answer in answers if not request.ignore_result]
        if not wanted:
            return
        if self._breaker.is_open:
            self._lose(wanted)
            return
        began = monotonic()
        try:
            self._write(wanted)
        except Exception as error:  # noqa: BLE001 - no fault of a result backend may keep a settled job from its end
            self._trouble = str(error) or repr(error)
            self._breaker.failed()
            self._lose(wanted)
            return
        if (took_s := monotonic() - began) > _SLOW_S:
            self._trouble = f"it took {took_s:.1f} s for {len(wanted)} results"
            self._breaker.failed()
            return
        self._breaker.succeeded()
        if self._lost:
            _LOG.info("results.stored_again", lost=self._lost)
            self._lost = 0

    def _lose(self, wanted: Sequence[object]) -> None:
        self._lost += len(wanted)
        if self._reminder.due("results.lost", ""):
            _LOG.warning(
                "results.lost", count=self._lost, error=self._trouble,
                next="see that the result backend runs; publishers that wait learn the outcome by their key",
            )  # fmt: skip

    def _write(self, answers: Sequence[tuple[Request, Answer]]) -> None:
        backend = self._app.backend
        if isinstance(backend, RedisBackend):
            self._write_to_redis(backend, [each for each in answers if is_name(each[0].id)])
            return
        for request, answer in answers:
            if (asked := _reply(request)) is None:
                continue
            # Celery's mark_as_done would follow what else the headers name: chords, chains.
            if isinstance(answer, Parked):
                backend.store_result(request.id, answer, FAILURE, request=asked)
            else:
                backend.store_result(request.id, answer.document(), SUCCESS, request=asked)

    def _write_to_redis(self, backend: Any, answers: Sequence[tuple[Request, Answer]]) -> None:
        if self._client is None:
            waits = {"socket_timeout": _PATIENCE_S, "socket_connect_timeout": _PATIENCE_S}
            self._client = backend._create_client(**{**backend.connparams, **waits, "retry": Retry(NoBackoff(), 0)})
        done = self._app.now().isoformat()
        with self._client.pipeline(transaction=False) as pipe:
            for request, answer in answers:
                key, meta = backend.get_key_for_task(request.id), _meta(backend, request, answer, done)
                pipe.set(key, meta, ex=self._app.conf.result_expires)
                pipe.publish(key, meta)
            pipe.execute()


def _reply(request: Request) -> Context | None:
    """Where an answer over RabbitMQ goes: the names that the protocol has room for, and no other header."""
    reply_to, correlation_id = request.reply_to, request.correlation_id or request.id
    if not all(is_name(value) for value in (request.id, reply_to, correlation_id)):
        return None
    return Context(reply_to=reply_to, correlation_id=correlation_id)


def _meta(backend: Any, request: Request, answer: Answer, done: str) -> bytes:
    """What Celery keeps of a result. The document of an outcome goes in as it is stored, digit for digit."""
    status: str = SUCCESS
    if isinstance(answer, Parked):
        status, text = FAILURE, dumps(backend.prepare_exception(answer, serializer="json"))
    else:
        text = answer.json()
    return _ENCODER.encode(
        {
            "status": status,
            "result": msgspec.Raw(text.encode()),
            "traceback": None,
            "children": [],
            "date_done": done,
            "task_id": request.id,
        }
    )
