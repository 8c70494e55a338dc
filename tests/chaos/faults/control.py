"""What an operator, or Flower, tells the workers by remote control."""

from __future__ import annotations

import random
from threading import Event
from time import monotonic
from typing import Any, Final

from celery import Celery

from tests.chaos.faults.fault import CONTROL, Fault
from tests.chaos.site import QUEUES, Site

_REPLY_S: Final = 1.0
_AGAIN_S: Final = 0.5
_OBEYS_S: Final = 60.0
# Without an end kombu waits for a broker that this very thread has killed, and is to start again.
_GIVES_UP: Final = {
    "socket_timeout": 5, "socket_connect_timeout": 5, "max_retries": 1, "interval_start": 0, "interval_max": 0.2,
}  # fmt: skip
_MONEY: Final = ("money-1", "money-2", "money-3")
_ASKED: Final = ("active", "active_queues", "conf", "registered", "report", "reserved", "revoked", "scheduled", "stats")


class _Told(Fault):
    holds = frozenset({CONTROL})
    asks_workers = True
    _told_at = 0.0

    def tell_again(self, command: str, worker: str, **arguments: Any) -> bool:
        """The same, no more often than once in a while; it may not have heard."""
        if monotonic() - self._told_at < _AGAIN_S:
            return False
        said = self.tell(command, worker, **arguments)
        self._told_at = monotonic()
        return said

    def tell(self, command: str, *workers: str, **arguments: Any) -> bool:
        """Whether all of these workers said ok; without any it is told to all, and nobody is waited for."""
        app = Celery(broker=self.site.broker.url, set_as_current=False)
        app.conf.broker_transport_options = _GIVES_UP
        nodes = [f"{worker}@chaos" for worker in workers] or None
        try:
            replies: Any = app.control.broadcast(
                command, arguments=arguments, destination=nodes, reply=nodes is not None, timeout=_REPLY_S,
                limit=len(workers) or None,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the broker is away: nobody was told
            self.site.note(f"{command} was not told: {error!r}")
            return False
        finally:
            app.close()
        said = {node for reply in replies or () for node, answer in reply.items() if "ok" in answer}
        return said >= {*(nodes or ())}


class Canceled(_Told):
    """A worker is told not to consume a queue, then to consume it again."""

    counts = "consumer canceled and added"
    alone = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self._worker = how.choice(_MONEY)
        queues = QUEUES[self._worker]
        self._queues = queues if how.random() < 0.5 else [how.choice(queues)]
        self.what, self.seconds = f"{self._worker} {', '.join(self._queues)}", how.uniform(1, 6)
        self._to_add = [*self._queues]

    def begin(self) -> None:
        for queue in self._queues:
            self.tell("cancel_consumer", self._worker, queue=queue)

    @property
    def lasts(self) -> bool:
        """Until the worker says that it consumes again, which it cannot while it is down or cut off."""
        while self._to_add and self.tell_again("add_consumer", self._worker, queue=self._to_add[-1]):
            self._to_add.pop()
            self._told_at = 0.0
        return bool(self._to_add)

    def end(self) -> None:
        deadline = monotonic() + _OBEYS_S
        while self.lasts and monotonic() < deadline:
            Event().wait(_AGAIN_S)
        if self._to_add:
            self.wrong = f"{self._worker} did not answer add_consumer for {_OBEYS_S:g} s"


class ShutDown(_Told):
    """One worker is told to shut down, and a supervisor starts it again."""

    counts = "shut down by remote control"
    over_at_once = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.child = site.children[how.choice((*_MONEY, "io-1", "io-2"))]
        self.what, self.seconds = self.child.name, how.uniform(0, 2)
        self.holds = frozenset({CONTROL, self.child.name})

    def begin(self) -> None:
        self.child.expect_end()
        self.tell("shutdown", self.child.name)

    @property
    def lasts(self) -> bool:
        if self.child.stopping:
            self.tell_again("shutdown", self.child.name)
        return self.child.stopping

    def end(self) -> None:
        while self.lasts:
            Event().wait(_AGAIN_S)
        self.wrong = self.child.farewell()
        self.child.start()


class Storm(_Told):
    """Pings, questions, limits, sizes and events, to everybody at once; what was set is set back."""

    counts = "remote control storm"

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(1, 3)

    def begin(self) -> None:
        for _ in range(20):
            self.tell("ping")
        for question in self.how.sample(_ASKED, 4):
            self.tell(question)
        for task, rate in (("users.update_balance", "1/m"), ("autotopup.scan", "30/m")):
            self.tell("rate_limit", task_name=task, rate_limit=rate)
            self.tell("time_limit", task_name=task, soft=0.001, hard=0.002)
        self.tell("pool_grow", n=2)
        self.tell("autoscale", min=1, max=2)
        self.tell("disable_events")

    def end(self) -> None:
        for task in ("users.update_balance", "autotopup.scan"):
            self.tell("rate_limit", task_name=task, rate_limit=0)
            self.tell("time_limit", task_name=task, soft=None, hard=None)
        self.tell("pool_shrink", n=2)
        self.tell("enable_events")
