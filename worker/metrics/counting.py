"""All that a worker counts, as the seams take it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final

from tasks.apply.faults import FaultObserver
from worker.metrics import catalogue
from worker.metrics.labels import ProducerLabels
from worker.metrics.messages import MessageMetrics
from worker.metrics.process_metrics import ProcessMetrics
from worker.metrics.work import WorkMetrics


class Counting:
    """Of one process. `producers`: those that there are; None: whoever publishes."""

    def __init__(self, faults: FaultObserver, producers: Collection[str] | None) -> None:
        self.metrics: Final = ProcessMetrics()
        self.messages: Final = MessageMetrics(self.metrics, ProducerLabels(producers))
        self.work: Final = WorkMetrics(self.metrics, faults)
        self._forwarded = self.metrics.counter(catalogue.FORWARDED)

    def forwarded(self, queues: Counter[str]) -> None:
        """So many jobs were sent on to these queues."""
        for queue, count in queues.items():
            self._forwarded.labels(queue).inc(count)
