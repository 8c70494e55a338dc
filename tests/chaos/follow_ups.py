"""What publishers ask Celery to do after a money job: as messages, and what came of it."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from celery import Celery, Signature, group
from kombu import Connection, Exchange, Queue

from balance_client.routing import BALANCE
from tests.chaos.jobs import Then

OWN: Final = "chaos.own"  # the publisher's queue, in which it would work on them
NOWHERE: Final = "chaos.nowhere"  # a queue that nobody has made
_TASK: Final = "chaos.next"


def options_of(then: Then, app: Celery) -> dict[str, Any]:
    """The options of `send_task` by which it is asked for."""

    def own(name: str, queue: str = OWN) -> Signature[Any]:
        return app.signature(_TASK, queue=queue, task_id=name)

    names = then.ids
    match then.how:
        case "link":
            return {"link": [own(name) for name in names]}
        case "nowhere":
            return {"link": [own(name, NOWHERE) for name in names]}
        case "chain":
            return {"chain": [own(name) for name in names]}  # Celery keeps the links of a chain last first
        case "money":
            assert then.job is not None
            kwargs = dict(then.job.arguments)
            return {"chain": [app.signature(then.job.name, kwargs=kwargs, queue=BALANCE, immutable=True)]}
        case "group":
            return {"chain": [group([own(name) for name in names], app=app)]}
        case "chord":
            [name] = names
            return {"chord": own(name), "group_id": str(uuid4())}
        case "link_error":
            return {"link_error": [own(name) for name in names]}


def declare(broker_url: str) -> None:
    """Makes the publisher's queue. To Redis a queue is nothing but what lies in it."""
    with Connection(broker_url) as connection:
        Queue(OWN, Exchange(""), routing_key=OWN, durable=True)(connection.default_channel).declare()


def arrived(broker_url: str) -> set[str]:
    """The ids of the tasks that lie in the publisher's queues, which are empty after it."""
    found = set()
    with Connection(broker_url) as connection:
        channel: Any = connection.default_channel
        for queue in (OWN, NOWHERE) if broker_url.startswith("redis") else (OWN,):
            while (message := channel.basic_get(queue, no_ack=True)) is not None:
                found.add(str(message.headers["id"]))
    return found
