"""Accounts and their past, made inside PostgreSQL: a million accounts with ten million entries in a few minutes.

One account of each kind, and one entry, are made by the worker's own path; the rest are copies of their rows under
other names. The past is valid to every constraint and to every query of the path, but its hashes are not those of its
content, its jobs have no answer to replay, and it left no events: see coherence.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from benchmarks.movement import Kind
from models.contracts.message import parse
from models.contracts.replies.outcome import encode
from models.domain.deciding.decision import Limits
from models.domain.evidence.chains import Record, RecordKind, changes
from models.domain.outcome import Status
from models.store.write import accounts
from models.store.write import journals as records
from models.tables.accounts import Account, App, User, Wallet
from models.tables.base import Base
from models.tables.jobs import Job
from models.tables.ledger import Entry
from models.tables.top_ups import Policy
from tasks.apply.path import apply

APP_ID: Final = "bench"
_POLICY: Final = {
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": "100",
    "auto_topup_amount": "1000",
}
_PROFILES: Final[dict[Kind, tuple[type[Base], dict[str, str]]]] = {
    "user": (User, {"user_id": "n"}),
    "wallet": (Wallet, {"due_at": "null"}),
    "app": (App, {"store_id": "cast(n as text)"}),
}
_REFS: Final[dict[Kind, str]] = {"user": "cast(n as text)", "wallet": "'w' || n", "app": f"'{APP_ID}/' || n"}
_CONSTRAINTS: Final = text("""
    select cast(cast(conrelid as regclass) as text) as on_table, conname as name, contype as kind,
           pg_get_constraintdef(oid) as definition
    from pg_constraint
    where contype in ('f', 'p', 'u') and (
        conrelid in (cast('jobs' as regclass), cast('entries' as regclass))
        or confrelid in (cast('jobs' as regclass), cast('entries' as regclass))
    )
    order by contype  -- foreign keys, primary keys, unique: the first hold on to the others
""")
_INDEXES: Final = text("""
    select cast(cast(indexrelid as regclass) as text) as name, pg_get_indexdef(indexrelid) as definition
    from pg_index where indrelid in (cast('jobs' as regclass), cast('entries' as regclass))
""")


def wallet_id(number: int) -> str:
    """The id of a wallet made here."""
    return f"w{number}"


def add_accounts(engine: Engine, kind: Kind, count: int, *, policy: bool = False, recorded: bool = True) -> None:
    """Adds `count` accounts of a kind, numbered from 1, with no entries. `policy`: wallets with an auto top-up.
    `recorded`: with the record that each is to have, for an audit of the whole; that takes a second for 20,000."""
    first = _account_id(engine, _create(engine, kind, 1, policy=policy))
    profile, changes = _PROFILES[kind]
    with _loading(engine) as connection:
        named = {"id": f"{first} + n - 1", "ref": _REFS[kind]}
        _copy(connection, Account, f"id = {first}", named, range(2, count + 1))
        shown = {"account_id": f"{first} + n - 1", **changes}
        _copy(connection, profile, f"account_id = {first}", shown, range(2, count + 1))
        if policy:
            _copy(connection, Policy, f"account_id = {first}", {"account_id": f"{first} + n - 1"}, range(2, count + 1))
        connection.execute(text("update policies set due_at = null"))  # whoever has nothing is due
        connection.execute(text("select setval('accounts_id_seq', (select max(id) from accounts))"))
        if recorded:
            _record(connection)


def add_past(engine: Engine, accounts: int, entries_each: int) -> None:
    """Gives users 1 to `accounts`, who have no entries, a past of `entries_each` deposits. One more user is made."""
    first = _account_id(engine, _create(engine, "user", 1))
    _create(engine, "user", accounts + 1)
    pattern = _apply(engine, "users.update_balance", "pattern", {"user_id": accounts + 1, "amount_kopeks": 100})
    # In the order of time: once through all the users, and again.
    user, seq = f"((n - 1) % {accounts})", f"((n - 1) / {accounts} + 1)"
    owner, job = f"{first} + {user}", "cast(lpad(to_hex(n), 32, '0') as uuid)"
    jobs = {
        "id": job,
        "idempotency_key": "'past-' || n",
        "body": "null",
        "outcome": "cast('{}' as json)",
    }
    entries = {
        "account_id": owner,
        "seq": seq,
        "balance_after": f"p.amount * {seq}",
        "job_id": job,
        "prev_hash": f"case {seq} when 1 then cast('' as bytea) else {_hash(user, f'{seq} - 1')} end",
        "hash": _hash(user, seq),
    }
    past = range(1, accounts * entries_each + 1)
    shown = (
        f"update accounts set seq = {entries_each}, balance = 100 * {entries_each}, "  # noqa: S608 - numbers of ours
        f"head = {_hash(f'(id - {first})', str(entries_each))} where id between {first} and {first + accounts - 1}"
    )
    with _loading(engine) as connection, _without_indexes(connection):
        _copy(connection, Job, f"id = '{pattern}'", jobs, past)
        _copy(connection, Entry, f"job_id = '{pattern}'", entries, past)
        connection.execute(text(shown))


def _record(connection: Connection) -> None:
    """The terms of the copies, as they are now, are those that they were made with."""
    known = {change.account_id for change in records.stream_changes(connection)}
    made = [
        Record(RecordKind.OPENING, encode(changes(None, account, None)), account_id=account.id, number=1, after=0)
        for _, account in accounts.every(connection)
        if account is not None and account.id not in known
    ]
    records.append(connection, records.take(connection), made)


def tidy(engine: Engine) -> None:
    """Vacuums and analyses, as a database that has grown over the years has long been."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum (analyze)"))


