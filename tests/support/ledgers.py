"""One suite, two backends: the worker's path on PostgreSQL, and the worker in memory that services test with.

What tests ask a ledger beyond its jobs, each said for both.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from balance_client.testing import FakeWorker
from balance_client.testing.due import Due
from models.batch.outcome import StoredOutcome
from models.domain.accounts import Account, Kind
from models.domain.credits.grants import Grant
from models.domain.credits.holds import Hold
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Limits
from models.domain.ledger import Entry, hold_changes
from models.store.connection.session import transaction
from models.store.write.top_ups import switches
from tasks.apply.path import apply
from tests.support.resealed import execute_resealed

Ledger = Engine | FakeWorker
Row = dict[str, Any]
_PROFILES = {"users": Kind.USER, "wallets": Kind.WALLET, "apps": Kind.APP}
_NOW = timedelta(0)
_ASKED = """
    (select j.id, j.producer, j.idempotency_key, j.name, j.fingerprint, j.account_id, j.status, j.code,
            coalesce(j.body, b.body) as body, j.outcome, j.settled_at, j.events
     from jobs j left join job_bodies b on b.job_id = j.id) as jobs
"""


def outcomes(ledger: Ledger, jobs: Sequence[Job], limits: Limits) -> list[StoredOutcome]:
    """Of jobs applied in one transaction."""
    if isinstance(ledger, Engine):
        return apply(ledger, jobs, limits)
    ledger.limits = limits
    return ledger.apply(jobs)


def clock(ledger: Ledger) -> datetime:
    if isinstance(ledger, FakeWorker):
        return ledger.now
    with ledger.connect() as connection:
        now: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return now


def kept(ledger: Ledger, table: str, *columns: str) -> list[Row]:
    """The rows of a table, all columns unless some are named."""
    if isinstance(ledger, FakeWorker):
        found = _TABLES[table](ledger) if table in _TABLES else _shown(ledger, _PROFILES[table])
        return [{name: row[name] for name in columns} for row in found] if columns else found
    with ledger.connect() as connection:
        name, _, rest = table.partition(" ")
        chosen = text(f"select {', '.join(columns) or '*'} from {_ASKED if name == 'jobs' else name} {rest}")
        return [dict(row) for row in connection.execute(chosen).mappings()]


def let_time(
    ledger: Ledger, table: str, column: str, *, ago: timedelta = timedelta(0), only: str | None = None
) -> None:
    """Makes a time of grants, holds or policies be so long ago. No test waits for that."""
    if isinstance(ledger, FakeWorker):
        at = ledger.now - ago
        assert _change(ledger, table, lambda row: replace(row, **{column: at}), only)
        return
    where = "" if only is None else " where id = cast(:only as uuid)"
    statement = f"update {table} set {column} = statement_timestamp() - cast(:ago as interval){where}"
    assert execute_resealed(ledger, statement, ago=ago, **({} if only is None else {"only": only}))


def move_back(ledger: Ledger, table: str, by: timedelta, *columns: str, wallet: str | None = None) -> None:
    """Lets time pass for the rows of a table, or for one wallet's: these of its times are moved back."""
    if isinstance(ledger, FakeWorker):

        def earlier(row: Any) -> Any:
            return replace(row, **{name: at and at - by for name in columns for at in [getattr(row, name)]})

        _change(ledger, table, earlier, None if wallet is None else f"wallet:{wallet}")
        return
    changes = ", ".join(f"{name} = {time_before(name, ':by')}" for name in columns)
    where = "" if wallet is None else " where kind = 'wallet' and ref = :wallet"
    named = {} if wallet is None else {"wallet": wallet}
    execute_resealed(ledger, f"update {table} set {changes}{where}", by=by, **named)


def time_before(column: str, by: str) -> str:
    """SQL of a time that is so much before the column's, whatever the session's time zone: a distributed table is not
    updated by what depends on it. `by`: an interval, or the parameter that is one."""
    interval = f"cast({by} as interval)" if by.startswith(":") else f"interval '{by}'"
    return f"({column} at time zone 'UTC' - {interval}) at time zone 'UTC'"


def answered_as(ledger: Ledger, key: str, fingerprint: bytes) -> None:
    """What was answered under this key was so with another fingerprint, as by a version before."""
    if isinstance(ledger, Engine):
        statement = "update jobs set fingerprint = :fingerprint where idempotency_key = :key"
        assert execute_resealed(ledger, statement, fingerprint=fingerprint, key=key) == 1
        return
    [identity] = [each for each in ledger.ledger.answered if each[1] == key]
    ledger.ledger.answered[identity] = replace(ledger.ledger.answered[identity], fingerprint=fingerprint)


def outcome_text(ledger: Ledger, key: str) -> str:
    """As it is kept."""
    if isinstance(ledger, FakeWorker):
        return next(each.outcome for identity, each in ledger.ledger.answered.items() if identity[1] == key)
    [row] = kept(ledger, f"jobs where idempotency_key = '{key}'", "cast(outcome as text)")
    return str(row["outcome"])


