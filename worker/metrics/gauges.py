"""Gauges that are shown while their value is known, and left out when it is not: no 0 where nobody has looked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from worker.metrics.catalogue import Metric

Sample = tuple[Metric, tuple[str, ...], float]
Source = Callable[[], Iterable[Sample]]


class Gauges(Collector):
    """Values that somebody has put down, and those of sources, which are asked when somebody looks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, list[Sample]] = {}  # by who has put them down
        self._sources: list[Source] = []

    def put(self, who: str, samples: Iterable[Sample]) -> None:
        """In place of all that `who` has put down before."""
        found = [*samples]
        with self._lock:
            self._known[who] = found

    def ask(self, source: Source) -> None:
        """`source` neither waits nor raises."""
        with self._lock:
            self._sources.append(source)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._lock:
            found = [sample for samples in self._known.values() for sample in samples]
            sources = [*self._sources]
        families: dict[str, GaugeMetricFamily] = {}
        for metric, labels, value in [*found, *(sample for source in sources for sample in source())]:
            family = families.get(metric.name)
            if family is None:
                family = families[metric.name] = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            family.add_metric(labels, value)
        yield from families.values()
