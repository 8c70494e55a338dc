"""Every account between two times: where it opened, what went in and out, where it closed. Streamed, an account a row.

Where an account stood is found by halving its entries, and only those of the period are added up: an account that
nobody touched costs no look at any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.store.read.finance.moments import BALANCE_AT, LAST_BEFORE
from models.store.write import rows

_REPORT: Final = f"""
    select a.kind, a.ref, a.unit, a.scale, w.currency,
           ({BALANCE_AT.format(seq="o.seq")}) as opening, m.credits, m.debits, c.seq - o.seq as entries,
           ({BALANCE_AT.format(seq="c.seq")}) as closing
    from accounts a
    left join wallets w on w.account_id = a.id
    cross join lateral ({LAST_BEFORE.format(at="since")}) as o
    cross join lateral ({LAST_BEFORE.format(at="until")}) as c
    cross join lateral (
        select coalesce(sum(e.amount) filter (where e.amount > 0), 0) as credits,
               coalesce(sum(e.amount) filter (where e.amount < 0), 0) as debits
        from entries e where e.account_id = a.id and e.seq > o.seq and e.seq <= c.seq
    ) as m
    where a.created_at < :until {{kind}}
    order by a.kind, a.ref
"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class AccountPeriod:
    """One account of a report, in units: opening + credits + debits = closing."""

    account: AccountKey
    unit: str
    currency: str | None  # of a wallet
    scale: int
    opening: int
    credits: int
    debits: int  # negative
    entries: int
    closing: int


def report(
    connection: Connection, since: datetime, until: datetime, kind: Kind | None = None
) -> Iterator[AccountPeriod]:
    """Every account that was there before `until`, in the order of their names."""
    statement = text(_REPORT.format(kind="" if kind is None else "and a.kind = :kind"))
    times: dict[str, Any] = {"since": since, "until": until} | ({} if kind is None else {"kind": kind.value})
    for row in connection.execute(statement, times, execution_options=rows.STREAMED):
        yield AccountPeriod(
            AccountKey(Kind(row.kind), row.ref),
            row.unit,
            row.currency,
            row.scale,
            int(row.opening),
            int(row.credits),
            int(row.debits),
            int(row.entries),
            int(row.closing),
        )
