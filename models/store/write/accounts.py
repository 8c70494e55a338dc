"""Accounts: locked in one order by all, read with their profiles after the lock, written once a batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.domain.accounts import Account, AccountKey, Kind, Profile
from models.domain.charging.policies import Policy
from models.domain.credits.grants import Grant
from models.domain.credits.holds import Hold
from models.store.connection.arrays import Array, texts
from models.store.write import grants, holds, profiles, rows
from models.store.write.top_ups import policies
from models.tables import accounts as tables

_KINDS: Final = {kind.value: kind for kind in Kind}  # looked up for each row: a call of Kind takes three times as long
# Sorted ids: two transactions that want the same accounts queue up for the first one instead of deadlocking.
COLUMNS: Final = (
    "id, kind, ref, unit, scale, balance, seq, floor, head, set_at, created_at, updated_at, granted, held, changes,"
    " has_policy, low_at"
)
_OF_A: Final = ", ".join(f"a.{name}" for name in COLUMNS.split(", "))
_WANTED: Final = """
    join unnest(cast(:kinds as text[]), cast(:refs as text[])) as wanted (kind, ref)
      on a.kind = wanted.kind and a.ref = wanted.ref
"""
_LOCK: Final = text(f"""
    select {COLUMNS}
    from accounts
    where id = any(array(
        select a.id from accounts a {_WANTED}
        union
        select u.account_id from users u where u.telegram_id = any(cast(:telegram_ids as bigint[]))
        union
        select unnest(cast(:ids as bigint[]))
    ))
    order by id
    for update
