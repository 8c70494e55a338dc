"""The audit of what was added to a ledger whose past was generated.

The entries of the growth part before the first job have no real hashes, so the audit of the whole would stop at them.
Here every entry written since is checked against the one before it, and every account that jobs touched against its
last entry.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine, text

from benchmarks.contender import Incoherent
from models.domain.ledger import Proof, entry_hash
from models.store.connection.session import snapshot
from models.store.write import digests, entries, rows

_ADDED: Final = text(f"""
    select {entries.COLUMNS}, {digests.JOB} as digest,
           before.seq as before_seq, before.balance_after as before_balance, before.hash as before_hash
    from entries e join accounts a on a.id = e.account_id join jobs j on j.id = e.job_id
    left join entries before on before.account_id = e.account_id and before.seq = e.seq - 1
    where e.job_id > :mark
""")  # noqa: S608 - the ledger's own column list
_ACCOUNTS: Final = text("""
    select a.id, a.balance, a.seq, a.head,
           last.seq as last_seq, last.balance_after as last_balance, last.hash as last_hash
    from accounts a join lateral (
        select seq, balance_after, hash from entries e where e.account_id = a.id order by seq desc limit 1
    ) as last on true
    where a.id = any(:ids)
""")
_JOBS_WITHOUT_ENTRY: Final = text("""
    select count(*) from jobs j left join entries e on e.job_id = j.id
    where j.id > :mark and j.code = 'applied' and e.seq is null
""")


def audit_since(engine: Engine, mark: UUID) -> int:
    """The number of entries written by jobs after the job `mark`. Raises Incoherent."""
    count, touched = 0, set[int]()
    with snapshot(engine) as connection:
        for row in connection.execute(_ADDED, {"mark": mark}, execution_options=rows.STREAMED).mappings():
            count += 1
            touched.add(row["account_id"])
            if problem := _wrong(dict(row)):
                raise Incoherent(f"account {row['account_id']} entry {row['seq']}: {problem}")
        for account in connection.execute(_ACCOUNTS, {"ids": sorted(touched)}):
            shown = (account.seq, account.balance, bytes(account.head))
            if shown != (account.last_seq, account.last_balance, bytes(account.last_hash)):
                raise Incoherent(f"account {account.id} does not show its last entry {account.last_seq}")
        if missing := int(connection.execute(_JOBS_WITHOUT_ENTRY, {"mark": mark}).scalar_one()):
            raise Incoherent(f"{missing} applied jobs wrote no entry")
    return count


def _wrong(row: dict[str, Any]) -> str | None:
    entry = entries.from_row(row)
    if row["before_seq"] is None and entry.seq > 1:
        return "the entry before it is missing"
    balance = 0 if row["before_seq"] is None else row["before_balance"]
    head = b"" if row["before_seq"] is None else bytes(row["before_hash"])
    if entry.balance_after != balance + entry.amount:
        return f"balance_after is {entry.balance_after}, but {balance} and {entry.amount} came together"
    if entry.prev_hash != head:
        return "is not chained to the entry before it"
    proof = Proof(bytes(row["digest"]))
    if entry.hash != entry_hash(
        head, entry.account, entry.seq, entry.amount, entry.balance_after, entry.details, proof
    ):
        return "its content does not match its hash"
    return None
