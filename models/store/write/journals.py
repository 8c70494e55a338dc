"""Journals: a transaction that has something to record takes one that is free, and adds to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.evidence.chains import Record, RecordKind, record_hash
from models.domain.value import value
from models.store.write import digests, rows
from models.tables import records as tables

_TAKE: Final = text("select id, seq, head from journals order by id limit 1 for update skip locked")
_WAIT: Final = text("""
    select id, seq, head from journals
    where id = (select min(id) + pg_backend_pid() % count(*) from journals) for update
""")
_CHAINED: Final = text(f"""
    select r.journal, r.seq, r.kind, r.job_id, r.account_id, r.number, r.after, cast(r.content as text) as content,
           r.prev_hash, r.hash, a.kind || ':' || a.ref as account,
           case when j.id is not null then {digests.JOB} end as digest
    from records r left join jobs j on j.id = r.job_id left join accounts a on a.id = r.account_id
    order by r.journal, r.seq
""")  # noqa: S608 - our own column list
_CHANGES: Final = text("""
    select account_id, number, after, kind, job_id, content from records
    where number is not null order by account_id, number
""")
_HEADS: Final = text("select id, seq, head from journals order by id")


@value(frozen=True, slots=True)
class Journal:
    """A journal that this transaction has locked. It is locked last, so nobody who has one waits for an account."""

    id: int
    seq: int
    head: bytes


def take(connection: Connection) -> Journal:
    """Locks a journal that nobody else has; when all are taken, waits for one."""
    found = connection.execute(_TAKE).one_or_none() or connection.execute(_WAIT).one()
    return Journal(found.id, found.seq, bytes(found.head))


def append(connection: Connection, journal: Journal, records: Sequence[Record]) -> None:
    """Adds the records to the journal, in two statements that return nothing."""
    seq, head, added = journal.seq, journal.head, []
    for record in records:
        seq, prev = seq + 1, head
        head = record_hash(prev, journal.id, seq, record)
        added.append(
            {
                "journal": journal.id,
                "seq": seq,
                "kind": record.kind.value,
                "job_id": record.job_id,
                "account_id": record.account_id,
                "number": record.number,
                "after": record.after,
                "content": rows.raw(record.content),
                "prev_hash": rows.hexed(prev),
                "hash": rows.hexed(head),
            }
        )
    rows.insert(connection, tables.Record, added)
    rows.update(connection, tables.Journal, "id", [{"id": journal.id, "seq": seq, "head": rows.hexed(head)}])


@value(frozen=True, slots=True)
class Chained:
    """A record where it stands. `digest` in it is of its job as that is now; None: it has none, or it is gone."""

    journal: int
    seq: int
    account: str | None
    record: Record
    prev_hash: bytes
    hash: bytes


@value(frozen=True, slots=True)
class Change:
    """What a record says of an account's terms."""

    account_id: int
    number: int
    after: int  # the account's last entry then
    kind: RecordKind
    job_id: UUID | None
    changes: Mapping[str, list[Any]]


def heads(connection: Connection) -> list[Journal]:
    """Every journal, as of its last record."""
    return [Journal(row.id, row.seq, bytes(row.head)) for row in connection.execute(_HEADS)]


def stream(connection: Connection) -> Iterator[Chained]:
    """All records, journal by journal, in their order."""
    for row in connection.execute(_CHAINED, execution_options=rows.STREAMED):
        digest = None if row.digest is None else bytes(row.digest)
        record = Record(RecordKind(row.kind), row.content, row.job_id, digest, row.account_id, row.number, row.after)
        yield Chained(row.journal, row.seq, row.account, record, bytes(row.prev_hash), bytes(row.hash))


def stream_changes(connection: Connection) -> Iterator[Change]:
    """All changes of terms by account, in their order."""
    for row in connection.execute(_CHANGES, execution_options=rows.STREAMED):
        yield Change(row.account_id, row.number, row.after, RecordKind(row.kind), row.job_id, row.content)
