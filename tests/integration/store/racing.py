"""Threads that apply jobs at once, each on an engine of its own, as worker processes do."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from models.domain.deciding.commands import Job
from models.domain.errors import KeyRace, TransientFault
from models.store.connection.session import make_engine
from tasks.apply.path import apply
from tests.support.builders import LIMITS, Document

ATTEMPTS_MAX = 100
DEADLINE_S = 30.0


@dataclass
class Race:
    """What came of it: answers by thread, in the order of its jobs, and the faults met on the way."""

    answers: list[list[Document]] = field(default_factory=list)
    faults: list[TransientFault] = field(default_factory=list)

    @property
    def codes(self) -> list[str]:
        return sorted(answer["code"] for answers in self.answers for answer in answers)

    @property
    def replays(self) -> int:
        return sum(answer["replayed"] for answers in self.answers for answer in answers)

    @property
    def deadlocks(self) -> list[TransientFault]:
        return [fault for fault in self.faults if not isinstance(fault, KeyRace)]


def race(url: str, batches: Sequence[Sequence[Sequence[Job]]]) -> Race:
    """Runs a thread for each item of `batches`; it applies its batches in turn, each again until it is settled."""
    result, barrier = Race(), threading.Barrier(len(batches))

    def run(mine: Sequence[Sequence[Job]]) -> list[Document]:
        with engine_of_its_own(url) as engine:
            engine.connect().close()
            barrier.wait(DEADLINE_S)
            return [document for jobs in mine for document in _settled(engine, jobs, result.faults)]

    with ThreadPoolExecutor(len(batches)) as pool:
        result.answers = list(pool.map(run, batches, timeout=DEADLINE_S))
    return result


def _settled(engine: Engine, jobs: Sequence[Job], faults: list[TransientFault]) -> list[Document]:
    for _ in range(ATTEMPTS_MAX):
        try:
            return [outcome.document() for outcome in apply(engine, jobs, LIMITS)]
        except TransientFault as fault:
            faults.append(fault)
    raise AssertionError(f"not settled after {ATTEMPTS_MAX} attempts: {faults[-1]}")


@contextmanager
def engine_of_its_own(url: str, lock_timeout_ms: int = 5_000) -> Iterator[Engine]:
    engine = make_engine(url, lock_timeout_ms=lock_timeout_ms)
    try:
        yield engine
    finally:
        engine.dispose()


def wait_until_blocked(engine: Engine) -> None:
    """Returns when a session of this database waits for a lock; fails when none does in time."""
    question = text("""
        select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()
    """)
    deadline, pause = DEADLINE_S, threading.Event()
    while deadline > 0:
        with engine.connect() as connection:
            if connection.execute(question).scalar_one():
                return
        pause.wait(0.01)
        deadline -= 0.01
    raise AssertionError("no session came to wait for a lock")
