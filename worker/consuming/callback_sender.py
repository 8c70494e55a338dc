"""Follow-ups on their way: straight to the queues that they name, at least once, and held up by nothing for long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from balance_client.publishing.confirmed import NotAccepted
from models.contracts.wire.dead_letter import DeadLetter
from models.domain.letters import FOLLOW_UP_FAILED, FOLLOW_UP_NOT_ALLOWED
from models.domain.retry import Park, RetryPolicy, decide_retry
from tasks.apply.retries import Backoffs
from worker.brokers.publishing import publisher_of
from worker.consuming.breaker import Breaker
from worker.publishers.callbacks import FollowUp
from worker.settings.settings import Settings

_LOG: Final = structlog.get_logger(__name__)
PATIENCE_S: Final = 3.0  # for each answer of the broker: the event loop waits as long

GivenUp = tuple[FollowUp, NotAccepted]


class FollowUps:
    """One worker's way to the queues of its publishers."""

    def __init__(self, settings: Settings, policy: RetryPolicy, random: Callable[[], float]) -> None:
        self._publisher = publisher_of(settings, min(PATIENCE_S, settings.broker_socket_timeout_s))
        self._policy, self._random = policy, random
        self._breaker = Breaker(base_s=30.0)

    def sending(self, follow_ups: Sequence[FollowUp]) -> Backoffs[list[GivenUp]]:
        """The steps of sending them (seconds to wait). Returns those that are given up, each with the reason."""
        # Once given up, the next are tried once: or each batch would wait for what does not come back.
        policy = replace(self._policy, limit=1) if self._breaker.is_open else self._policy
        waiting, given_up, attempt = [*follow_ups], list[GivenUp](), 0
        while failed := self._send(waiting):
            attempt += 1
            again = [each for each in failed if not each[1].lasting]
            given_up += [each for each in failed if each[1].lasting]
            if not again:
                return given_up
            decision = decide_retry(policy, attempt, again[0][1], self._random())
            if isinstance(decision, Park):
                self._breaker.failed()
                return given_up + again
            waiting = [each for each, _ in again]
            _LOG.warning(
                "follow_ups.waiting", count=len(waiting), error=str(again[0][1]), attempt=attempt,
                next="tried again, then parked as dead letters; the jobs themselves are applied",
            )  # fmt: skip
            yield decision.seconds
        self._breaker.succeeded()
        return given_up

    def _send(self, follow_ups: Sequence[FollowUp]) -> list[GivenUp]:
        """One attempt: all at once, then queue by queue, so that one that fails costs the others nothing."""
        try:
            self._publisher.send_once([(each.queue, each.message) for each in follow_ups])
        except NotAccepted as error:
            by_queue = defaultdict[str, list[FollowUp]](list)
            for each in follow_ups:
                by_queue[each.queue].append(each)
            if len(by_queue) == 1:
                return [(each, error) for each in follow_ups]
            return [failed for each in by_queue.values() for failed in self._send(each)]
        return []

    def close(self) -> None:
        self._publisher.close()


def letter_of(follow_up: FollowUp, error: NotAccepted) -> DeadLetter:
    """What could not be sent, as a dead letter. Replayed, it goes to the queue that it names."""
    return _letter(follow_up, FOLLOW_UP_FAILED, f"could not be sent on: {error}")


def not_allowed(follow_up: FollowUp) -> DeadLetter:
    """The same of what its producer may not have sent."""
    wanted = f"{follow_up.task} in {follow_up.queue}"
    return _letter(follow_up, FOLLOW_UP_NOT_ALLOWED, f"its producer's follow_ups in BALANCE_PRODUCERS have no {wanted}")


def _letter(follow_up: FollowUp, reason: str, why: str) -> DeadLetter:
    message = follow_up.message
    return DeadLetter(
        reason=reason,
        error=f"it follows task {message.headers['parent_id']}, which is settled, and {why}",
        task=follow_up.task,
        task_id=follow_up.task_id,
        queue=follow_up.queue,
        headers=message.headers,
        body=message.body,
        properties={
            **message.properties,
            "content_type": message.content_type,
            "content_encoding": message.content_encoding,
        },
        sending=follow_up.task_id,
    )
