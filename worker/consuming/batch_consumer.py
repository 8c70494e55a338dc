"""The batch consumer: gathers what is ready, applies it together, and only then answers and acknowledges.

    on_message   a message has come: understood and kept; `flush` is called once the broker's batch is in
    forwarding   jobs of other shards are sent on: worker/consuming/forwarding.py
    flush        everything ready is settled in one transaction; there is no lingering, a lone job goes at once
    _settle      a passing fault makes the batch wait in the event loop, unacknowledged, while the worker stays alive;
                 a job at fault itself is found, retried, and parked as a dead letter
    _answer      results, events, acknowledgements: after the commit, in the order of arrival
    _follow_up   what the publishers want to be sent on; what cannot be is parked, and the job is acknowledged

Jobs wait in memory only while the broker still counts them as ours: when the worker dies, or its connection does, they
are delivered again, and the path finds what was already applied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, Final

import structlog

from models.batch.outcome import Answer, Parked, StoredOutcome
from models.contracts.message import Malformed
from models.contracts.wire.dead_letter import DeadLetter
from models.domain.deciding.commands import Job
from models.store.write.shards.telegram_ids import buckets_of
from tasks.apply.retries import Backoffs, Failed, Undecided
from worker.brokers.rabbitmq.connection import written_together
from worker.consuming.callback_sender import FollowUps, letter_of, not_allowed
from worker.consuming.delivery import Delivery, understand
from worker.consuming.forwarding import Forwarding
from worker.consuming.placement import telegram_ids_named
from worker.consuming.result_writer import ResultWriter
from worker.dead_letters.park import park
from worker.observability.celery_observer import CeleryObserver
from worker.observability.observer import Observer
from worker.observability.watchers import watchers_of
from worker.publishers.callbacks import FollowUp
from worker.runtime import Runtime

_LOG: Final = structlog.get_logger(__name__)


Settled = tuple[Delivery, Answer]


class BatchConsumer:
    """The messages that one consumer holds."""

    def __init__(self, runtime: Runtime, app: Any, consumer: Any) -> None:
        self._runtime, self._app, self._consumer = runtime, app, consumer
        self._applier, self._limit = runtime.applier, runtime.settings.batch_limit
        self._waiting: deque[Delivery] = deque()
        self._work: Backoffs[None] | None = None  # settles the batch in hand, for as long as a fault holds it up
        self._in_hand: Sequence[Delivery] = ()
        self._observer: Observer = watchers_of(runtime, CeleryObserver(consumer), consumer.recent)
        self._results = ResultWriter(app, consumer.timer)
        counting = runtime.counting
        self._forwarding = Forwarding(
            runtime.settings, consumer.timer, self._acknowledge, None if counting is None else counting.forwarded
        )
        self._follow_ups = FollowUps(runtime.settings, self._applier.policy, self._applier.random)
        self.unacknowledged = 0  # settled, and waiting for their follow-ups
        self._told = False  # to flush
        consumer.hub.on_tick.add(self._before_waiting)
        self._paused_until = 0.0  # monotonic seconds: while it is not known whose fault a fault is

    def on_message(self, message: Any) -> None:
        """Keeps a message until the batch is in."""
        delivery = understand(message, self._runtime, self._app, self._consumer)
        if delivery.elsewhere is not None:
            self._forwarding.take(delivery)
            self._look_soon()
            return
        self._observer.received(delivery.request)
        self._waiting.append(delivery)
        self._look_soon()

    def _look_soon(self) -> None:
        if not self._told:
            self._told = True
            self._consumer.hub.call_soon(self.flush)

    def _before_waiting(self) -> None:
        """kombu's loop waits with whatever was asked of it since it last looked what was.

        A message of RabbitMQ that was read in between would wait with it for the next timer: for seconds.
        """
        if self._told:
            self.flush()

    def flush(self) -> None:
        """Settles all that is here, a batch at a time, unless a fault holds up the one in hand."""
        self._told = False
        self._drain()
        self._forwarding.flush()
        while self._waiting and self._work is None and monotonic() >= self._paused_until:
            count = min(len(self._waiting), self._limit)
            self._in_hand = [self._waiting.popleft() for _ in range(count)]
            self._work = self._settle(self._in_hand)
            self._advance()

    def drop(self, channel: Any) -> None:
        """Forgets what this channel delivered and is not in hand yet."""
        self._waiting = deque(each for each in self._waiting if each.message.channel is not channel)
        self._forwarding.drop(channel)

    @property
    def held(self) -> int:
        """Messages that are here and not acknowledged."""
        return len(self._waiting) + len(self._in_hand) + len(self._forwarding) + self.unacknowledged

    def close(self, *, warm: bool) -> None:
        """Settles what is here, when there is time for it; what is left goes back to the broker with the connection."""
        if warm and self._work is None:
            self.flush()
        if self._work is not None:
            _LOG.warning("batch.abandoned", next="its messages are delivered again, here or elsewhere")
            self._work.close()
        self._consumer.hub.on_tick.discard(self._before_waiting)
        self._waiting.clear()
        self._forwarding.close(warm=warm)
        self._follow_ups.close()
        self._results.close()

    def _drain(self) -> None:
        """RabbitMQ hands over a frame at a time: takes what has arrived, so that a batch is not a single job."""
        connection = self._consumer.connection
        if connection.transport.driver_type != "amqp" or not connection.connected:
            return
        try:
            while len(self._waiting) < self._limit:
                connection.drain_events(timeout=0)
        except (TimeoutError, BlockingIOError):
            return  # nothing more is ready
        if self._work is None:
            self._look_soon()  # with TLS the rest may be here already, where no socket tells of it

    def _advance(self) -> None:
        """Goes on with the batch in hand, until it is settled or has to wait."""
        if self._work is None:
            return
        try:
            seconds = next(self._work)
        except StopIteration:
            self._work, self._in_hand = None, ()
        else:
            self._observer.waits([delivery.request for delivery in self._in_hand], seconds)
            self._consumer.timer.call_after(seconds, self._resume)

    def _resume(self) -> None:
        self._advance()
        self.flush()

    def _settle(self, batch: Sequence[Delivery]) -> Backoffs[None]:
        began = monotonic()
        batch = yield from self._of_this_shard(batch)
        if not batch:
            return
        self._observer.started([delivery.request for delivery in batch])
        jobs = [delivery.job for delivery in batch if isinstance(delivery.job, Job)]
        settled = iter((yield from self._applier.applying(jobs)))
        became = [(delivery, None if isinstance(delivery.job, Malformed) else next(settled)) for delivery in batch]
        self._keep_undecided([delivery for delivery, each in became if isinstance(each, Undecided)])
        batch = [delivery for delivery, each in became if not isinstance(each, Undecided)]
        found = [_outcome_or_letter(delivery, each) for delivery, each in became if not isinstance(each, Undecided)]
        parked: Iterator[Parked] = iter(())
        if letters := [each for each in found if isinstance(each, DeadLetter)]:
            parked = iter((yield from self._parking(letters)))
        answers = [next(parked) if isinstance(each, DeadLetter) else each for each in found]
        followed = self._answer([*zip(batch, answers, strict=True)], monotonic() - began)
        yield from self._follow_up(followed)

    def _of_this_shard(self, batch: Sequence[Delivery]) -> Backoffs[Sequence[Delivery]]:
        """What is left once the jobs of users of other shards are sent on, who are named by a telegram id."""
        shard, jobs = self._runtime.settings.shard, [each.job for each in batch if isinstance(each.job, Job)]
        if shard is None or not (named := telegram_ids_named(jobs)):
            return batch
        engine = self._runtime.engine
        buckets = yield from self._applier.persisting(lambda: buckets_of(engine, shard, named), limit=None)
        placed = [each.placed(self._runtime.settings, buckets) for each in batch]
        for each in placed:
            if each.elsewhere is not None:
                self._observer.sent_on(each.request)
                self._forwarding.take(each)
        self._forwarding.flush()
        self._in_hand = [each for each in placed if each.elsewhere is None]
        return self._in_hand

    def _parking(self, letters: Sequence[DeadLetter]) -> Backoffs[list[Parked]]:
        """Until they are kept, whatever the fault: a message that is neither applied nor parked is not let go."""
        return self._applier.persisting(lambda: park(self._runtime.engine, letters, self._observer), limit=None)

    def _keep_undecided(self, deliveries: Sequence[Delivery]) -> None:
        """They come first again after a pause, with what has come in the meantime: neighbours that pass, or do not."""
        if not deliveries:
            return
        self._waiting.extendleft(reversed(deliveries))
        pause_s = self._runtime.settings.retry_cap_s
        self._paused_until = monotonic() + pause_s
        self._consumer.timer.call_after(pause_s, self.flush)

    def _answer(self, settled: Sequence[Settled], seconds: float) -> list[tuple[Delivery, list[FollowUp]]]:
        """Tells who asked, then who watches, and acknowledges. Whatever fails here, redelivery is answered alike.

        Returns those that something is to be sent on for: they are acknowledged after it.
        """
        self._results.store([(delivery.request, answer) for delivery, answer in settled if delivery.answerable])
        self._observer.settled([(delivery.request, answer) for delivery, answer in settled], seconds)
        told = [(delivery, delivery.follow_ups(answer)) for delivery, answer in settled]
        self._acknowledge([delivery for delivery, follow_ups in told if not follow_ups])
        return [each for each in told if each[1]]

    def _follow_up(self, followed: Sequence[tuple[Delivery, list[FollowUp]]]) -> Backoffs[None]:
        """Sends on at least once: who dies before the acknowledgement is answered alike, and sends again."""
        if not followed:
            return
        self._in_hand = ()  # they are settled: what is waited for from here on is no fault of theirs
        self.unacknowledged = len(followed)
        try:
            wanted = [(delivery.sender, each) for delivery, follow_ups in followed for each in follow_ups]
            letters = [not_allowed(each) for sender, each in wanted if not sender.may_send(each)]
            lost = yield from self._follow_ups.sending([each for sender, each in wanted if sender.may_send(each)])
            letters += [letter_of(each, error) for each, error in lost]
            if letters:
                yield from self._parking(letters)
        finally:
            self.unacknowledged = 0
        self._acknowledge([delivery for delivery, _ in followed])

    def _acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        errors = self._consumer.connection_errors
        try:
            with written_together(deliveries[0].message.channel):
                for delivery in deliveries:
                    delivery.message.ack_log_error(_LOG, errors)
        except errors as error:
            _LOG.warning("batch.unacknowledged", error=repr(error), next="its messages come again, and are replayed")


def _outcome_or_letter(delivery: Delivery, became: StoredOutcome | Failed | None) -> StoredOutcome | DeadLetter:
    """What became of a message; None: it holds no job."""
    if isinstance(delivery.job, Malformed):
        return delivery.letter(delivery.job.reason, str(delivery.job))
    assert became is not None
    return delivery.letter("failed", repr(became.error), became.attempts) if isinstance(became, Failed) else became
