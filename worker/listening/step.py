"""The part of Celery's worker that answers over HTTP, from its start to its end, whatever becomes of the broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import bootsteps

from worker.beat.heard import beats
from worker.clock import now
from worker.ledger_clock import LEDGER_CLOCK
from worker.listening.process import ProcessAnswers
from worker.listening.server import Listener
from worker.metrics import catalogue
from worker.metrics.broker_watch import BrokerWatch
from worker.metrics.gauges import Sample
from worker.metrics.ledger_watch import LedgerWatch
from worker.metrics.watching import Watch, Watching
from worker.observability.health import Word
from worker.runtime import Runtime


class ListeningStep(bootsteps.StartStopStep):
    """Stops last, so that a worker that finishes its batch is still seen."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **_: Any) -> None:
        super().__init__(parent)
        self._worker = parent
        self._listener: Listener | None = None
        self._watching: Watching | None = None

    def include_if(self, parent: Any) -> bool:
        return parent.app.runtime.counting is not None

    def start(self, parent: Any) -> None:
        runtime: Runtime = parent.app.runtime
        assert runtime.counting is not None
        metrics, settings = runtime.counting.metrics, runtime.settings
        queues = sorted(parent.app.amqp.queues.consume_from)
        watches: list[Watch] = [BrokerWatch(settings, queues)]
        metrics.gauges.ask(self._of_worker)
        if settings.tick_queue in queues:
            watches.append(LedgerWatch(settings))
            metrics.gauges.ask(_of_beats)
        self._watching = Watching(metrics, watches)
        self._watching.start()
        self._listener = ProcessAnswers(metrics, self._word).listen(settings)

    def stop(self, parent: Any) -> None:
        if self._watching is not None:
            self._watching.stop()
            self._watching = None
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    terminate = stop

    def _word(self) -> Word | None:
        readiness = getattr(getattr(self._worker, "consumer", None), "readiness", None)
        return None if readiness is None else readiness.word

    def _of_worker(self) -> Iterator[Sample]:
        yield catalogue.DATABASE_CLOCK, (), (LEDGER_CLOCK.now() - now()).total_seconds()
        consumer = getattr(self._worker, "consumer", None)
        if consumer is not None:
            yield catalogue.HELD, (), consumer.held
            yield catalogue.SETTLED, (), consumer.unacknowledged


def _of_beats() -> Iterator[Sample]:
    """Of whichever beat: their names are what strangers say."""
    heard = [*beats().values()]
    if ages := [age for each in heard if (age := each["age_s"]) is not None]:
        yield catalogue.BEAT_TICK, (), min(ages)
    if ahead := [offset for each in heard if (offset := each["ahead_s"]) is not None]:
        yield catalogue.BEAT_CLOCK, (), max(ahead, key=abs)
