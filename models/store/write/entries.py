"""Ledger entries: added, read, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.domain.credits.holds import HoldChange, HoldPart, HoldVerb
from models.domain.deciding.decision import Original
from models.domain.ledger import Entry, EntryDetails, EntryKind, hold_changes
from models.domain.value import value
from models.store.write import digests, rows
from models.tables import ledger as tables

COLUMNS: Final = """e.account_id, a.kind as account_kind, a.ref, e.seq, e.amount, e.balance_after, e.kind, e.reason,
    e.description, e.job_id, e.grant_id, e.draws, e.reverses, e.paid, e.holds, e.part, e.metadata, e.listed,
    e.prev_hash, e.hash, e.created_at"""
_OF_JOBS: Final = text(f"""
    select {COLUMNS}, j.name, j.producer
    from entries e join accounts a on a.id = e.account_id join jobs j on j.id = e.job_id
    where e.job_id = any(cast(:job_ids as uuid[]))
    order by e.job_id, e.part
""")  # noqa: S608 - our own column list
_STREAM: Final = f"""
    select {COLUMNS} from entries e join accounts a on a.id = e.account_id {{where}} order by e.account_id, e.seq
"""  # noqa: S608 - as above
_WRITTEN: Final = text(f"""
    select {COLUMNS}, j.name as job_name, {digests.OLDER} as older,
           {digests.JOB} as digest
    from entries e left join accounts a on a.id = e.account_id left join jobs j on j.id = e.job_id
    where e.account_id between :first and :last
    order by e.account_id, e.seq
""")  # noqa: S608 - as above
# The limit changes nothing but the plan: how many entries an account has up to a number is not in any statistics.
_MADE: Final = text("""
    select kind, grant_id, job_id from (
        select * from entries where account_id = :account_id and seq <= :up_to order by seq limit :up_to
    ) as e where kind = 'credit' and grant_id is not null or kind = 'hold'
""")
_REVERSED: Final = text("""
    select e.account_id, e.reverses, cast(abs(sum(e.amount)) as bigint) as units from entries e
    join unnest(cast(:ids as bigint[]), cast(:seqs as bigint[])) as wanted (account_id, seq)
      on e.account_id = wanted.account_id and e.reverses = wanted.seq
    group by e.account_id, e.reverses
""")


def of_jobs(connection: Connection, job_ids: Iterable[UUID]) -> dict[UUID, Original]:
    """These jobs with the entries that they wrote, those that wrote some. They never change: no lock is needed."""
    found: dict[UUID, Original] = {}
    for row in connection.execute(_OF_JOBS, {"job_ids": list(job_ids)}).mappings():
        before = found[row["job_id"]].entries if row["job_id"] in found else ()
        found[row["job_id"]] = Original(row["name"], row["producer"], (*before, from_row(dict(row))))
    return found


def reversed_of(connection: Connection, entries: Iterable[Entry]) -> dict[tuple[int, int], int]:
    """Units of those entries that have been taken back, by (account id, seq); read under the accounts' locks."""
    wanted = list(entries)
    found = connection.execute(
        _REVERSED, {"ids": [entry.account_id for entry in wanted], "seqs": [entry.seq for entry in wanted]}
    )
    return {(row.account_id, row.reverses): row.units for row in found}


def stream(connection: Connection, account_id: int | None = None, up_to: int | None = None) -> Iterator[Entry]:
    """The entries of an account, or of all, in their order, a thousand at a time. `up_to`: the number of the last."""
    given = {"account_id": account_id, "seq": up_to}
    parameters = {name: number for name, number in given.items() if number is not None}
    conditions = {"account_id": "e.account_id = :account_id", "seq": "e.seq <= :seq"}
    where = " and ".join(conditions[name] for name in parameters)
    statement = text(_STREAM.format(where=where and f"where {where}"))
    for row in connection.execute(statement, parameters, execution_options=rows.STREAMED).mappings():
        yield from_row(dict(row))


