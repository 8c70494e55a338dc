"""A worker judges itself in its event loop, which proves that the loop lives, and leaves word of it.

Ready is who takes from all queues that it was started for, and whose database takes what it writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import monotonic
from typing import Any, Final

import structlog
from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from tasks.apply.progress import Held
from tasks.reminder import Reminder
from worker.observability.database_watch import DatabaseWatch
from worker.observability.health import Trouble, Word
from worker.observability.pulse import Pulse
from worker.runtime import Runtime, stopping

_LOG: Final = structlog.get_logger(__name__)
_EVERY_S: Final = 2.0
_HELD_MIN_S: Final = 3.0  # a deadlock is no reason to say anything
_BY_ITSELF: Final = "the worker goes on by itself"
_NOT_SAID_YET: Final = {"queues", "database"}  # the rest is said, once a minute, where it is met


class ReadinessStep(bootsteps.StartStopStep):
    """Speaks for as long as the consumer lives, also across its connections."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **_options: Any) -> None:
        self._consumer = consumer
        self._queues = {*consumer.app.amqp.queues.consume_from}  # that it was started for
        runtime: Runtime = consumer.app.runtime
        self._settings, self._progress = runtime.settings, runtime.faults.progress
        self._pulse = Pulse(self._settings)
        self._database = DatabaseWatch(self._settings, self._progress)
        self._reminder = Reminder()
        self._connected = False
        self._timer: Any = None
        self._complained = False
        self._spoke_at = 0.0  # monotonic seconds
        self.word: Word  # the last one
        consumer.readiness = self
        self.speak()

    def start(self, consumer: Any) -> None:
        self._database.start()
        self._timer = consumer.timer.call_repeatedly(_EVERY_S, self.speak)
        consumer.hub.call_soon(self._begin)  # once it consumes

    def _begin(self) -> None:
        self._connected = True
        self.speak()

    def stop(self, _consumer: Any) -> None:
        self._connected = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.speak()

    def shutdown(self, consumer: Any) -> None:
        self.stop(consumer)
        self._database.stop()
        try:
            self._pulse.remove(consumer.hostname)
        except OSError as error:
            _LOG.info("readiness.not_removed", error=str(error), next="nothing: the process is seen to be gone")

    def speak_now_and_then(self) -> None:
        """The same, for who calls it far more often."""
        if monotonic() - self._spoke_at >= _EVERY_S:
            self.speak()

    def speak(self) -> None:
        """Leaves word, and logs what nobody else does."""
        self._spoke_at = monotonic()
        troubles = tuple(self.troubles())
        self._log([each for each in troubles if each.kind in _NOT_SAID_YET])
        self.word = Word(self._consumer.hostname, os.getpid(), monotonic(), troubles)
        try:
            self._pulse.write(self.word)
        except OSError as error:
            if self._reminder.due("readiness.not_written", str(error)):
                _LOG.error(
                    "readiness.not_written", error=str(error),
                    next="let BALANCE_RUN_DIR name a directory that the worker may write; it works all the same",
                )  # fmt: skip

    @property
    def left_out(self) -> list[str]:
        """The queues that it was started for and does not take from: only remote control can do that."""
        left = self._queues - self._consumer.consumed - self._consumer.unusable.why.keys()
        return sorted(left) if self._connected else []

    def troubles(self) -> Iterator[Trouble]:
        """What keeps this worker from its work now."""
        if not self._connected:
            what = "it is stopping" if stopping() else "it is not connected to the broker"
            why, remedy = self._consumer.waits_for or ("", "bring the broker back if it is away")
            yield Trouble(
                "broker", f"{what}: {why}" if why else what, f"{remedy}; {_BY_ITSELF}",
            )  # fmt: skip
        elif left_out := self.left_out:
            yield Trouble(
                "queues", f"it was told by remote control to take nothing from {', '.join(left_out)}",
                "; ".join(take_again(queue, self._consumer.hostname) for queue in left_out),
            )  # fmt: skip
        for queue, said in self._consumer.unusable.why.items():
            yield Trouble(
                "unusable", f"it cannot use {queue}: {said}", f"see `queue.unusable` in its log; {_BY_ITSELF}"
            )
        if found := self._database.found:
            yield Trouble("database", found.what, found.remedy)
        over_s = 2 * self._settings.retry_cap_s + self._settings.statement_timeout_ms / 1000  # a wait, and an attempt
        if held := _held(self._progress.held, monotonic(), over_s):
            yield held

    def _log(self, troubles: list[Trouble]) -> None:
        if troubles:
            what = "; ".join(each.what for each in troubles)
            if self._reminder.due("worker.not_ready", what):
                _LOG.warning("worker.not_ready", what=what, next="; ".join(each.next for each in troubles))
        elif self._complained:
            _LOG.info("worker.ready")
        self._complained = bool(troubles)


def take_again(queue: str, node: str) -> str:
    """The command that has a worker take from a queue again."""
    return f"celery -A worker.app control add_consumer {queue} -d {node}"


def _held(held: Held | None, at: float, over_s: float) -> Trouble | None:
    """A fault that jobs wait out, unless it was not met for `over_s`: what waited may have gone back to the broker."""
    if held is None or at - held.since < _HELD_MIN_S or at - held.last > over_s:
        return None
    return Trouble("held", f"jobs are held: {held.what}", held.next)
