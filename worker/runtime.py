"""What a worker process holds: its settings, its engine, and how it waits."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, Final

from celery.worker import state
from sqlalchemy import Engine

from models.domain.deciding.decision import Limits
from models.domain.retry import RetryPolicy
from models.domain.webhooks.secrets import SecretKeys
from tasks.apply.faults import FaultLog, FaultObserver
from tasks.apply.retries import Interrupted, RetryingApplier
from tasks.auto_topup.charging import Asker, AskPolicy
from tasks.events.delivering import Deliverer, DeliveryPolicy
from tasks.events.relay import Relay
from worker.currencies import currency_digits
from worker.database import worker_engine
from worker.event_stream.registry import event_stream_of
from worker.metrics.counting import Counting
from worker.providers.registry import providers_of
from worker.publishers.limits import Intake
from worker.publishers.producers import producers_in
from worker.relaying.service import EventService
from worker.settings.settings import Settings
from worker.tracing.registry import tracer_of
from worker.webhooks.registry import keys_of, sender_of

if TYPE_CHECKING:
    from worker.tracing.tracer import Tracer

_CLAIM_MORE_S: Final = 2  # for the settlement; a provider may be asked several things for one charge
_SLICE_S: Final = 0.2  # how soon a waiting worker notices that it was told to stop


class Runtime:
    """One for each process, handed to whoever needs it. Its parts are made when first used: beat needs no database."""

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings

    @cached_property
    def engine(self) -> Engine:
        return worker_engine(self.settings, stopping)

    @cached_property
    def intake(self) -> Intake:
        given = self.settings.producers
        if given is None:
            return Intake(self.settings.max_message_bytes)
        return Intake(
            self.settings.max_message_bytes, producers_in(given.get_secret_value(), self.settings.signature_max_age_s)
        )

    @cached_property
    def tracer(self) -> Tracer | None:
        """Of this process; None where nothing is traced."""
        return tracer_of(self.settings, "balance-worker")

    @cached_property
    def faults(self) -> FaultLog:
        return FaultLog()

    @cached_property
    def counting(self) -> Counting | None:
        """What this process counts; None where nobody could look at it."""
        settings = self.settings
        if not settings.metrics_port:
            return None
        producers = self.intake.producers
        return Counting(self.faults, None if producers is None else producers.by_name)

    @property
    def _faults_seen(self) -> FaultObserver:
        return self.faults if self.counting is None else self.counting.work

    @cached_property
    def asker(self) -> Asker:
        settings = self.settings
        policy = AskPolicy(
            concurrency=settings.charge_concurrency,
            claim_s=int(5 * settings.charge_timeout_s) + _CLAIM_MORE_S,
            base_s=settings.charge_retry_base_s,
            cap_s=settings.charge_retry_cap_s,
            give_up_s=settings.charge_give_up_s,
        )
        return Asker(self.applier, providers_of(settings), policy, stopping)

    @cached_property
    def secret_keys(self) -> SecretKeys:
        return keys_of(self.settings)

    def event_service(self) -> EventService:
        """Made anew: it has connections of its own, and is stopped with the worker that started it."""
        settings = self.settings
        engine = worker_engine(settings, stopping)
        applier = replace(self.applier, engine=engine)
        stream, sender = event_stream_of(settings, self.tracer), sender_of(settings, self.tracer)
        policy = DeliveryPolicy(
            concurrency=settings.webhook_concurrency,
            claim_s=DeliveryPolicy().ahead * settings.webhook_timeout_s + _CLAIM_MORE_S,
            base_s=settings.webhook_retry_base_s,
            cap_s=settings.webhook_retry_cap_s,
            give_up_s=settings.webhook_give_up_s,
            disable_after_s=settings.webhook_disable_after_s,
        )

        def close() -> None:
            sender.close()
            if stream is not None:
                stream.close()

        relay = Relay(applier, stream, retry_cap_s=settings.event_retry_cap_s)
        deliverer = Deliverer(applier, sender, self.secret_keys, random.random, policy, stopping)
        if self.counting is not None:
            deliverer.attempted = self.counting.work.attempted
        return EventService(relay, deliverer, close)

    @cached_property
    def applier(self) -> RetryingApplier:
        settings = self.settings
        return RetryingApplier(
            engine=self.engine,
            limits=limits_of(settings),
            policy=RetryPolicy(settings.retry_base_s, settings.retry_cap_s, settings.retry_limit),
            wait=wait_unless_stopped,
            random=random.random,
            faults=self._faults_seen,
        )


def limits_of(settings: Settings) -> Limits:
    """The rules that an operator sets, as decisions take them."""
    known = None if settings.producers is None else producers_in(settings.producers.get_secret_value()).by_name
    return Limits(
        max_amount_kopeks=settings.max_amount_kopeks,
        future_tolerance=timedelta(seconds=settings.future_tolerance_s),
        expiry_grace=timedelta(seconds=settings.expiry_grace_s),
        top_up_cooldown=timedelta(seconds=settings.topup_cooldown_s),
        decline_backoff=timedelta(seconds=settings.charge_decline_backoff_s),
        charging=settings.charging,
        currency_digits=currency_digits(),
        webhook_key=keys_of(settings).newest,
        reversers=None if known is None else {name: producer.reverses for name, producer in known.items()},
        shard=settings.shard,
    )


def wait_unless_stopped(seconds: float) -> None:
    """Waits out a pause. Raises Interrupted when the worker is told to stop meanwhile: the next tick goes on."""
    never, left = Event(), seconds
    while left > 0:
        if stopping():
            raise Interrupted
        never.wait(min(left, _SLICE_S))
        left -= _SLICE_S
    if stopping():
        raise Interrupted


def stopping() -> bool:
    """Whether this worker has been told to stop, warmly or at once."""
    flags: tuple[int | bool | None, ...] = (state.should_stop, state.should_terminate)
    # None and False mean no; 0 is an exit code, and means yes.
    return any(flag is not None and flag is not False for flag in flags)
