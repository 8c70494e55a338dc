"""Celery's consumer, waiting for a broker for as long as it takes: it says what it waits for, and goes on by itself.

Celery tries a broker that refuses again at once, hundreds of times a second, with a traceback each time.
"""

from __future__ import annotations

import contextlib
from threading import Event
from time import monotonic
from typing import Any, Final

import structlog
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.exceptions import OperationalError

from tasks.reminder import Reminder
from worker.brokers.refusals import next_step, said
from worker.celery_app import App
from worker.encoding.urls import mask_url

_LOG: Final = structlog.get_logger(__name__)
_PAUSE_MIN_S: Final = 0.5
_PAUSE_MAX_S: Final = 5.0
_SLICE_S: Final = 0.2  # how soon a waiting worker notices that it was told to stop
_LASTING_S: Final = 5.0  # what fails after that is something new
_DELAYED_DELIVERY: Final = "celery.worker.consumer.delayed_delivery:DelayedDelivery"
_CONTROL: Final = "celery.worker.consumer.control:Control"
_OURS: Final = {_CONTROL: "worker.control.remote_box:RemoteControl"}
_ALONE: Final = {"without_mingle": True, "without_gossip": True}
"""Workers share nothing but the queue and the database; of each other they would believe what anybody sends."""


_stock: Any = Consumer  # its stubs leave out what is built on here


class PatientConsumer(Consumer):
    """Pauses between two attempts, a little longer each time, and has one line for what lasts."""

    class Blueprint(_stock.Blueprint):  # type: ignore[misc]  # Any, see _stock
        # No job has an ETA: its 28 queues, and the right to make them, are not needed.
        default_steps = [  # noqa: RUF012
            _OURS.get(step, step) for step in _stock.Blueprint.default_steps if step != _DELAYED_DELIVERY
        ]

    app: App
    conninfo: Any
    connection_errors: tuple[type[BaseException], ...]
    connection: Any
    waits_for: tuple[str, str] | None = None  # what the broker said last, and the next step

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, **_ALONE})
        self.connection_errors = (*self.connection_errors, OperationalError)
        self._pause_s = 0.0  # before the next attempt
        self._ready_at: float | None = None  # monotonic seconds; None: nothing is consumed
        self._reminder = Reminder()
        self._restart_state = self  # Celery asks it for leave before each attempt but the first

    def step(self) -> None:
        """Waits out the pause. Raises WorkerShutdown when the worker is told to stop meanwhile."""
        never, until = Event(), monotonic() + self._pause_s
        while (left := until - monotonic()) > 0:
            self.while_waiting()
            never.wait(min(left, _SLICE_S))

    def while_waiting(self) -> None:
        """Called every second or more often. Raises WorkerShutdown when the worker is told to stop meanwhile."""
        state.maybe_shutdown()

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once there is one. Raises what a broker says that is there and refuses."""
        connected = conn.ensure_connection(
            lambda error, _interval: self._tell(error), interval_start=_PAUSE_MIN_S, interval_step=_PAUSE_MIN_S,
            interval_max=_PAUSE_MAX_S, callback=self.while_waiting,
        )  # fmt: skip
        self.first_connection_attempt = False
        return connected

    def on_ready(self) -> None:
        """Everything is connected and consumed."""
        super().on_ready()
        self._ready_at, self.waits_for = monotonic(), None
        if self._reminder.due("broker.connected", ""):
            _LOG.info("broker.connected", broker=mask_url(self.conninfo.as_uri()))

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        self._failed(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        self._failed(exc)
        with contextlib.suppress(Exception):  # it is given up, whatever it has to say
            self.connection.collect()

    def _failed(self, error: Exception) -> None:
        worked_s = 0.0 if self._ready_at is None else monotonic() - self._ready_at
        if worked_s >= _LASTING_S:
            self._pause_s, self._reminder = 0.0, Reminder()
        elif worked_s >= _PAUSE_MIN_S:
            self._pause_s = _PAUSE_MIN_S
        else:
            self._pause_s = min(max(_PAUSE_MIN_S, 2 * self._pause_s), _PAUSE_MAX_S)
        self._ready_at = None
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        cause = error.__cause__ if isinstance(error, OperationalError) and error.__cause__ is not None else error
        remedy = next_step(cause, self.app.runtime.settings.broker_url)
        text = said(cause)
        self.waits_for = text, remedy
        if self._reminder.due("broker.waiting", remedy):
            _LOG.error("broker.waiting", error=text, next=remedy)
