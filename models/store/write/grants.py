"""Grants: the open ones of an account, and those that the sweep has to expire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.domain.accounts import AccountKey, Kind
from models.domain.credits.grants import Grant
from models.store.write import rows
from models.tables import ledger as tables

_FIELDS: Final = [field.name for field in fields(Grant)]
_COLUMNS: Final = ", ".join(_FIELDS)
_FIXED: Final = frozenset({"account_id", "amount", "priority", "expires_at", "created_at", "effective_at"})
_LOAD: Final = text(f"""
    select account_id, {_COLUMNS} from grants
    where account_id = any(cast(:account_ids as bigint[])) and (remaining > 0 or held > 0)
    union
    select account_id, {_COLUMNS} from grants
    where id = any(cast(:ids as uuid[]))
""")  # noqa: S608 - our own column list
_OF_ACCOUNT: Final = text(f"""
    select {_COLUMNS} from grants where account_id = :account_id order by created_at, id
""")  # noqa: S608 - as above
_EVERY: Final = text(f"""
    select a.id, a.kind, a.ref, {", ".join(f"g.{name}" for name in _FIELDS)}
    from grants g join accounts a on a.id = g.account_id
    where g.account_id >= :first and mod(mod(g.account_id >> :bits, :count) + :count, :count) = :number
    order by a.id, g.created_at, g.id
""")  # noqa: S608 - as above
_EXPIRED: Final = text("""
    select g.id, a.kind, a.ref, a.seq from grants g join accounts a on a.id = g.account_id
    where g.remaining > 0 and coalesce(g.voided_at, g.expires_at) <= clock_timestamp() - cast(:grace as interval)
    order by coalesce(g.voided_at, g.expires_at) limit :limit
""")
_BEGUN: Final = text("""
    select g.id, a.kind, a.ref, a.seq from grants g join accounts a on a.id = g.account_id
    where g.pending and g.effective_at <= clock_timestamp()
    order by g.effective_at limit :limit
""")
_EXPIRING: Final = text("""
    select g.id, a.kind, a.ref, a.seq from grants g join accounts a on a.id = g.account_id
    where g.remaining > 0 and g.expires_at is not null and not g.warned and g.voided_at is null
      and g.expires_at > clock_timestamp() and g.expires_at <= clock_timestamp() + cast(:notice as interval)
    order by g.expires_at limit :limit
""")
Found = tuple[AccountKey, UUID, int]
"""An account, what was found there, and the number of the account's last entry then."""


def load(connection: Connection, account_ids: Iterable[int], ids: Iterable[UUID] = ()) -> dict[int, list[Grant]]:
    """The open grants of these accounts, and the grants named by id, open or not; by account id."""
    found: dict[int, list[Grant]] = {}
    parameters = {"account_ids": list(account_ids), "ids": list(ids)}
    for account_id, *values in connection.execute(_LOAD, parameters).all():
        found.setdefault(account_id, []).append(Grant(*values))
    return found


def of_account(connection: Connection, account_id: int) -> list[Grant]:
    """Every grant that there ever was in an account, the oldest first."""
    return [Grant(*row) for row in connection.execute(_OF_ACCOUNT, {"account_id": account_id}).all()]


def every(connection: Connection, among: rows.Among = rows.ALL) -> Iterator[tuple[int, AccountKey, Grant]]:
    """Every grant that there ever was, by account: (account id, account, grant)."""
    for account_id, kind, ref, *values in connection.execute(
        _EVERY, rows.values(among, rows.AMONG), execution_options=rows.STREAMED
    ):
        yield account_id, AccountKey(Kind(kind), ref), Grant(*values)


def expired(connection: Connection, limit: int, grace: timedelta) -> list[Found]:
    """Up to `limit` grants whose time has been over for so long and that still hold credits, the first ones first."""
    return [_found(row) for row in connection.execute(_EXPIRED, {"limit": limit, "grace": grace})]


def begun(connection: Connection, limit: int) -> list[Found]:
    """Up to `limit` grants that count from now on and that nobody has looked at since."""
    return [_found(row) for row in connection.execute(_BEGUN, {"limit": limit})]


def expiring(connection: Connection, limit: int, notice: timedelta) -> list[Found]:
    """Up to `limit` grants that will expire within this time and of which nobody was told, the first ones first."""
    return [_found(row) for row in connection.execute(_EXPIRING, {"limit": limit, "notice": notice})]


def save(connection: Connection, changed: Sequence[tuple[int, Grant]]) -> None:
    """Writes grants, new or drawn on: (account id, grant)."""
    rows.upsert(
        connection,
        tables.Grant,
        "id",
        rows.by_column([{"account_id": account_id, **rows.values(grant, _FIELDS)} for account_id, grant in changed]),
        _FIXED,
    )


def _found(row: Row[Any]) -> Found:
    return AccountKey(Kind(row.kind), row.ref), row.id, row.seq
