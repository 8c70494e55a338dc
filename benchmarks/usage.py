"""What a drain takes: processor time of workers and servers, from /proc (Linux), and write-ahead log."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Engine, text

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_WAL: Final = text("select cast(pg_current_wal_insert_lsn() - '0/0' as bigint)")


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time in microseconds and write-ahead log in bytes: since the system began, or for one job."""

    worker_us: float
    postgresql_us: float
    broker_us: float  # of Valkey; of RabbitMQ nothing is known
    wal_bytes: float

    def for_each(self, jobs: int, before: Usage) -> Self:
        """What a job took since `before`."""
        return type(self)(
            (self.worker_us - before.worker_us) / jobs,
            (self.postgresql_us - before.postgresql_us) / jobs,
            (self.broker_us - before.broker_us) / jobs,
            (self.wal_bytes - before.wal_bytes) / jobs,
        )


@dataclass(frozen=True, slots=True)
class Meter:
    """The processes whose time counts, each with all that it has started."""

    engine: Engine
    workers: Sequence[int]
    postgresql: int
    valkey: int

    def read(self) -> Usage:
        with self.engine.connect() as connection:
            wal = int(connection.execute(_WAL).scalar_one())
        return Usage(processor_us(self.workers), processor_us([self.postgresql]), processor_us([self.valkey]), wal)


def processor_us(roots: Sequence[int]) -> float:
    """Used by these processes, by all below them, and by those that have ended below them."""
    processes = _processes()
    counted = {pid for pid in roots if pid in processes}
    found = counted
    while found:
        found = {pid for pid, process in processes.items() if process.parent in found} - counted
        counted = counted | found
    return sum(processes[pid].ticks for pid in counted) / _TICKS_A_SECOND * 1e6


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    ticks: int  # with those of its children that have ended


def _processes() -> dict[int, _Process]:
    """Every process by its id; none where there is no /proc."""
    found: dict[int, _Process] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            said = file.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while they were gone through
        # After the name, which may hold anything: state, parent, …, utime, stime, cutime, cstime (proc(5): 14 to 17).
        words = said[said.rindex(")") + 1 :].split()
        found[int(file.parent.name)] = _Process(int(words[1]), sum(map(int, words[11:15])))
    return found
