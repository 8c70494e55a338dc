"""An account's entries, each with the job that wrote it: of a period, in order, streamed whatever their number; or the
latest, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping, text

from models.domain.ledger import Entry
from models.store.read.finance.moments import Stood, stood
from models.store.read.page import Page
from models.store.write import entries, rows

_STATED: Final = f"""
    select {entries.COLUMNS}, j.producer, j.idempotency_key, j.name
    from entries e join accounts a on a.id = e.account_id join jobs j on j.id = e.job_id
    where e.account_id = :account_id and {{numbers}}
"""  # noqa: S608 - our own column list
_PERIOD: Final = text(_STATED.format(numbers="e.seq > :opening and e.seq <= :closing order by e.seq"))
_LATEST: Final = text(_STATED.format(numbers="e.seq < :before order by e.seq desc limit :limit"))


@dataclass(frozen=True, slots=True)
class Period:
    """From a time up to another one, which is no part of it: where the account stood at both."""

    since: datetime
    until: datetime
    opening: Stood
    closing: Stood

    @property
    def entries(self) -> int:
        return self.closing.seq - self.opening.seq


@dataclass(frozen=True, slots=True)
class StatedEntry:
    """An entry and who asked for it."""

    entry: Entry
    producer: str
    idempotency_key: str
    job_name: str


def period(connection: Connection, account_id: int, since: datetime, until: datetime) -> Period:
    """The account between two times."""
    return Period(since, until, stood(connection, account_id, since), stood(connection, account_id, until))


def stated(connection: Connection, account_id: int, of: Period) -> Iterator[StatedEntry]:
    """Every entry of the period, listed or not."""
    numbers = {"account_id": account_id, "opening": of.opening.seq, "closing": of.closing.seq}
    for row in connection.execute(_PERIOD, numbers, execution_options=rows.STREAMED).mappings():
        yield _stated(row)


def latest(connection: Connection, account_id: int, limit: int, before: int) -> Page[StatedEntry]:
    """Up to `limit` entries of an account, the newest first, from before entry number `before`."""
    given = {"account_id": account_id, "limit": limit, "before": before}
    found = [_stated(row) for row in connection.execute(_LATEST, given).mappings()]
    return Page(tuple(found), more=bool(found) and found[-1].entry.seq > 1)  # they are numbered without a gap


def _stated(row: RowMapping) -> StatedEntry:
    return StatedEntry(entries.from_row(dict(row)), row["producer"], row["idempotency_key"], row["name"])
