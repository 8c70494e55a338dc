"""What beat says of itself: it is ready while its loop runs and the broker takes its ticks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import monotonic

from worker.listening.process import ProcessAnswers
from worker.listening.server import Listener
from worker.metrics import catalogue
from worker.metrics.gauges import Sample
from worker.metrics.process_metrics import ProcessMetrics
from worker.observability.health import Trouble, Word
from worker.settings.settings import Settings


class BeatSigns:
    """Told by the scheduler as it goes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listener: Listener | None = None
        self._took_at: float | None = None  # monotonic seconds
        self._word: Word | None = None

    def listen(self) -> None:
        """Answers over HTTP from now on, if there is a port for it."""
        if self._settings.metrics_port and self._listener is None:
            metrics = ProcessMetrics()
            metrics.gauges.ask(self._samples)
            self._listener = ProcessAnswers(metrics, lambda: self._word).listen(self._settings)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def lives(self) -> None:
        """The loop is at its beginning once more; what it waited for may still be so."""
        if self._word is not None:
            self._say(self._word.troubles)

    def took(self) -> None:
        """The broker takes what beat sends."""
        self._took_at = monotonic()
        self._say(())

    def refused(self, what: str, remedy: str) -> None:
        """It does not."""
        self._say((Trouble("broker", what, f"{remedy}; beat goes on by itself"),))

    def _say(self, troubles: tuple[Trouble, ...]) -> None:
        self._word = Word("beat", os.getpid(), monotonic(), troubles)

    def _samples(self) -> Iterator[Sample]:
        if self._took_at is not None:
            yield catalogue.BEAT_TICK, (), monotonic() - self._took_at
