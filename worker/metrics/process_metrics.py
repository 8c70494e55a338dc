"""The metrics of one process, and how they are written down."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from worker.metrics import catalogue
from worker.metrics.catalogue import Metric
from worker.metrics.gauges import Gauges

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class ProcessMetrics:
    """Instruments are made by whoever counts with them: beat shows no batches."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.gauges: Final = Gauges()
        self._registry.register(self.gauges)
        ProcessCollector(registry=self._registry)
        self.gauges.put("info", [(catalogue.INFO, (version("balance-worker"),), 1)])

    def counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.meaning, metric.labels, buckets=metric.buckets, registry=self._registry)

    def gauge(self, metric: Metric) -> Gauge:
        """One that its owner always knows."""
        return Gauge(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def text(self) -> bytes:
        """All of them, as Prometheus reads it."""
        return generate_latest(self._registry)
