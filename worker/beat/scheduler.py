"""Beat's scheduler, which needs no file and no clock that is right.

Celery's own remembers in a file when it last sent what, by the time of the day: once that was ahead, nothing is sent
until it comes true. Here the intervals are measured by a clock that nobody sets, and all is sent when beat starts: a
tick only says "look". The file that `--schedule` names is a sign of life, for whoever watches its age.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import Any, Final

import structlog
from amqp.exceptions import RecoverableConnectionError
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.schedules import schedstate
from kombu.exceptions import OperationalError

from tasks.reminder import Reminder
from worker.beat.heard import HEADER, told_by
from worker.brokers.refusals import next_step, said
from worker.celery_app import App
from worker.clock import now, steady
from worker.listening.of_beat import BeatSigns

_LOG: Final = structlog.get_logger(__name__)
_WAITING_MAX: Final = 1_000  # messages in the queue of ticks: with no I/O worker they would fill the broker
_LOOK_AGAIN_S: Final = 1.0
_PAUSE_MAX_S: Final = 5.0  # between two attempts to connect
_JUMP_MIN: Final = timedelta(seconds=2)


class BeatScheduler(Scheduler):
    """Sends ticks for as long as the broker takes them and somebody runs them."""

    def __init__(self, app: App, *, schedule_filename: str, **kwargs: Any) -> None:
        self._settings = app.runtime.settings
        self._sign = Path(schedule_filename)
        self._offset = now() - steady()
        self._reminder = Reminder()
        self._closed = False
        self._signs = BeatSigns(self._settings)
        super().__init__(app, schedule_filename=schedule_filename, **kwargs)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        self._signs.listen()
        self._look_back()
        self._give_a_sign()

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Also ends beat when the signal that told it to end was lost.

        Celery's handler raises SystemExit wherever beat is, and Python drops that in a finalizer: of a result, mostly.
        """
        if self._closed:
            raise SystemExit
        self._signs.lives()
        return super().tick(*args, **kwargs)

    def close(self) -> None:
        self._closed = True
        self._signs.close()
        super().close()

    def is_due(self, entry: ScheduleEntry) -> Any:
        """Not while a thousand wait: the next one finds the same work."""
        due = super().is_due(entry)
        if not due[0]:
            return due
        try:
            self._ensure_connected()
        except Exception as error:  # noqa: BLE001 - whatever a broker answers, it is there: beat waits until it is mended
            self._tell(error)
            return schedstate(is_due=False, next=_LOOK_AGAIN_S)
        if (waiting := self._waiting()) < _WAITING_MAX:
            return due
        queue = self._settings.tick_queue
        if self._reminder.due("ticks.held_back", queue):
            _LOG.error(
                "ticks.held_back", queue=queue, waiting=waiting,
                next=f"start an I/O worker, or see why it takes nothing: celery -A worker.app worker -Q {queue} …",
            )  # fmt: skip
        self._give_a_sign()
        return schedstate(is_due=False, next=_LOOK_AGAIN_S)

    def apply_async(self, entry: ScheduleEntry, *args: Any, **kwargs: Any) -> Any:
        options: Any = entry.options  # that of all entries of this name, which have to stay equal
        options["headers"] = {HEADER: told_by(gethostname())}
        try:
            sent = super().apply_async(entry, *args, **kwargs)
        except SchedulingError as error:
            self._tell(error.__context__ or error)
            return None
        self._give_a_sign()
        return sent

    def _ensure_connected(self) -> Any:
        """Waits until there is a broker, as Celery's does, which says so with each attempt. Raises what it refuses."""
        connection: Any = self.connection
        return connection.ensure_connection(
            lambda error, _interval: self._tell(error), interval_start=_LOOK_AGAIN_S, interval_step=_LOOK_AGAIN_S,
            interval_max=_PAUSE_MAX_S,
        )  # fmt: skip

    def _tell(self, error: BaseException) -> None:
        remedy = next_step(error, self._settings.broker_url, self._settings.tick_queue)
        self._signs.refused(said(error), remedy)
        if self._reminder.due("ticks.not_sent", remedy):
            _LOG.error("ticks.not_sent", error=said(error), next=f"{remedy}; beat goes on by itself")

    def _waiting(self) -> int:
        """Ticks that nobody has taken yet; 0 when that cannot be told now: sending one says why."""
        queue: Any = self.app.amqp.queues[self._settings.tick_queue]
        producer: Any = self.producer
        connection = producer.connection

        def ask() -> int:
            channel = producer.channel
            if not channel.connection:  # it was given up; `ensure` gets another
                raise RecoverableConnectionError
            count: int = queue(channel).queue_declare().message_count
            return count

        try:
            counted: int = connection.ensure(producer, ask, max_retries=1)()
        except (OperationalError, *connection.connection_errors, *connection.channel_errors):
            return 0
        return counted

    def _look_back(self) -> None:
        """Whether the clock was ahead when beat ran last. It does no harm, but whoever keeps the clock should know."""
        try:
            last = datetime.fromisoformat(self._sign.read_text(encoding="ascii").strip())
            ahead = last - now()
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError) as error:
            _LOG.info("schedule.not_read", file=str(self._sign), error=str(error), next="nothing: it is written anew")
            return
        if ahead >= _JUMP_MIN:
            _LOG.warning(
                "schedule.from_the_future", file=str(self._sign), by_s=round(ahead.total_seconds()),
                next="set the clock of this machine (NTP): it was ahead, or is behind now; ticks are sent all the same",
            )  # fmt: skip

    def _give_a_sign(self) -> None:
        """The broker takes ticks. Also says when the clock has been set meanwhile."""
        self._signs.took()
        offset = now() - steady()
        if abs(jump := offset - self._offset) >= _JUMP_MIN:
            self._offset = offset
            _LOG.warning(
                "clock.jumped", by_s=round(jump.total_seconds(), 1),
                next="see that NTP keeps the clock of this machine; ticks are sent as before",
            )  # fmt: skip
        try:
            _overwrite(self._sign, f"{now().isoformat(timespec='microseconds')}\n".encode("ascii"))
        except OSError as error:
            if self._reminder.due("schedule.not_written", str(error)):
                _LOG.error(
                    "schedule.not_written", file=str(self._sign), error=str(error),
                    next="let --schedule name a file that beat may write; ticks are sent, but no health check sees it",
                )  # fmt: skip


def _overwrite(path: Path, text: bytes) -> None:
    """In one step, so that the file is never without a text of this length: beat may end at any point of it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.write(file, text)
        if os.fstat(file).st_size > len(text):
            os.ftruncate(file, len(text))
    finally:
        os.close(file)
