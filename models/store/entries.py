"""Ledger entries: added, read, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.domain.ledger import Entry, EntryKind, Note
from models.store import rows
from models.tables import ledger as tables

COLUMNS: Final = """e.account_id, a.kind as account_kind, a.ref, e.seq, e.amount, e.balance_after, e.kind, e.reason,
    e.description, e.job_id, e.grant_id, e.draws, e.reverses, e.metadata, e.listed, e.prev_hash, e.hash, e.created_at"""
_OF_JOBS: Final = text(f"""
    select {COLUMNS} from entries e join accounts a on a.id = e.account_id
    where e.job_id = any(cast(:job_ids as uuid[]))
""")  # noqa: S608 - our own column list
_REVERSED: Final = text("""
    select e.account_id, e.reverses from entries e
    join unnest(cast(:ids as bigint[]), cast(:seqs as bigint[])) as wanted (account_id, seq)
      on e.account_id = wanted.account_id and e.reverses = wanted.seq
""")


def of_jobs(connection: Connection, job_ids: Iterable[UUID]) -> dict[UUID, Entry]:
    """The entries that these jobs wrote. They never change, so no lock is needed."""
    found = connection.execute(_OF_JOBS, {"job_ids": list(job_ids)}).mappings()
    return {row["job_id"]: from_row(dict(row)) for row in found}


def reversed_among(connection: Connection, entries: Iterable[Entry]) -> set[tuple[int, int]]:
    """(account id, seq) of those entries that have been taken back; read under the accounts' locks."""
    wanted = list(entries)
    found = connection.execute(
        _REVERSED, {"ids": [entry.account_id for entry in wanted], "seqs": [entry.seq for entry in wanted]}
    )
    return {(row.account_id, row.reverses) for row in found}


def insert(connection: Connection, entries: Sequence[Entry]) -> None:
    """Adds entries to the ledger."""
    rows.insert(
        connection,
        tables.Entry,
        [
            {
                "account_id": entry.account_id,
                "seq": entry.seq,
                "amount": entry.amount,
                "balance_after": entry.balance_after,
                "kind": entry.note.kind.value,
                "reason": entry.note.reason,
                "description": entry.note.description,
                "job_id": entry.note.job_id,
                "grant_id": entry.note.grant_id,
                "draws": entry.note.draws or None,
                "reverses": entry.note.reverses,
                "metadata": entry.note.metadata,
                "listed": entry.note.listed,
                "prev_hash": rows.hexed(entry.prev_hash),
                "hash": rows.hexed(entry.hash),
                "created_at": entry.note.at,
            }
            for entry in entries
        ],
    )


def from_row(row: Mapping[str, Any]) -> Entry:
    """The entry of a row that holds COLUMNS."""
    note = Note(
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
    )
    key = AccountKey(Kind(row["account_kind"]), row["ref"])
    return Entry(
        row["account_id"],
        key,
        row["seq"],
        row["amount"],
        row["balance_after"],
        note,
        bytes(row["prev_hash"]),
        bytes(row["hash"]),
    )
