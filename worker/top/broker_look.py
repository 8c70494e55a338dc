"""What the broker says of this moment, and through it the workers: how much waits, and who works on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from celery import Celery

from worker.brokers.queue_watch import QueueNow, QueueWatch
from worker.brokers.refusals import next_step, said
from worker.doctor.workers import Report, ask
from worker.settings.settings import Settings

ANSWER_S: Final = 1.0
"""How long workers may take to answer."""


@dataclass(frozen=True, slots=True)
class BrokerNow:
    """`workers`: those that answered; one that is busy with a batch, or held, may not have."""

    queues: list[QueueNow]
    workers: list[Report]


class BrokerLook:
    """Belongs to one thread. `look` raises what the broker, or the way to it, has against it: no worker is asked then,
    as the way to them is the same."""

    def __init__(self, app: Celery, settings: Settings, answer_s: float = ANSWER_S) -> None:
        self._app, self._settings, self._answer_s = app, settings, answer_s
        self._watch = QueueWatch(settings, [settings.queue, *settings.partition_queues, settings.tick_queue])

    def look(self) -> BrokerNow:
        return BrokerNow(self._watch.look(), ask(self._app, self._settings, self._answer_s))

    def close(self) -> None:
        self._watch.close()


def trouble_of(error: Exception, settings: Settings) -> str:
    """What the broker has against a look, and what to do about it."""
    return f"{said(error)}: {next_step(error, str(settings.broker_url))}"
