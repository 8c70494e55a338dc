"""Jobs of other shards: sent on to the queues of their partitions, and acknowledged when the broker there has them.

    take     one has come; it waits here, unacknowledged, and nothing else waits for it
    flush    all that wait are published as they came, in the order in which they came; what is not taken stays

Who dies between the two is sent the job again, and sends it on again: its key makes that one job.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

import structlog

from balance_client.publishing.confirmed import NotAccepted
from models.domain.retry import backoff_s
from tasks.reminder import Reminder
from worker.brokers.publishing import publisher_of
from worker.consuming.callback_sender import PATIENCE_S
from worker.consuming.delivery import Delivery
from worker.consuming.placement import hops_of
from worker.dead_letters.message import sent_on
from worker.settings.settings import Settings

_LOG: Final = structlog.get_logger(__name__)
_BASE_S: Final = 0.2
_CAP_S: Final = 30.0  # each attempt may hold the event loop for as long as a broker is silent


class Forwarding:
    """Of one consumer. `acknowledge`: called with jobs that have arrived. `sent`: told how many went where."""

    def __init__(
        self,
        settings: Settings,
        timer: Any,
        acknowledge: Callable[[Sequence[Delivery]], None],
        sent: Callable[[Counter[str]], None] | None = None,
    ) -> None:
        self._settings, self._timer = settings, timer
        self._acknowledge, self._sent = acknowledge, sent
        # Nearly always no job ever comes this way: nothing is connected before one does.
        self._publisher = publisher_of(settings, min(PATIENCE_S, settings.broker_socket_timeout_s))
        self._waiting: deque[Delivery] = deque()
        self._attempts, self._paused_until = 0, 0.0  # of the last failures in a row; monotonic seconds
        self._reminder, self._unsaid = Reminder(), Counter[str]()

    def take(self, delivery: Delivery) -> None:
        """Keeps it until the next flush."""
        self._waiting.append(delivery)

    def __len__(self) -> int:
        return len(self._waiting)

    def flush(self) -> None:
        """Publishes what waits, unless it has just failed."""
        if not self._waiting or monotonic() < self._paused_until:
            return
        batch, error = [*self._waiting], None
        left: list[Delivery] = []
        try:
            self._publisher.send_once([self._addressed(each) for each in batch])
        except NotAccepted as refusal:
            error, refused = refusal, refusal.refused
            left = [each for place, each in enumerate(batch) if refused is None or place in refused]
        self._waiting = deque(left)
        kept = {id(each) for each in left}
        gone = [each for each in batch if id(each) not in kept]
        self._acknowledge(gone)
        self._tell(gone)
        self._wait(error)

    def drop(self, channel: Any) -> None:
        """Forgets what this channel delivered: it has been put back."""
        self._waiting = deque(each for each in self._waiting if each.message.channel is not channel)

    def close(self, *, warm: bool) -> None:
        """Sends on what is here, when there is time; what is left goes back to the broker with the connection."""
        if warm:
            self.flush()
        self._waiting.clear()
        self._publisher.close()

    @staticmethod
    def _addressed(delivery: Delivery) -> tuple[str, Any]:
        assert delivery.elsewhere is not None
        message = delivery.message
        headers = message.headers if isinstance(message.headers, dict) else {}
        return delivery.elsewhere, sent_on(message, hops_of(headers) + 1)

    def _wait(self, error: NotAccepted | None) -> None:
        if error is None:
            self._attempts, self._paused_until = 0, 0.0
            return
        self._attempts += 1
        pause_s = backoff_s(self._attempts, _BASE_S, _CAP_S)
        self._paused_until = monotonic() + pause_s
        self._timer.call_after(pause_s, self.flush)
        if self._reminder.due("jobs.not_forwarded", str(error)):
            _LOG.error(
                "jobs.not_forwarded", jobs=len(self._waiting), error=str(error),
                next="see that the broker of these partitions takes jobs (BALANCE_BROKERS); they are held, "
                "unacknowledged, and tried again: what is of this shard goes on beside them",
            )  # fmt: skip

    def _tell(self, gone: list[Delivery]) -> None:
        """Once a minute: who publishes should know the partitions, and this is how somebody learns that they do not."""
        if not gone:
            return
        counts = Counter(str(each.elsewhere) for each in gone)
        self._unsaid.update(counts)
        if self._sent is not None:
            self._sent(counts)
        if self._reminder.due("jobs.forwarded", ""):
            _LOG.info(
                "jobs.forwarded", jobs=self._unsaid.total(), queues=dict(self._unsaid),
                next="nothing: their own shard applies them; publishers that are told BALANCE_PARTITIONS save the way",
            )  # fmt: skip
            self._unsaid.clear()
