"""Webhooks are delivered: queues that are due are claimed, sent outside any transaction, and what came of it is noted.

At least once, in the order of each account: a queue has one request under way at most, and its next delivery waits for
the one before, as long as that one is tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from models.domain.retry import backoff_s
from models.domain.webhooks.endpoints import DeliveryStatus, DisabledFor, Endpoint
from models.domain.webhooks.secrets import SecretKeys
from models.store.connection.session import transaction
from models.store.write.events import deliveries, endpoints
from models.store.write.events.deliveries import Attempt, Claimed, Sent
from models.store.write.events.endpoints import Breaker, Failing
from tasks.apply.retries import RetryingApplier
from tasks.events.disabling import disable_job
from tasks.events.sender import Fate, Receipt, WebhookRequest, WebhookSender
from tasks.reminder import Reminder

_LOG: Final = structlog.get_logger(__name__)
_GATHERED_S: Final = 0.02  # receipts that come so shortly after another are noted with it
_LOOK_S: Final = 0.1  # for what has come due, while somebody is slow
_SHARE: Final = 4  # one endpoint has a quarter of what is under way at the most


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How webhooks are sent."""

    concurrency: int = 16  # queues at a time
    ahead: int = 5  # deliveries of a queue that one claim sends
    claim_s: float = 70.0  # longer than that takes
    base_s: float = 5.0  # before a delivery is sent again; it doubles
    cap_s: float = 3_600.0
    give_up_s: float = 86_400.0  # after its first attempt
    disable_after_s: float = 432_000.0  # of failures without a success
    breaker: Breaker = field(default_factory=Breaker)


def _nobody(_attempts: Sequence[DeliveryStatus]) -> None:
    """Nobody counts them."""


