"""A ledger that was changed behind its back, and chained anew as if it had always been so.

For tests that let time pass by moving times back, and for what somebody could do who knows all that we know.
"""

import json
from typing import Any

from sqlalchemy import Connection, Engine, text

from models.domain.evidence.chains import Record, RecordKind, record_hash
from models.domain.ledger import Proof, entry_hash
from models.store.audit.entries import _ByAccount
from models.store.audit.terms import Terms
from models.store.read.credits import Credits, credits_of_all
from models.store.write import accounts, digests, entries
from models.store.write import journals as records
from models.store.write.top_ups import charges


def execute_resealed(engine: Engine, statement: str, /, **parameters: Any) -> int:
    """Runs a statement and chains anew what is there then; returns how many rows it changed."""
    with engine.begin() as connection:
        changed = connection.execute(text(statement), parameters).rowcount
        if changed:
            reseal(connection)
    return changed


def reseal(connection: Connection) -> None:
    """Chains every entry and record anew, with what the rows of jobs, grants, holds and accounts say now."""
    _entries(connection)
    _terms(connection)
    _before(connection)
    rehash(connection)


def _entries(connection: Connection) -> None:
    wallets, heads = dict(credits_of_all(connection)), dict[int, bytes]()
    for each in [*entries.stream_written(connection)]:
        entry = each.entry
        assert entry is not None
        assert each.digest is not None
        prev = heads.get(entry.account_id, b"")
        made = wallets.get(entry.account_id, Credits("", {}, {})).made_by(entry)
        proof = None if each.older else Proof(each.digest, made)
        digest = entry_hash(prev, entry.account, entry.seq, entry.amount, entry.balance_after, entry.details, proof)
        heads[entry.account_id] = digest
        if (prev, digest) != (entry.prev_hash, entry.hash):
            _set(connection, "entries", "prev_hash = :prev, hash = :hash", "account_id = :id and seq = :seq",
                 prev=prev, hash=digest, id=entry.account_id, seq=entry.seq)  # fmt: skip
    for account_id, head in heads.items():
        _set(connection, "accounts", "head = :head", "id = :id and head <> :head", head=head, id=account_id)


def _terms(connection: Connection) -> None:
    """What an account's row says now was said by the last record of its terms."""
    written = _ByAccount(iter([*entries.stream_written(connection)]))
    changed = _ByAccount(iter([*records.stream_changes(connection)]))
    charged = _ByAccount(iter([*charges.stream(connection)]))
    for row, account in [*accounts.every(connection)]:
        mine = [*changed.take(row.id)]
        terms, last = Terms(iter(mine), [*charged.take(row.id)]), mine[-1]
        for each in written.take(row.id):
            assert each.entry is not None
            terms.entered(each.entry, each.job_name, chained=False)
        assert account is not None
        terms.ended(account)
        if differing := terms.differing(account):
            content = {name: [last.changes[name][0] if name in last.changes else was, now]
                       for name, (was, now) in differing.items()}  # fmt: skip
            _set(connection, "records", "content = cast(:content as json)", "account_id = :id and number = :number",
                 content=json.dumps({**last.changes, **content}), id=row.id, number=last.number)  # fmt: skip


def _before(connection: Connection) -> None:
    sums = digests.before(connection)
    if not any(count for table in sums.values() for count, _ in table):
        return
    if not _set(connection, "records", "content = cast(:sums as json)", "kind = 'before'", sums=json.dumps(sums)):
        connection.execute(text("delete from records where kind = 'before'"))
        [journal] = [head for head in records.heads(connection) if head.id == 1]
        records.append(connection, journal, [Record(RecordKind.BEFORE, json.dumps(sums))])


def rehash(connection: Connection) -> None:
    """Numbers and chains the records anew, journal by journal."""
    heads = dict[int, tuple[int, bytes]]()
    for chained in [*records.stream(connection)]:
        before, prev = heads.get(chained.journal, (0, b""))
        seq = before + 1
        digest = record_hash(prev, chained.journal, seq, chained.record)
        heads[chained.journal] = seq, digest
        if (seq, prev, digest) != (chained.seq, chained.prev_hash, chained.hash):
            _set(connection, "records", "seq = :seq, prev_hash = :prev, hash = :hash",
                 "journal = :journal and seq = :was",
                 seq=seq, prev=prev, hash=digest, journal=chained.journal, was=chained.seq)  # fmt: skip
    for head in records.heads(connection):
        seq, digest = heads.get(head.id, (0, b""))
        _set(connection, "journals", "seq = :seq, head = :head", "id = :id", seq=seq, head=digest, id=head.id)


def _set(connection: Connection, table: str, what: str, where: str, **parameters: Any) -> int:
    return connection.execute(text(f"update {table} set {what} where {where}"), parameters).rowcount
