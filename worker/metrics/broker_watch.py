"""How much waits in the queues of a worker and since when, every few seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from worker.brokers.queue_watch import QueueWatch
from worker.metrics import catalogue
from worker.metrics.gauges import Sample
from worker.settings.settings import Settings


class BrokerWatch:
    """Asks about the queues that a worker takes from."""

    of: Final = "broker"
    every_s: Final = 5.0

    def __init__(self, settings: Settings, queues: Sequence[str]) -> None:
        self._watch = QueueWatch(settings, queues)

    def look(self) -> list[Sample]:
        """Raises whatever the broker, or the way to it, has against it."""
        return [*self._samples()]

    def close(self) -> None:
        self._watch.close()

    def _samples(self) -> Iterator[Sample]:
        for each in self._watch.look():
            yield catalogue.DEPTH, (each.queue,), each.messages
            if each.oldest_s is not None:
                yield catalogue.OLDEST, (each.queue,), each.oldest_s
