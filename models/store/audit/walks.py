"""The ranges in which a ledger is verified: by account, by record of the journals, by job.

Each kind of thing has whole numbers as keys, that of a record being its journal's and its own. Stretches of equal
length belong to the parts of a verification in turn; where they are is known without the ledger, so that parts that
look at it at different times leave nothing out. Within a stretch a range has so many rows as are read at once. The
ranges of a part touch each other: what is of no account, or of one that is gone, is in one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.evidence.progress import ACCOUNTS, JOBS, JOURNALS, Part
from models.domain.value import value

ACCOUNT_BITS: Final = 13  # a stretch is of so many ids,
RECORD_BITS: Final = 13  # of so many records of one journal,
JOB_BITS: Final = 104  # and of all jobs of 2**24 ms: ids begin with their time
_LOWEST: Final = -(2**63)
_JOURNAL: Final = 64  # bits of a key for the number within the journal
_JOURNAL_LOWEST: Final = 2**15  # SMALLINT


@value(frozen=True, slots=True)
class Range:
    """Keys from `first` to `last`, both included. `rows`: how many accounts, records or jobs have one."""

    first: int
    last: int
    rows: int


Parameters = Mapping[str, Any]


@value(frozen=True, slots=True)
class Walk:
    """The way through all keys of a kind, 0 or _LOWEST to `last`."""

    first: int
    last: int
    bits: int  # of a stretch
    at_once: int  # rows of a range
    border: str  # query: the key of row number :rows from :first to :last, or of the last there is, and its number
    least: str  # query: the least key from :first on of anything that a range is about
    bound: Callable[[int, str], Parameters]  # a key as parameters, their names beginning with what is given
    key: Callable[[Any], int]  # of a row of the queries

    def next(self, connection: Connection, at: int | None, part: Part) -> Range | None:
        """The next range of a part from the key `at` on; None: there is no more."""
        first, last = self.first if at is None else at, self.last
        if part.count > 1:
            found = self._of(connection, first, part)
            if found is None:
                return None
            first, last = found
        if first > last:
            return None
        given = {**self.bound(first, "first"), **self.bound(last, "last"), "rows": self.at_once}
        row = connection.execute(text(self.border), given).one_or_none()
        rows = 0 if row is None else row.number
        return Range(first, self.key(row) if rows == self.at_once else last, rows)

    def _of(self, connection: Connection, first: int, part: Part) -> tuple[int, int] | None:
        """From where to where the next stretch goes that is of this part and has something."""
        while first <= self.last:
            row = connection.execute(text(self.least), self.bound(first, "first")).one_or_none()
            if row is None or row.id is None:
                return None
            stretch = self.key(row) >> self.bits
            if part.has(stretch):
                return max(first, stretch << self.bits), min(self.last, ((stretch + 1) << self.bits) - 1)
            first = part.next(stretch) << self.bits
        return None


def _number(key: int, name: str) -> Parameters:
    return {name: key}


def _job(key: int, name: str) -> Parameters:
    return {name: UUID(int=key)}


def _record(key: int, name: str) -> Parameters:
    return {f"{name}_journal": (key >> _JOURNAL) - _JOURNAL_LOWEST, f"{name}_seq": (key & 2**_JOURNAL - 1) - 2**63}


WALKS: Final[Mapping[str, Walk]] = {
    ACCOUNTS: Walk(
        _LOWEST, 2**63 - 1, ACCOUNT_BITS, 20_000,
        """
        select id, number from (
            select id, row_number() over (order by id) as number from accounts where id between :first and :last
            order by id limit :rows
        ) as found order by number desc limit 1
        """,
        """
        select least(
            (select min(id) from accounts where id >= :first),
            (select min(account_id) from entries where account_id >= :first),
            (select min(account_id) from records where account_id >= :first and number is not null),
            (select min(account_id) from charges where account_id >= :first)) as id
        """,
        _number, lambda row: int(row.id),
    ),
    JOURNALS: Walk(
        0, (2 * _JOURNAL_LOWEST << _JOURNAL) - 1, RECORD_BITS, 50_000,
        """
        select journal, seq, number from (
            select journal, seq, row_number() over (order by journal, seq) as number from records
            where (journal, seq) >= (:first_journal, :first_seq) and (journal, seq) <= (:last_journal, :last_seq)
            order by journal, seq limit :rows
        ) as found order by number desc limit 1
        """,
        """
        select journal as id, journal, seq from records where (journal, seq) >= (:first_journal, :first_seq)
        order by journal, seq limit 1
        """,
        _record, lambda row: row.journal + _JOURNAL_LOWEST << _JOURNAL | row.seq + 2**63,
    ),
    JOBS: Walk(
        0, 2**128 - 1, JOB_BITS, 50_000,
        """
        select id, number from (
            select id, row_number() over (order by id) as number from jobs where id between :first and :last
            order by id limit :rows
        ) as found order by number desc limit 1
        """,
        "select id from jobs where id >= :first order by id limit 1",
        _job, lambda row: row.id.int,
    ),
}  # fmt: skip


def bounds(step: str, found: Range) -> Parameters:
    """The parameters of a query about a range, first and last."""
    walk = WALKS[step]
    return {**walk.bound(found.first, "first"), **walk.bound(found.last, "last")}
