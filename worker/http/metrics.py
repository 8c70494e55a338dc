"""What the door counts, for Prometheus. Labels are routes, statuses and codes: a stranger cannot add one."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from worker.metrics.catalogue import Metric
from worker.metrics.process_metrics import ProcessMetrics

_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BY: Final = "the door"
_REQUESTS: Final = Metric("balance_http_requests_total", "counter", _BY, "Requests answered", ("route", "status"))
_SECONDS: Final = Metric(
    "balance_http_request_seconds", "histogram", _BY, "From the request to its answer", ("route",), _BUCKETS_S
)
_JOBS: Final = Metric(
    "balance_http_jobs_total", "counter", _BY, "Jobs that came back with an outcome", ("job", "code", "replayed")
)
_IN_FLIGHT: Final = Metric("balance_http_requests_in_flight", "gauge", _BY, "Requests being answered")
DOOR_METRICS: Final[dict[str, Metric]] = {each.name: each for each in (_REQUESTS, _SECONDS, _JOBS, _IN_FLIGHT)}
"""docs/metrics.md is held to it."""


class DoorMetrics:
    """Of one process."""

    def __init__(self) -> None:
        self._process = ProcessMetrics()
        self._requests = self._process.counter(_REQUESTS)
        self._seconds = self._process.histogram(_SECONDS)
        self._jobs = self._process.counter(_JOBS)
        self._in_flight: Final = self._process.gauge(_IN_FLIGHT)

    def of(self, route: str) -> RouteMetrics:
        return RouteMetrics(route, self._requests, self._seconds.labels(route), self._in_flight)

    def settled(self, job: str, code: str, *, replayed: bool) -> None:
        self._jobs.labels(job, code, "true" if replayed else "false").inc()

    def text(self) -> bytes:
        return self._process.text()


class RouteMetrics:
    """Of one route; which sample a status has is looked up once."""

    def __init__(self, route: str, requests: Counter, seconds: Histogram, in_flight: Gauge) -> None:
        self._route, self._requests, self._seconds = route, requests, seconds
        self.in_flight: Final = in_flight.track_inprogress
        self._by_status: dict[int, Counter] = {}

    def answered(self, status: int, seconds: float) -> None:
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.labels(self._route, str(status))
        counter.inc()
        self._seconds.observe(seconds)
