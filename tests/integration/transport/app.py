"""A small Celery app for real workers: `celery -A tests.integration.transport.app worker`.

It says what it did on a connection of its own, past whatever a test does to the broker's.
"""

import json
import os
from typing import Any, Final

import redis
from celery import Celery, signals
from kombu import Exchange, Queue

from worker.brokers.redis.server import use_transport

_GIVEN: Final[dict[str, Any]] = json.loads(os.environ["TRANSPORT_TEST"])
_PREFIX: Final = _GIVEN["prefix"]

use_transport(_GIVEN["kind"])
app = Celery("transport", broker=_GIVEN["broker"])
app.conf.update(
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_channel_error_retry=True,
    broker_transport_options={"global_keyprefix": _PREFIX, "client_name": _PREFIX, **_GIVEN["options"]},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_queues=[Queue("jobs", Exchange("", type="direct"), routing_key="jobs")],
    task_default_queue="jobs",
    worker_prefetch_multiplier=_GIVEN["prefetch"],
    worker_enable_prefetch_count_reduction=False,
)


def _say(what: str, value: Any) -> None:
    with redis.Redis.from_url(_GIVEN["direct"]) as client:
        client.rpush(f"{_PREFIX}{what}", value)


@signals.worker_ready.connect
def _ready(**_: Any) -> None:
    _say("ready", 1)


@app.task(name="job")
def job(number: int) -> None:
    """A job that says it was done."""
    _say("done", number)


@app.task(name="slow")
def slow(number: int) -> None:
    """A job that says it began, and is done when a test says so."""
    _say("begun", number)
    with redis.Redis.from_url(_GIVEN["direct"]) as client:
        client.blpop([f"{_PREFIX}go"], timeout=60)
    _say("done", number)
