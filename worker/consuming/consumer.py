"""The consumer: whatever arrives and is not a tick of ours goes to the batch consumer, which drops nothing.

What a tick is, and why Celery gets to see nothing else: worker/consuming/admission.py.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, Final

from celery import bootsteps
from celery.worker import state
from celery.worker.consumer.tasks import Tasks

from worker.beat.heard import heard
from worker.brokers.locked_out import LockedOut
from worker.brokers.rabbitmq.unusable_queues import UnusableQueues
from worker.brokers.redis.partitions.leases import Leases
from worker.brokers.redis.pending import unsent
from worker.celery_app import App
from worker.consuming.admission import made_anew, queue_of, tick_of
from worker.consuming.batch_consumer import BatchConsumer
from worker.consuming.patient_consumer import PatientConsumer
from worker.encoding.urls import mask_url
from worker.observability.readiness import ReadinessStep
from worker.observability.recent import Recent
from worker.runtime import stopping

_COLLECT_EVERY: Final = 50_000  # objects made and not dropped yet
_UNTOLD: Final = frozenset({"sentinel_kwargs", "on_garbage"})  # passwords; a function, which is nothing to tell as JSON


class MoneyConsumer(PatientConsumer):
    """Celery's consumer with a batch consumer, one for each connection."""

    hub: Any
    event_dispatcher: Any
    batch_consumer: BatchConsumer | None = None
    leases: Leases  # of partition queues; on Redis alone
    unusable: UnusableQueues  # on RabbitMQ alone
    readiness: ReadinessStep
    _events_wait = False  # to be flushed by the event loop

    def __init__(self, *args: Any, app: App, **kwargs: Any) -> None:
        settings = self._settings = app.runtime.settings
        self.leases = Leases(self, settings.partition_lease_s, settings.batch_limit)
        self.unusable = UnusableQueues(self, settings.broker_url)
        self._locked_out = LockedOut(self, settings.queue)
        self.recent = Recent()
        super().__init__(*args, app=app, **kwargs)

    def update_strategies(self) -> None:
        """Called when the connection is there and nothing is consumed yet."""
        super().update_strategies()
        self.batch_consumer = BatchConsumer(self.app.runtime, self.app, self)
        if not self._settings.money_queues.isdisjoint(self.app.amqp.queues.consume_from):
            # As many as a batch takes may be unacknowledged: more would wait here while another worker is idle.
            self.initial_prefetch_count = self._settings.batch_limit
        # A partition is consumed under a lease, and not before: see there.
        leased = [queue for queue in self.app.amqp.queues.consume_from if self._is_leased(queue)]
        self.leases.serve(leased)
        self.app.amqp.queues.deselect(leased)
        self.unusable.sift()
        self._locked_out.watch()

    def while_waiting(self) -> None:
        super().while_waiting()
        self.readiness.speak_now_and_then()  # the event loop, which does it else, is not there

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        scheduled = super().create_task_handler(*args, **kwargs)

        def on_message(message: Any) -> Any:
            tick = tick_of(message, queue_of(message, self), self._settings.tick_queue)
            if tick is None:
                return self._take(message)
            heard(message.headers)
            return scheduled(made_anew(message, tick))

        return on_message

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A body that could not even be unpacked (compression, encoding) is parked like the rest."""
        self._take(message)

    def add_task_queue(self, queue: Any, *args: Any, **kwargs: Any) -> Any:
        """Told by remote control; `queue` is one of ours."""
        if self._is_leased(queue):
            return self.leases.serve([queue])
        if not self.unusable.usable(queue):
            return None  # consumed once it is mended
        queues = self.app.amqp.queues
        queues.select_add(queues[queue])  # with the next connection too
        return super().add_task_queue(queue, *args, **kwargs)

    def cancel_task_queue(self, queue: Any) -> None:
        """Told by remote control."""
        if self._is_leased(queue):
            self.leases.leave(queue)
        else:
            self.unusable.leave(queue)
            super().cancel_task_queue(queue)

    @property
    def consumed(self) -> set[str]:
        """The queues that are taken from, or whose lease is waited for."""
        ours: Any = self.task_consumer  # type: ignore[attr-defined]  # not in the stubs; None before the connection
        return {*(ours._active_tags if ours else ()), *self.leases.served}

    def forget(self, channel: Any) -> None:
        """What this channel delivered and waits here is not settled: it has been put back."""
        if self.batch_consumer is not None:
            self.batch_consumer.drop(channel)

    @property
    def unacknowledged(self) -> int:
        """Messages that are settled and not acknowledged: their follow-ups, or the broker, are waited for."""
        waiting = 0 if self.batch_consumer is None else self.batch_consumer.unacknowledged
        return waiting + (unsent() if self._settings.broker_kind == "redis" else 0)

    @property
    def held(self) -> int:
        """Money messages that this worker has and has not acknowledged."""
        batches = self.batch_consumer
        return 0 if batches is None else batches.held

    def close_batches(self) -> None:
        batches = self.batch_consumer
        if batches is None:
            return
        try:
            batches.close(warm=stopping() and not state.should_terminate)  # which may read more from the connection
        finally:
            self.batch_consumer = None
        self.leases.stop(release=stopping())

    def on_send_event_buffered(self) -> None:  # type: ignore[override]  # the stubs want a callable
        """From any thread: Celery's adds to a set that the event loop may be going through, and does not wake it."""
        if self.hub and not self._events_wait:
            self._events_wait = True
            self.hub.call_soon(self._flush_events)

    def _flush_events(self) -> None:
        self._events_wait = False  # first: an event that comes now asks again
        if self.event_dispatcher is not None:
            self.event_dispatcher.flush()

    def _is_leased(self, queue: str) -> bool:
        return self._settings.broker_kind == "redis" and queue in self._settings.partition_queues

    def _take(self, message: Any) -> None:
        # While the worker stops RabbitMQ still sends: what comes after its close goes back unacknowledged.
        if self.batch_consumer is not None:
            self.batch_consumer.on_message(message)


class BatchStep(bootsteps.StartStopStep):
    """Closes the batch consumer before the connection goes: what is ready is applied, the rest goes back."""

    requires = (Tasks,)

    def start(self, consumer: MoneyConsumer) -> None:
        """The batch consumer was opened with the strategies, before the first message; leases are claimed now."""
        consumer.leases.start()
        # What has been imported by now stays: no collection needs to look at it again. A batch makes tens of thousands
        # of objects and drops them: they need looking at once, not seventy times.
        gc.freeze()
        gc.set_threshold(_COLLECT_EVERY)

    def info(self, consumer: MoneyConsumer) -> dict[str, Any]:  # type: ignore[override]  # the stubs want None
        """What `inspect stats` tells of the broker: Celery leaves the passwords of other hosts in it."""
        if not consumer.connection:
            return {}
        broker = {name: value for name, value in consumer.connection.info().items() if name != "password"}
        options = {name: value for name, value in broker["transport_options"].items() if name not in _UNTOLD}
        alternates = [mask_url(url) for url in broker["alternates"]]
        return {"broker": {**broker, "alternates": alternates, "transport_options": options}}

    def stop(self, consumer: MoneyConsumer) -> None:
        consumer.close_batches()

    def shutdown(self, consumer: MoneyConsumer) -> None:
        consumer.close_batches()