@dataclass(slots=True)
class Deliverer:
    """Of one thread. `keys`: what secrets are made from. `attempted`: told what became of each attempt."""

    applier: RetryingApplier
    sender: WebhookSender
    keys: SecretKeys
    random: Callable[[], float]
    policy: DeliveryPolicy = DeliveryPolicy()
    stopping: Callable[[], bool] = lambda: False  # no more is claimed then
    attempted: Callable[[Sequence[DeliveryStatus]], None] = _nobody
    _under_way: dict[Future[list[Receipt]], Claimed] = field(default_factory=dict)
    _reminder: Reminder = field(default_factory=Reminder)

    def run(self) -> int:
        """Sends what is due, as long as there is something; returns how many deliveries have ended."""
        ended = 0
        while self._fill() or self._under_way:
            finished, _ = wait(self._under_way, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            if finished and len(self._under_way) > len(finished):
                finished, _ = wait(self._under_way, timeout=_GATHERED_S)
            if finished:
                ended += self._conclude([(self._under_way.pop(each), each.result()) for each in finished])
        return ended

    def _fill(self) -> int:
        """Claims for what is free, and sends; returns how many queues it claimed."""
        busy = Counter(claimed.endpoint.id for claimed in self._under_way.values())
        free, share = self.policy.concurrency - len(self._under_way), max(1, self.policy.concurrency // _SHARE)
        if free <= 0 or self.stopping():
            return 0
        claimed = self.applier.persist(partial(self._claim, free, share, busy))
        for one in claimed:
            self._under_way[self.sender.submit(self._requests(one))] = one
        return len(claimed)

    def _claim(self, most: int, each: int, busy: Mapping[UUID, int]) -> list[Claimed]:
        policy = self.policy
        with transaction(self.applier.engine) as connection:
            return deliveries.claim(
                connection, most=most, each=each, ahead=policy.ahead, busy=busy, claim_s=policy.claim_s,
                broken=policy.breaker.failures,
            )  # fmt: skip

    def _requests(self, claimed: Claimed) -> list[WebhookRequest]:
        endpoint = claimed.endpoint
        if claimed.untold is not None and not claimed.waiting:
            self._tell_untold(claimed, claimed.untold)
        keys = self.keys.of(endpoint, claimed.at)
        if not keys:
            self._tell_keyless(endpoint)
            return []
        messages = [each.message for each in claimed.waiting]
        return [WebhookRequest(endpoint.url, each.id, each.body, keys, each.traceparent) for each in messages]

    def _conclude(self, finished: Sequence[tuple[Claimed, list[Receipt]]]) -> int:
        sent = [self._sent(claimed, receipts) for claimed, receipts in finished]
        failing = self.applier.persist(partial(self._note, sent, finished))
        gone = {
            claimed.endpoint.id: claimed.endpoint
            for claimed, receipts in finished
            if any(receipt.fate is Fate.GONE for receipt in receipts)
        }
        tired = {each.id for each in failing if each.seconds >= self.policy.disable_after_s}
        self._disable(gone.values(), DisabledFor.GONE)
        lasting = {claimed.endpoint.id: claimed.endpoint for claimed, _ in finished if claimed.endpoint.id in tired}
        self._disable(lasting.values(), DisabledFor.FAILING)
        self._tell(finished, failing)
        self.attempted([attempt.status for each in sent for attempt in each.attempts])
        return sum(attempt.status is not DeliveryStatus.WAITING for each in sent for attempt in each.attempts)

    def _sent(self, claimed: Claimed, receipts: Sequence[Receipt]) -> Sent:
        """What the receipts mean: to each delivery, and to when the queue's next one is due."""
        attempts, pause_s = [], 0.0
        for delivery, receipt in zip(claimed.waiting, receipts, strict=False):
            status = DeliveryStatus.DELIVERED
            if receipt.fate is not Fate.DELIVERED:
                status = DeliveryStatus.WAITING
                since = delivery.first_at or claimed.at
                pause_s = self._pause_s(delivery.attempts + 1, receipt)
                if claimed.at - since >= timedelta(seconds=self.policy.give_up_s):
                    status, pause_s = DeliveryStatus.EXHAUSTED, 0.0
            attempts.append(Attempt(delivery.id, status, receipt.code, receipt.answer))
        if not receipts and (claimed.waiting or claimed.untold):
            pause_s = self._pause_s(1, None)  # nothing was sent
        return Sent(claimed, tuple(attempts), pause_s)

    def _pause_s(self, attempt: int, receipt: Receipt | None) -> float:
        policy = self.policy
        spread = backoff_s(attempt, policy.base_s, policy.cap_s) * (0.5 + self.random() / 2)
        return max(spread, min((receipt and receipt.retry_after_s) or 0.0, policy.give_up_s))

    def _note(self, sent: Sequence[Sent], finished: Sequence[tuple[Claimed, list[Receipt]]]) -> list[Failing]:
        """Writes it down, whose endpoints go well and whose do not. Returns those that have failed."""
        well, failures = set[UUID](), Counter[UUID]()
        for claimed, receipts in finished:
            for receipt in receipts:
                if receipt.fate is Fate.DELIVERED:
                    well.add(claimed.endpoint.id)
                else:
                    failures[claimed.endpoint.id] += 1
        with transaction(self.applier.engine) as connection:
            deliveries.settle(connection, sent)
            if well:
                endpoints.succeeded(connection, well)
            failed = {name: count for name, count in failures.items() if name not in well}
            return endpoints.failed(connection, failed, self.policy.breaker) if failed else []

    def _disable(self, which: Iterable[Endpoint], reason: DisabledFor) -> None:
        jobs = [disable_job(endpoint, reason) for endpoint in which]
        if not jobs:
            return
        self.applier.apply(jobs)
        for endpoint, _ in zip(which, jobs, strict=True):
            _LOG.error(
                "webhook.disabled", endpoint=str(endpoint.id), name=endpoint.name, reason=reason.value,
                next=f"see that it takes events, then: balance-worker webhooks enable {endpoint.id}; what waits is"
                " kept",
            )  # fmt: skip

    def _tell(self, finished: Sequence[tuple[Claimed, list[Receipt]]], failing: Sequence[Failing]) -> None:
        broken = {each.id for each in failing if each.failures >= self.policy.breaker.failures}
        for claimed, receipts in finished:
            endpoint = claimed.endpoint
            if endpoint.id in broken and receipts and self._reminder.due(f"webhook.failing {endpoint.id}", ""):
                _LOG.warning(
                    "webhook.failing", endpoint=str(endpoint.id), name=endpoint.name, code=receipts[-1].code,
                    next="nothing while it passes: deliveries wait in their order; see that the receiver answers 2xx",
                )  # fmt: skip

    def _tell_untold(self, claimed: Claimed, error: Exception) -> None:
        if self._reminder.due(f"webhook.event_fault {claimed.queue}", repr(error)):
            _LOG.error(
                "webhook.event_fault", endpoint=str(claimed.endpoint.id), queue=claimed.queue, exc_info=error,
                next="mend what the error says, or upgrade this I/O worker when the event is of a newer one's job: the"
                " events of this account wait for this endpoint, in their order; the others are sent",
            )  # fmt: skip

    def _tell_keyless(self, endpoint: Endpoint) -> None:
        if self._reminder.due(f"webhook.no_key {endpoint.id}", ""):
            _LOG.error(
                "webhook.no_key", endpoint=str(endpoint.id), name=endpoint.name,
                next="give the I/O workers the key that its secret was made from, as BALANCE_WEBHOOK_KEY or"
                " BALANCE_WEBHOOK_KEY_FORMER; or give it another secret: balance-worker webhooks rotate-secret"
                f" {endpoint.id}",
            )  # fmt: skip
