"""The relay: events leave the outbox for the stream of the broker and for the queues of webhooks, in their order.

At least once: who dies between the broker's word and the commit publishes again, under the same ids. While the broker
does not take events, those that webhooks want go on to them, and wait for the stream in a backlog of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import structlog
from sqlalchemy import Connection

from models.domain.errors import TransientFault
from models.domain.retry import backoff_s
from models.store.connection.session import transaction
from models.store.write.events import lanes
from models.store.write.events.lanes import Lanes, Place, Taken
from tasks.apply.retries import RetryingApplier
from tasks.events.stream import EventStream, StreamDown
from tasks.reminder import Reminder

_LOG: Final = structlog.get_logger(__name__)
_SHARE: Final = lanes.COUNT // 2  # of the lanes at a time: another relay finds as many
_FAULT_S: Final = 30.0  # for which a lane is left alone that cannot be relayed
_PAUSE_S: Final = 1.0  # before a broker is asked again that has not taken events; it doubles


@dataclass(slots=True)
class Relay:
    """One thread's. `stream`: None when events go to webhooks alone. `most`: events a transaction."""

    applier: RetryingApplier
    stream: EventStream | None
    most: int = 500
    retry_cap_s: float = 30.0
    clock: Callable[[], float] = monotonic
    _failures: int = 0  # of the broker, in a row
    _again_at: float = 0.0  # by `clock`: until then the broker is left alone
    _careful_until: float = 0.0  # by `clock`: one lane at a time, to find the one that is at fault
    _left_alone: dict[int, float] = field(default_factory=dict)  # lanes, until when by `clock`
    _in_hand: Lanes | None = None
    _reminder: Reminder = field(default_factory=Reminder)

    def run(self) -> int:
        """Relays a batch of every lane that has one, and returns how many events it was. 0: nothing can be done now."""
        total = 0
        for _ in range(lanes.COUNT):
            relayed = self.applier.persist(self._turn)
            total += relayed
            if not relayed:
                break
        return total

    def _turn(self) -> int:
        try:
            with transaction(self.applier.engine) as connection:
                return self._relay(connection)
        except StreamDown as error:
            self._down(error)
        except TransientFault:
            raise
        except Exception as error:
            if self._in_hand is None:
                raise
            self._isolate(self._in_hand, error)
        return 0

    def _relay(self, connection: Connection) -> int:
        now, self._in_hand = self.clock(), None
        streaming = self.stream is not None and now >= self._again_at
        self._left_alone = {number: until for number, until in self._left_alone.items() if now < until}
        share = 1 if now < self._careful_until else _SHARE
        taken = self._in_hand = lanes.claim(connection, share, backlog=streaming, others=self._left_alone)
        if taken is None:
            return 0
        if self.stream is None:
            return self._to_webhooks(connection, taken, put_off=False)
        if not streaming:
            return self._to_webhooks(connection, taken, put_off=True) if taken.listening else 0
        if missed := lanes.backlog(connection, taken, self.most):
            return self._catch_up(connection, taken, missed)
        events = lanes.take(connection, taken, self.most)
        self._publish(events)
        self._leave(connection, [event.place for event in events])
        return len(events)

    def _catch_up(self, connection: Connection, taken: Lanes, missed: Sequence[Taken]) -> int:
        """What the stream has missed comes first; webhooks do not wait for that."""
        self._publish(missed)
        lanes.caught_up(connection, [event.place for event in missed])
        if taken.listening:
            self._to_webhooks(connection, taken, put_off=True)
        return len(missed)

    def _to_webhooks(self, connection: Connection, taken: Lanes, *, put_off: bool) -> int:
        places = lanes.places(connection, taken, self.most)
        if put_off:
            lanes.put_off(connection, places)
        self._leave(connection, places)
        return len(places)

    def _leave(self, connection: Connection, places: Sequence[Place]) -> None:
        lanes.fan_out(connection, places)
        lanes.gone(connection, places)

    def _publish(self, events: Sequence[Taken]) -> None:
        assert self.stream is not None
        self.stream.publish([event.message for event in events])
        if self._failures:
            self._failures = 0
            _LOG.info("events.stream_back")

    def _down(self, error: StreamDown) -> None:
        self._failures += 1
        pause_s = backoff_s(self._failures, _PAUSE_S, self.retry_cap_s)
        self._again_at = self.clock() + pause_s
        if self._reminder.due("events.stream_down", str(error)):
            _LOG.warning(
                "events.stream_down", error=str(error), again_in_s=pause_s,
                next="nothing while it passes: events wait in the database, in their order; see that the broker takes"
                " them",
            )  # fmt: skip

    def _isolate(self, taken: Lanes, error: Exception) -> None:
        """An event that cannot be told holds up its lane, and no other."""
        if len(taken.numbers) > 1:
            self._careful_until = self.clock() + _FAULT_S
            return
        [lane] = taken.numbers
        self._left_alone[lane] = self.clock() + _FAULT_S
        if self._reminder.due(f"events.lane_fault {lane}", repr(error)):
            _LOG.exception(
                "events.lane_fault", lane=lane,
                next="mend what the error says: the events of this lane wait, in their order, and leave by themselves",
            )  # fmt: skip
