"""The threads that ask a broker and a database for what this process does not know of itself."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Thread
from typing import Final, Protocol

import structlog

from tasks.reminder import Reminder
from worker.metrics import catalogue
from worker.metrics.gauges import Sample
from worker.metrics.process_metrics import ProcessMetrics

_LOG: Final = structlog.get_logger(__name__)
_STOP_S: Final = 5.0


class Watch(Protocol):
    """Asked again and again, by one thread. `look` raises when there is no answer."""

    @property
    def of(self) -> str: ...

    @property
    def every_s(self) -> float: ...

    def look(self) -> list[Sample]: ...

    def close(self) -> None: ...


class Watching:
    """A thread for each watch: one that has to wait keeps no other waiting."""

    def __init__(self, metrics: ProcessMetrics, watches: Sequence[Watch]) -> None:
        self._gauges = metrics.gauges
        self._failures = metrics.counter(catalogue.UNMEASURED)
        self._reminder = Reminder()
        self._stopping = Event()
        self._threads = [
            Thread(target=self._watch, args=(watch,), name=f"metrics-{watch.of}", daemon=True) for watch in watches
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(_STOP_S)

    def _watch(self, watch: Watch) -> None:
        while not self._stopping.is_set():
            try:
                self._gauges.put(watch.of, watch.look())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not known now, and asked again
                self._gauges.put(watch.of, ())
                self._failures.labels(watch.of).inc()
                if self._reminder.due(f"metrics.unmeasured {watch.of}", type(error).__name__):
                    _LOG.warning(
                        "metrics.unmeasured", of=watch.of, error=repr(error),
                        next="nothing while it passes: metrics lack what it would have said; jobs are not concerned",
                    )  # fmt: skip
                watch.close()
            self._stopping.wait(watch.every_s)
        watch.close()