def made(connection: Connection, account_id: int, up_to: int) -> tuple[list[UUID], list[UUID]]:
    """Ids of the grants and of the holds that an account's entries up to number `up_to` made."""
    found = connection.execute(_MADE, {"account_id": account_id, "up_to": up_to}).all()
    granted = [row.grant_id for row in found if row.kind == EntryKind.CREDIT]
    return granted, [row.job_id for row in found if row.kind == EntryKind.HOLD]


@value(frozen=True, slots=True)
class Written:
    """An entry beside the job that wrote it. `entry`: None when its account is gone."""

    account_id: int
    entry: Entry | None
    job_name: str | None  # None: the job is gone
    digest: bytes | None  # of the job as it is now; None: it is gone
    older: bool  # than the records: its hash may cover what it says alone


def stream_written(connection: Connection, first: int = rows.LOWEST, last: int = rows.HIGHEST) -> Iterator[Written]:
    """The entries of accounts with ids from `first` to `last`, in their order, with what their hashes cover beside."""
    found = connection.execute(_WRITTEN, {"first": first, "last": last}, execution_options=rows.STREAMED)
    for row in found.mappings():
        entry = None if row["ref"] is None else from_row(dict(row))
        digest = None if row["digest"] is None else bytes(row["digest"])
        yield Written(row["account_id"], entry, row["job_name"], digest, row["older"])


def insert(connection: Connection, entries: Sequence[Entry]) -> None:
    """Adds entries to the ledger."""
    if not entries:
        return
    details = [entry.details for entry in entries]
    rows.insert(
        connection,
        tables.Entry,
        {
            "account_id": [entry.account_id for entry in entries],
            "seq": [entry.seq for entry in entries],
            "amount": [entry.amount for entry in entries],
            "balance_after": [entry.balance_after for entry in entries],
            "kind": [each.kind for each in details],
            "reason": [each.reason for each in details],
            "description": [each.description for each in details],
            "job_id": [each.job_id for each in details],
            "grant_id": [each.grant_id for each in details],
            "draws": [each.draws or None for each in details],
            "reverses": [each.reverses for each in details],
            "paid": [each.paid or None for each in details],
            "holds": [hold_changes(each.holds) or None for each in details],
            "part": [each.part for each in details],
            "metadata": [each.metadata for each in details],
            "listed": [each.listed for each in details],
            "prev_hash": [entry.prev_hash for entry in entries],
            "hash": [entry.hash for entry in entries],
            "created_at": [each.at for each in details],
        },
    )


def from_row(row: Mapping[str, Any]) -> Entry:
    """The entry of a row that holds COLUMNS."""
    details = EntryDetails(
        kind=EntryKind(row["kind"]),
        job_id=row["job_id"],
        at=row["created_at"],
        reason=row["reason"],
        description=row["description"],
        metadata=row["metadata"],
        listed=row["listed"],
        grant_id=row["grant_id"],
        draws=tuple((UUID(grant), units) for grant, units in row["draws"] or ()),
        reverses=row["reverses"],
        paid=tuple((UUID(grant), units) for grant, units in row["paid"] or ()),
        holds=tuple(_hold_change(*change) for change in row["holds"] or ()),
        part=row["part"],
    )
    key = AccountKey(Kind(row["account_kind"]), row["ref"])
    return Entry(
        row["account_id"],
        key,
        row["seq"],
        row["amount"],
        row["balance_after"],
        details,
        bytes(row["prev_hash"]),
        bytes(row["hash"]),
    )


def _hold_change(hold_id: str, verb: str, units: int, parts: list[tuple[str, int, int]]) -> HoldChange:
    made = tuple(HoldPart(UUID(grant_id), held, remaining) for grant_id, held, remaining in parts)
    return HoldChange(UUID(hold_id), HoldVerb(verb), units, made)
