"""Wallets whose auto top-up policy is to be looked at."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind

_DUE: Final = text("""
    select a.kind, a.ref, w.crossing from wallets w join accounts a on a.id = w.account_id
    where w.due_at <= clock_timestamp()
    order by w.due_at limit :limit
""")


def due(connection: Connection, limit: int) -> list[tuple[AccountKey, int]]:
    """Up to `limit` wallets that are to be looked at, each with the look's number; those that wait longest first."""
    found = connection.execute(_DUE, {"limit": limit})
    return [(AccountKey(Kind(row.kind), row.ref), row.crossing) for row in found]
