"""Journals: a transaction that has something to record takes one that is free, and adds to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.domain.evidence.chains import Record, RecordKind, record_hash
from models.domain.value import value
from models.store.write import digests, rows
from models.tables import records as tables

_TAKE: Final = text("select id, seq, head from journals order by id limit 1 for update skip locked")
_WAIT: Final = text("""
    select id, seq, head from journals
    where id = (select min(id) + pg_backend_pid() % count(*) from journals) for update
""")
_CHAINED: Final = f"""
    select r.journal, r.seq, r.kind, r.job_id, r.account_id, r.number, r.after, cast(r.content as text) as content,
           r.prev_hash, r.hash, a.kind || ':' || a.ref as account,
           case when j.id is not null then {digests.JOB} end as digest
    from records r left join jobs j on j.id = r.job_id left join accounts a on a.id = r.account_id
"""  # noqa: S608 - our own column list
_STREAM: Final = text(f"""{_CHAINED}
    where (r.journal, r.seq) >= (:first_journal, :first_seq) and (r.journal, r.seq) <= (:last_journal, :last_seq)
    order by r.journal, r.seq
""")
# Those that stand where they belong: after the record that they are chained to.
_NOTES: Final = text(f"""{_CHAINED}
    join unnest(cast(:journals as bigint[]), cast(:seqs as bigint[])) as known (journal, seq)
      on known.journal = r.journal and known.seq < r.seq
    left join records before on before.journal = r.journal and before.seq = r.seq - 1
    where r.kind in ('pruned', 'before')
      and case r.seq when 1 then r.prev_hash = '' else r.prev_hash = before.hash end
    order by r.journal, r.seq
""")
_ENDS: Final = text("""
    with recursive named as (
        select min(journal) as journal from records
        union all
        select (select min(r.journal) from records r where r.journal > named.journal) from named
        where named.journal is not null
    )
    select named.journal, last.seq, last.hash from named
    cross join lateral (select seq, hash from records r where r.journal = named.journal order by seq desc limit 1) last
""")
_BEFORE: Final = text("""
    select seq, hash from records where journal = :journal and seq < :seq order by seq desc limit 1
""")
_THERE: Final = text("""
    select r.journal, r.seq, r.hash
    from unnest(cast(:journals as bigint[]), cast(:seqs as bigint[])) as wanted (journal, seq)
    join records r on r.journal = wanted.journal and r.seq = wanted.seq
""")
_CHANGES: Final = text("""
    select account_id, number, after, kind, job_id, content from records
    where number is not null and account_id between :first and :last order by account_id, number
""")
_HEADS: Final = text("select id, seq, head from journals order by id")
_ALL: Final[Mapping[str, int]] = {
    "first_journal": -(2**15), "first_seq": rows.LOWEST, "last_journal": 2**15 - 1, "last_seq": rows.HIGHEST,
}  # fmt: skip


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
                "prev_hash": prev,
                "hash": head,
            }
        )
    rows.insert(connection, tables.Record, rows.by_column(added))
    rows.update(connection, tables.Journal, "id", {"id": [journal.id], "seq": [seq], "head": [head]})


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


def ends(connection: Connection) -> dict[int, tuple[int, bytes]]:
    """Number and hash of the last record, by journal: of each that has any, whether it exists or not."""
    return {row.journal: (row.seq, bytes(row.hash)) for row in connection.execute(_ENDS)}


def before(connection: Connection, journal: int, seq: int) -> tuple[int, bytes]:
    """Number and hash of the last record before number `seq`; (0, b"") when there is none."""
    row = connection.execute(_BEFORE, {"journal": journal, "seq": seq}).one_or_none()
    return (0, b"") if row is None else (row.seq, bytes(row.hash))


def there(connection: Connection, seen: Mapping[int, tuple[int, bytes]]) -> dict[int, tuple[int, bytes]]:
    """Of these records, number and hash by journal, those that are there, as they are."""
    parameters = {"journals": [*seen], "seqs": [seq for seq, _ in seen.values()]}
    return {row.journal: (row.seq, bytes(row.hash)) for row in connection.execute(_THERE, parameters)}


def notes(connection: Connection, after: Mapping[int, int]) -> Iterator[Chained]:
    """The records about all accounts together, after these numbers in these journals, that stand where they belong."""
    parameters = {"journals": [*after], "seqs": [*after.values()]}
    return _chained(connection.execute(_NOTES, parameters, execution_options=rows.STREAMED))


def stream(connection: Connection, bounds: Mapping[str, Any] = _ALL) -> Iterator[Chained]:
    """The records, journal by journal, in their order. `bounds`: first_journal, first_seq, last_journal, last_seq."""
    return _chained(connection.execute(_STREAM, bounds, execution_options=rows.STREAMED))


def _chained(found: Iterable[Row[Any]]) -> Iterator[Chained]:
    for row in found:
        digest = None if row.digest is None else bytes(row.digest)
        record = Record(RecordKind(row.kind), row.content, row.job_id, digest, row.account_id, row.number, row.after)
        yield Chained(row.journal, row.seq, row.account, record, bytes(row.prev_hash), bytes(row.hash))


def stream_changes(connection: Connection, first: int = rows.LOWEST, last: int = rows.HIGHEST) -> Iterator[Change]:
    """The changes of terms of accounts with ids from `first` to `last`, by account, in their order."""
    for row in connection.execute(_CHANGES, {"first": first, "last": last}, execution_options=rows.STREAMED):
        yield Change(row.account_id, row.number, row.after, RecordKind(row.kind), row.job_id, row.content)
