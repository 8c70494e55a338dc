"""Answers on their way to whoever asked: the results of a batch in one round trip.

Results are a courtesy. The outcome is in the database by now: a result backend that is away is logged, not waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from celery.app.task import Context
from celery.backends.redis import RedisBackend
from celery.states import SUCCESS
from celery.worker.request import Request

from tasks.outcome import Outcome

_LOG: Final = structlog.get_logger(__name__)
_ENCODER: Final = msgspec.json.Encoder()


class Parked(Exception):
    """The message is kept as a dead letter and was not applied; who waits for the result is told so."""


Answer = tuple[Request, Outcome | Parked]


class Results:
    """Celery's result backend, written to a batch at a time."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def store(self, answers: Sequence[Answer]) -> None:
        """Stores what publishers asked for."""
        try:
            self._store_outcomes([(r, answer) for r, answer in answers if isinstance(answer, Outcome) and _wanted(r)])
            for request, answer in answers:
                if isinstance(answer, Parked):
                    context = Context(request.request_dict)
                    self._app.backend.mark_as_failure(
                        request.id, answer, request=context, store_result=_wanted(request)
                    )
        except Exception as error:  # noqa: BLE001 - no fault of a result backend may keep a settled job from its end
            _LOG.warning("results.lost", error=str(error), next="publishers that wait learn the outcome by their key")

    def _store_outcomes(self, answers: Sequence[tuple[Request, Outcome]]) -> None:
        backend = self._app.backend
        if not isinstance(backend, RedisBackend):
            for request, outcome in answers:
                backend.mark_as_done(request.id, outcome.document(), request=Context(request.request_dict))
            return
        if not answers:
            return
        done = self._app.now().isoformat()
        with backend.client.pipeline(transaction=False) as pipe:
            for request, outcome in answers:
                key, meta = backend.get_key_for_task(request.id), _meta(request, outcome, done)
                pipe.set(key, meta, ex=self._app.conf.result_expires)
                pipe.publish(key, meta)
            pipe.execute()


def _wanted(request: Request) -> bool:
    return not request.ignore_result


def _meta(request: Request, outcome: Outcome, done: str) -> bytes:
    """What Celery keeps of a result. The document goes in as it is stored, digit for digit."""
    return _ENCODER.encode(
        {
            "status": SUCCESS,
            "result": msgspec.Raw(outcome.json().encode()),
            "traceback": None,
            "children": [],
            "date_done": done,
            "task_id": request.id,
        }
    )
