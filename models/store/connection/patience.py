"""How long an answer of the database is waited for: never in silence, and never for ever without a reason.

A statement ends by itself, after `statement_timeout`. Three things do not: a commit that waits for a synchronous
standby, a server that is frozen, a network between that swallows everything. So whoever waits looks up now and then:

    after 6 s      the server is asked, by a connection of its own, what it does for us; that is told.
                   When it has no such session the connection is given up: it leads to a server that was left.
    at the limit   the connection is given up, unless the server works on a statement that is younger than that, or
                   waits for a synchronous standby
    told to stop   the connection is given up after 3 s, whatever it waits for

What became of a transaction that is given up is not known; whoever tries again finds its keys answered, or not. It is
never cancelled: to a commit that waits for its standby that would mean to do without (docs/decisions/0017).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from select import select
from time import monotonic
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

import psycopg
from psycopg import errors, waiting
from psycopg.abc import PQGen

FIRST_LOOK_S: Final = 6.0  # longer than a lock is usually waited for
LOOK_EVERY_S: Final = 5.0  # after a failover the next look finds that the session is gone
STOP_AFTER_S: Final = 3.0
_ASKING_S: Final = 2  # the least that psycopg takes for connecting

_STANDBY: Final = "SyncRep"  # pg_stat_activity's name for waiting for a synchronous standby
_WORK: Final = """
    select pg_is_in_recovery(), there.pid is not null, there.state = 'active', there.wait_event_type, there.wait_event,
           coalesce(cast(extract(epoch from clock_timestamp() - there.query_start) as integer), 0)
    from (select) as always left join pg_stat_activity there on there.pid = %s and there.backend_start = %s
"""
T = TypeVar("T")


class Work(NamedTuple):
    """What the server does for a session at this moment."""

    waits_as: str | None  # the type of what it waits for, and its name; None: it computes
    waits_for: str | None
    seconds: int  # since the statement began

    @property
    def for_standby(self) -> bool:
        return self.waits_for == _STANDBY

    def __str__(self) -> str:
        doing = "computes" if self.waits_for is None else f"waits for {self.waits_as}/{self.waits_for}"
        return f"{doing}, for {self.seconds} s"


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer for so long. `work`: None when the server does not say that it does anything for us."""

    seconds: int
    work: Work | None

    @property
    def for_standby(self) -> bool:
        return self.work is not None and self.work.for_standby


@dataclass(frozen=True, slots=True)
class Patience:
    """`limit_s`: what the server needs at most for a statement. `standbys`: whether a commit may wait on and on;
    `works`: whether a statement may, for as long as the server says that it works on it."""

    limit_s: float
    standbys: bool = False
    told_to_stop: Callable[[], bool] = lambda: False
    tell: Callable[[Silence], None] = lambda _: None
    works: bool = False


class Session(NamedTuple):
    """A session of the server's, for as long as there is a server; behind a pooler it is not the one connected to."""

    pid: int
    began: datetime


class PatientConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that bears silence as its patience says."""

    patience = Patience(limit_s=_ASKING_S)
    ask: Callable[[], psycopg.Connection[tuple[Any, ...]]] | None = None  # connects to where this one was made to
    session: Session | None = None
    unconfirmed = False  # a commit of its is here alone, though it was to wait for a synchronous standby

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return waiting.wait(self._watched(gen), self.pgconn.socket, interval, timeout)
        except (KeyboardInterrupt, SystemExit):
            self.pgconn.finish()  # psycopg would cancel
            raise

    def noticed(self, said: errors.Diagnostic) -> None:
        """When somebody ends that wait, the server calls the commit done, and warns. Texts are translated, the names of
        its functions are not."""
        if said.source_function == "SyncRepWaitForLSN":
            self.unconfirmed = True

    def _watched(self, gen: PQGen[T]) -> Generator[Any, Any, T]:
        """Passes on what `gen` waits for. Every interval in which nothing came, it is sent a zero."""
        first_look = min(FIRST_LOOK_S, self.patience.limit_s)
        since, look_at = monotonic(), first_look
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready:
                    look_at = self._bear(monotonic() - since, look_at)
                elif ready & waiting.READY_R:
                    since, look_at = monotonic(), first_look
                wanted = gen.send(ready)
        except StopIteration as over:
            result: T = over.value
            return result

    def _bear(self, silent_s: float, look_at: float) -> float:
        """Returns after how many seconds of silence to look again. Raises OperationalError when it is over."""
        if silent_s >= STOP_AFTER_S and self.patience.told_to_stop():
            self._give_up(f"no answer for {silent_s:.0f} s, and this process is to stop")
        if silent_s < look_at:
            return look_at
        work = self._work(silent_s)
        self.patience.tell(Silence(round(silent_s), work))
        if silent_s >= self.patience.limit_s and not self._worth_waiting(work) and not self._answered():
            self._give_up(f"no answer for {silent_s:.0f} s")
        return silent_s + LOOK_EVERY_S

    def _worth_waiting(self, work: Work | None) -> bool:
        if work is None:
            return False
        if work.for_standby:
            return self.patience.standbys
        return self.patience.works or work.seconds < self.patience.limit_s

    def _answered(self) -> bool:
        """Whether the answer came while the server was asked what it does: then it does nothing for us any more."""
        readable, _, _ = select([self.pgconn.socket], [], [], 0)
        return bool(readable)

    def _work(self, silent_s: float) -> Work | None:
        """None: nobody says. Raises OperationalError when the server that is there now has no such session."""
        if self.ask is None or self.session is None:
            return None
        try:
            with self.ask() as other:
                [(standby, there, active, *work)] = other.execute(_WORK, self.session, prepare=False).fetchall()
        except psycopg.Error:
            return None
        if not there and not standby:
            self._give_up(f"no answer for {silent_s:.0f} s, and the server knows nothing of this connection")
        return Work(*work) if active else None

    def _give_up(self, why: str) -> NoReturn:
        self.pgconn.finish()
        raise errors.TransactionResolutionUnknown(why)


def connect(patience: Patience, *words: Any, **parameters: Any) -> PatientConnection:
    """Connects like psycopg. Raises OperationalError."""

    def ask() -> PatientConnection:
        made = PatientConnection.connect(*words, **{**parameters, "connect_timeout": _ASKING_S}, autocommit=True)
        made.patience = Patience(_ASKING_S, told_to_stop=patience.told_to_stop)
        return made

    made = PatientConnection.connect(*words, **parameters)
    made.patience, made.ask = patience, ask
    made.add_notice_handler(made.noticed)
    return made