""")  # noqa: S608 - our own column list
_LOCK_FREE: Final = text(f"select {_OF_A} from accounts a {_WANTED} order by a.id for update of a skip locked")  # noqa: S608 - as above
_THERE: Final = text(f"select a.kind, a.ref from accounts a {_WANTED}")  # noqa: S608 - as above
_EVERY: Final = text(f"select {COLUMNS} from accounts where id between :first and :last order by id limit :rows")  # noqa: S608 - as above
_NEXT_IDS: Final = text("select nextval('accounts_id_seq') from generate_series(1, cast(:count as integer))")


Locked = Row[Any]
"""The row of an account that this transaction has locked."""


def lock(
    connection: Connection, keys: Iterable[AccountKey], telegram_ids: Iterable[int] = (), ids: Iterable[int] = ()
) -> Sequence[Locked]:
    """Locks the accounts there are, and returns their rows as they are once locked."""
    parameters = {"telegram_ids": sorted(set(telegram_ids)), "ids": sorted(set(ids))}
    return connection.execute(_LOCK, {**_named(set(keys)), **parameters}).all()


def lock_uncontended(connection: Connection, keys: Iterable[AccountKey]) -> tuple[list[Locked], set[AccountKey]]:
    """Locks those of the accounts that nobody else has locked, and names the others. Never waits."""
    wanted = set(keys)
    locked = [*connection.execute(_LOCK_FREE, _named(wanted)).all()]
    if len(locked) == len(wanted):
        return locked, set()
    # Who is not among them is held, or is not there at all.
    missing = wanted.difference(AccountKey(_KINDS[row.kind], row.ref) for row in locked)
    return locked, {AccountKey(_KINDS[row.kind], row.ref) for row in connection.execute(_THERE, _named(missing))}


def _named(keys: Iterable[AccountKey]) -> dict[str, Array]:
    wanted = [*keys]
    return {"kinds": texts(key.kind for key in wanted), "refs": texts(key.ref for key in wanted)}


def read(
    connection: Connection, locked: Sequence[Locked], grant_ids: Iterable[UUID] = (), hold_ids: Iterable[UUID] = ()
) -> list[Account]:
    """The accounts of locked rows, with their profiles, and the grants and holds of those that have some.

    All of it is only changed under the lock, so it is read after it. Grants and holds that are named by their ids are
    read even if nothing is left of them.
    """
    shown = profiles.load(connection, {row.id: _KINDS[row.kind] for row in locked})
    holding = [row for row in locked if row.granted or row.held]  # few, and most of the time none
    granted_ids, named = [row.id for row in holding], list(grant_ids)
    granted = grants.load(connection, granted_ids, named) if granted_ids or named else {}
    held_ids, named = [row.id for row in holding if row.held], list(hold_ids)
    held = holds.load(connection, held_ids, named) if held_ids or named else {}
    agreed = _policies(connection, locked)
    if not granted and not held:
        return [_account(row, shown[row.id], policy=agreed.get(row.id)) for row in locked]
    return [
        _account(row, shown[row.id], tuple(granted.get(row.id, ())), tuple(held.get(row.id, ())), agreed.get(row.id))
        for row in locked
    ]


def _policies(connection: Connection, locked: Sequence[Locked]) -> dict[int, Policy]:
    ids = [row.id for row in locked if row.has_policy]  # most have none
    return policies.load(connection, ids) if ids else {}


def every(
    connection: Connection, first: int = rows.LOWEST, last: int = rows.HIGHEST
) -> Iterator[tuple[Locked, Account | None]]:
    """The accounts with ids from `first` to `last`, in their order, without grants and holds, beside their rows; None
    when what one shows is gone."""
    while page := connection.execute(_EVERY, {"first": first, "last": last, "rows": rows.STREAMED["yield_per"]}).all():
        shown = profiles.load(connection, {row.id: _KINDS[row.kind] for row in page})
        agreed = _policies(connection, page)
        for row in page:
            yield row, _account(row, shown[row.id], policy=agreed.get(row.id)) if row.id in shown else None
        first = page[-1].id + 1


def next_ids(connection: Connection, count: int) -> list[int]:
    """Ids for accounts about to be created."""
    return list(connection.execute(_NEXT_IDS, {"count": count}).scalars()) if count else []


Heads = Mapping[int, bytes]
"""Hashes of last entries that this transaction writes, by account id."""


def create(connection: Connection, accounts: Sequence[Account], heads: Heads) -> None:
    """Inserts accounts, in one order for all. The same account created elsewhere at once raises KeyRace."""
    if not accounts:
        return
    ordered = sorted(accounts, key=lambda account: str(account.key))
    rows.insert(
        connection,
        tables.Account,
        {
            "kind": [account.key.kind for account in ordered],
            "ref": [account.key.ref for account in ordered],
            "unit": [account.unit for account in ordered],
            "scale": [account.scale for account in ordered],
            "created_at": [account.created_at for account in ordered],
            **_movable(ordered, heads),
        },
    )


def save(connection: Connection, accounts: Sequence[Account], heads: Heads) -> None:
    """Writes what jobs change on locked accounts."""
    if accounts:
        rows.update(connection, tables.Account, "id", _movable(accounts, heads))


def _movable(accounts: Sequence[Account], heads: Heads) -> rows.Columns:
    return {
        "id": [account.id for account in accounts],
        "balance": [account.balance for account in accounts],
        "seq": [account.seq for account in accounts],
        "floor": [account.floor for account in accounts],
        "head": [heads.get(account.id, account.head) for account in accounts],
        "set_at": [account.set_at for account in accounts],
        "updated_at": [account.updated_at for account in accounts],
        "granted": [account.granted for account in accounts],
        "held": [account.held for account in accounts],
        "changes": [account.changes for account in accounts],
        "has_policy": [account.policy is not None for account in accounts],
        "low_at": [account.low_at for account in accounts],
    }


def _account(
    row: Locked,
    profile: Profile,
    granted: tuple[Grant, ...] = (),
    held: tuple[Hold, ...] = (),
    policy: Policy | None = None,
) -> Account:
    # By place: it is made for every account of every batch, and a row looks each of its names up.
    values: Sequence[Any] = row
    account_id, kind, ref, unit, scale, balance, seq = values[:7]
    floor, head, set_at, created_at, updated_at, left, reserved, changes, _, low_at = values[7:17]
    return Account(
        account_id, AccountKey(_KINDS[kind], ref), unit, scale, balance, seq, floor, bytes(head), set_at, created_at,
        updated_at, profile, granted, held, left, reserved, changes, policy, None if low_at is None else tuple(low_at),
    )  # fmt: skip
