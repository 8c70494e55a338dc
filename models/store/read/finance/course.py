"""The course of an account's balance between two times: every entry of few, and of many a look at moments of equal
distance, so that drawing it costs the same whatever their number is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from models.store.read.finance.moments import BALANCE_AT, HALVED
from models.store.read.finance.statements import Period, period

# The limit changes nothing but the plan: no statistics say how few entries of this account these are.
_ENTRIES: Final = text("""
    select created_at, balance_after from entries
    where account_id = :account_id and seq > :opening and seq <= :closing order by seq limit :points
""")
_MOMENTS: Final = text(f"""
    select look.at, ({BALANCE_AT.format(seq="s.seq")}) as balance
    from accounts a
    cross join unnest(cast(:moments as timestamptz[])) as look (at)
    cross join lateral ({HALVED.format(low=":opening", high=":closing", at="look.at")} offset 0) as s (seq)
    where a.id = :account_id order by look.at
""")  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class Course:
    """Where the balance stood from each of these times on, in units, and how many entries the period has."""

    of: Period
    points: tuple[tuple[datetime, int], ...]
    whole: bool  # every entry is a point; otherwise the balance may have been anything between two of them


def course(connection: Connection, account_id: int, since: datetime, until: datetime, points: int) -> Course:
    """The balance from `since` to `until`, in so many points at the most, beside those of the two ends."""
    of = period(connection, account_id, since, until)
    given = {"account_id": account_id, "opening": of.opening.seq, "closing": of.closing.seq}
    if whole := of.entries <= points:
        found = connection.execute(_ENTRIES, given | {"points": points})
    else:
        found = connection.execute(_MOMENTS, given | {"moments": _moments(since, until, points)})
    ends = ((since, of.opening.balance), (until, of.closing.balance))
    return Course(of, (ends[0], *((row[0], row[1]) for row in found), ends[1]), whole)


def _moments(since: datetime, until: datetime, count: int) -> Sequence[datetime]:
    step = (until - since) / (count + 1)
    return [since + step * number for number in range(1, count + 1)]
