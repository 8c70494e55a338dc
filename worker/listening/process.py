"""What a process answers: its metrics, that it lives, and whether it does its work, by the one judgement there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Final

import structlog

from worker.listening.server import Listener, Reply, as_json
from worker.metrics import catalogue
from worker.metrics.gauges import Sample
from worker.metrics.process_metrics import CONTENT_TYPE, ProcessMetrics
from worker.observability.health import Trouble, Word, judge
from worker.settings.settings import Settings

_LOG: Final = structlog.get_logger(__name__)
_BEGINNING: Final = (Trouble("process", "it is starting", "nothing: it says so when it is ready"),)


class ProcessAnswers:
    """`word`: what the process last said of itself; None: nothing yet."""

    def __init__(self, metrics: ProcessMetrics, word: Callable[[], Word | None]) -> None:
        self._metrics, self._word = metrics, word
        metrics.gauges.ask(self._samples)

    def listen(self, settings: Settings) -> Listener | None:
        """Answers from now on. None, and a line of the log, when it cannot listen: jobs come first."""
        address, port = settings.metrics_address, settings.metrics_port
        paths = {"/metrics": self.metrics, "/healthz": self.alive, "/readyz": self.ready}
        try:
            listener = Listener(address, port, paths)
        except OSError as error:
            _LOG.error(
                "metrics.not_served", address=address, port=port, error=error.strerror or str(error),
                next="give each process of this machine a BALANCE_METRICS_PORT of its own that is free, or another"
                " BALANCE_METRICS_ADDRESS; it works all the same, and no probe sees it",
            )  # fmt: skip
            return None
        listener.start()
        _LOG.info("metrics.serving", address=address, port=port)
        return listener

    def metrics(self) -> Reply:
        return Reply(200, self._metrics.text(), CONTENT_TYPE)

    def alive(self) -> Reply:
        return as_json(200, {"status": "alive"})

    def ready(self) -> Reply:
        """What is wrong by its kind, and what to do about it. Texts of drivers, which name hosts and users, stay in the
        log and in `balance-worker ready`."""
        troubles = self._troubles()
        status = "not ready" if troubles else "ready"
        return as_json(
            503 if troubles else 200, {"status": status, "troubles": {each.kind: each.next for each in troubles}}
        )

    def _troubles(self) -> tuple[Trouble, ...]:
        word = self._word()
        return _BEGINNING if word is None else judge(word, monotonic())

    def _samples(self) -> Iterator[Sample]:
        troubles = self._troubles()
        yield catalogue.READY, (), 0 if troubles else 1
        for kind in {each.kind for each in troubles}:
            yield catalogue.TROUBLE, (kind,), 1
