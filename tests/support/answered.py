"""Results as a worker stores them, for the jobs that lie in a queue."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.app.task import Context
from kombu.message import Message

from balance_client.publishing.handles import PublishedJob
from tests.support.servers.queues import taken
from worker.encoding.serialization import EXACT_JSON, register_exact_json

Answer = Callable[[Any, str, PublishedJob], None]
"""Stores a result and its state for a job."""


@contextmanager
def answering(broker_url: str, queue: str, serializer: str = EXACT_JSON) -> Iterator[Answer]:
    """Takes the messages of the queue when it is asked to answer one of them."""
    register_exact_json()
    backend = broker_url if broker_url.startswith("redis") else "rpc://"
    with Celery(broker=broker_url, backend=backend, set_as_current=False) as app:
        app.conf.update(result_serializer=serializer, result_accept_content=["json"])
        messages: dict[str, Message] = {}

        def store(result: Any, state: str, job: PublishedJob) -> None:
            messages.update({str(each.headers["id"]): each for each in taken(broker_url, queue)})
            properties = messages[job.task_id].properties
            context = Context(reply_to=properties["reply_to"], correlation_id=properties["correlation_id"])
            app.backend.store_result(job.task_id, result, state, request=context)

        yield store