def switch_charging(ledger: Ledger, *, on: bool) -> None:
    if isinstance(ledger, FakeWorker):
        ledger.charging_paused = not on
        return
    with transaction(ledger) as connection:
        switches.switch(connection, switches.CHARGING, on=on, by="me", reason=None)


def sweep_in_memory(worker: FakeWorker, limits: Limits, notice: timedelta) -> int:
    """What time has brought, without looks: as tasks/scheduled/expiry.py does it."""
    worker.limits = limits
    due = Due(worker.ledger, limits.expiry_grace, notice)
    return sum(worker._sweep(find) for find in (due.begun, due.run_out, due.written_off, due.soon_over))


def looks_in_memory(worker: FakeWorker) -> None:
    """As tasks/auto_topup/scan.py takes them."""
    if not worker.charging_paused:
        worker._sweep(Due(worker.ledger, _NOW, _NOW).looks)


def entries_in_memory(worker: FakeWorker, account: str | None = None) -> list[Row]:
    return [_entry(each) for each in worker.ledger.entries if account is None or str(each.account) == account]


def events_in_memory(worker: FakeWorker) -> list[tuple[str, Row]]:
    return [(told.type, json.loads(worker._event(told).body)) for told in worker.ledger.told]


def assert_adds_up(worker: FakeWorker) -> None:
    """The little that the audit of the tables says of a ledger in memory: numbers, sums and chains of every account."""
    for key, account in worker.ledger.accounts.items():
        written = [each for each in worker.ledger.entries if each.account == key]
        assert [each.seq for each in written] == [*range(1, account.seq + 1)]
        assert sum(each.amount for each in written) == account.balance
        hashes = [b"", *(each.hash for each in written)]
        assert [each.prev_hash for each in written] == hashes[:-1]
        assert account.head == hashes[-1]
        grants, holds = worker.ledger.grants.get(account.id, {}), worker.ledger.holds.get(account.id, {})
        assert account.granted == sum(grant.remaining for grant in grants.values())
        assert account.held == sum(hold.remaining for hold in holds.values())


def _values(item: Any) -> Row:
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _shown(worker: FakeWorker, kind: Kind) -> list[Row]:
    found = [account for account in worker.ledger.accounts.values() if account.key.kind is kind]
    return [{"account_id": account.id, **_values(account.profile)} for account in found]


def _of_accounts(rows: dict[int, dict[UUID, Grant]] | dict[int, dict[UUID, Hold]]) -> list[Row]:
    return [
        {"account_id": account_id, **_values(each)} for account_id, found in rows.items() for each in found.values()
    ]


def _account(account: Account) -> Row:
    return {**_values(account), "kind": account.key.kind.value, "ref": account.key.ref}


def _jobs(worker: FakeWorker) -> list[Row]:
    return [
        {
            "id": each.job.id, "producer": each.job.producer, "idempotency_key": each.job.key, "name": each.job.name,
            "fingerprint": each.job.fingerprint, "status": each.status.value, "code": each.code.value,
            "body": json.loads(worker.ledger.answered[each.job.producer, each.job.key].body or "null"),
            "outcome": each.outcome, "settled_at": each.settled_at,
        }
        for each in worker.ledger.settled.values()
    ]  # fmt: skip


def _entry(entry: Entry) -> Row:
    details = _values(entry.details)
    at = details.pop("at")
    return {
        **details,
        **{
            name: getattr(entry, name) for name in ("account_id", "seq", "amount", "balance_after", "prev_hash", "hash")
        },
        "created_at": at,
        "draws": [[str(grant_id), units] for grant_id, units in entry.details.draws] or None,
        "paid": [[str(grant_id), units] for grant_id, units in entry.details.paid] or None,
        "holds": hold_changes(entry.details.holds) or None,
    }


_TABLES = {
    "accounts": lambda worker: [_account(each) for each in worker.ledger.accounts.values()],
    "grants": lambda worker: _of_accounts(worker.ledger.grants),
    "holds": lambda worker: _of_accounts(worker.ledger.holds),
    "policies": lambda worker: [_values(each.policy) for each in worker.ledger.accounts.values() if each.policy],
    "charges": lambda worker: [_values(each) for each in worker.ledger.charges.values()],
    "jobs": _jobs,
    "entries": entries_in_memory,
}


def _change(worker: FakeWorker, table: str, change: Callable[[Any], Any], only: str | None = None) -> int:
    """Changes rows behind the ledger's back, all or the one of this name; returns how many."""
    ledger = worker.ledger
    places: list[dict[Any, Any]]
    match table:
        case "policies":
            agreed = {key: account for key, account in ledger.accounts.items() if account.policy is not None}
            ledger.accounts |= {key: replace(each, policy=change(each.policy)) for key, each in agreed.items()}
            return len(agreed)
        case "grants":
            places = [*ledger.grants.values()]
        case "holds":
            places = [*ledger.holds.values()]
        case _:
            places = [ledger.charges if table == "charges" else ledger.accounts]
    found = [(place, name) for place in places for name in place if only is None or str(name) == only]
    for place, name in found:
        place[name] = change(place[name])
    return len(found)