def _create(engine: Engine, kind: Kind, number: int, *, policy: bool = False) -> UUID:
    arguments: dict[Kind, tuple[str, dict[str, Any]]] = {
        "user": ("users.upsert", {"user_id": number}),
        "wallet": ("wallets.create", {"wallet_id": wallet_id(number), **(_POLICY if policy else {})}),
        "app": ("apps.upsert", {"app_id": APP_ID, "store_id": str(number)}),
    }
    name, fields = arguments[kind]
    return _apply(engine, name, f"{kind} {number}", fields)


def _apply(engine: Engine, name: str, key: str, fields: Mapping[str, Any]) -> UUID:
    [outcome] = apply(engine, [parse(name, {"idempotency_key": key, **fields})], Limits())
    if outcome.status is not Status.APPLIED:
        raise ValueError(f"{name}: {outcome.json()}")
    return outcome.job_id


def _account_id(engine: Engine, job_id: UUID) -> int:
    with engine.connect() as connection:
        found = connection.execute(text("select account_id from jobs where id = :id"), {"id": job_id})
        return int(found.scalar_one())


def _copy(connection: Connection, table: type[Base], pattern: str, changes: Mapping[str, str], numbers: range) -> None:
    """Inserts a copy of the row `pattern` for each number `n`; `changes` are SQL expressions over p (the row) and n."""
    columns = [column.name for column in table.__table__.columns]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(changes.get(column, f'p."{column}"') for column in columns)
    connection.execute(
        text(
            f"insert into {table.__tablename__} ({names}) select {values} "  # noqa: S608 - names come from our tables
            f"from generate_series({numbers.start}, {numbers.stop - 1}) as n, "
            f"(select * from {table.__tablename__} where {pattern}) as p"
        )
    )


@contextmanager
def _loading(engine: Engine) -> Iterator[Connection]:
    """A transaction that need not survive a crash and looks up no foreign key: the rows refer to each other rightly."""
    with engine.begin() as connection:
        for setting in (
            "statement_timeout = 0",
            "synchronous_commit = off",
            "session_replication_role = replica",
            "maintenance_work_mem = '512MB'",
        ):
            connection.execute(text(f"set local {setting}"))
        yield connection


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    """Takes the indexes of jobs and entries away and makes them again at the end: many times as fast for many rows."""
    constraints = list(connection.execute(_CONSTRAINTS))
    for constraint in constraints:
        connection.execute(text(f'alter table {constraint.on_table} drop constraint "{constraint.name}"'))
    indexes = list(connection.execute(_INDEXES))
    for index in indexes:
        connection.execute(text(f"drop index {index.name}"))
    yield
    for constraint in reversed(constraints):
        # Foreign keys hold for what is added from now on; the rows that are there need no second look.
        valid = " not valid" if constraint.kind == "f" else ""
        definition = f'"{constraint.name}" {constraint.definition}{valid}'
        connection.execute(text(f"alter table {constraint.on_table} add constraint {definition}"))
    for index in indexes:
        connection.execute(text(index.definition))


def _hash(user: str, seq: str) -> str:
    return f"sha256(convert_to({user} || '/' || {seq}, 'UTF8'))"
