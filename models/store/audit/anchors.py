"""What anchors say of the ledger, read as of one moment, and what the ledger says of them later.

A chain that is to be anchored has one query in each of _HEADS and _THEN; there is no other place that names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from models.domain.errors import TransientFault
from models.domain.evidence.anchor_checks import Now
from models.domain.evidence.anchors import Head, JobLine, job_digest
from models.store.connection.session import snapshot

_AT_ONCE: Final = 5_000
_LOCK: Final = 4_242_007_003
# By chain, in the order of their names. Rows: as Head has them, after its chain.
_HEADS: Final[Mapping[str, str]] = {
    "account": """
        select id, kind || ':' || ref, unit, scale, seq, encode(head, 'hex'), balance from accounts order by id
    """,
    "journal": """
        select id, 'journal:' || id, '', 0, seq, encode(head, 'hex'), 0 from journals order by id
    """,
}
_THEN: Final[Mapping[str, str]] = {
    "account": """
        select a.kind || ':' || a.ref as name, a.unit, a.scale, a.seq, encode(e.hash, 'hex') as hash,
               e.balance_after as balance, cast(extract(epoch from a.created_at) * 1000 as bigint) as created
        from unnest(cast(:ids as bigint[]), cast(:seqs as bigint[])) with ordinality as wanted (id, seq, number)
        left join accounts a on a.id = wanted.id
        left join entries e on e.account_id = wanted.id and e.seq = wanted.seq
        order by wanted.number
    """,
    "journal": """
        select 'journal:' || j.id as name, '' as unit, 0 as scale, j.seq, encode(r.hash, 'hex') as hash,
               cast(null as bigint) as balance, cast(null as bigint) as created
        from unnest(cast(:ids as bigint[]), cast(:seqs as bigint[])) with ordinality as wanted (id, seq, number)
        left join journals j on j.id = wanted.id
        left join records r on r.journal = wanted.id and r.seq = wanted.seq
        order by wanted.number
    """,
}
_CREATED: Final = """
    select id, kind || ':' || ref as name from accounts where created_at < to_timestamp(:until / 1000.0) order by id
"""
# Ids begin with their millisecond, so that this is a stretch of the primary key.
_JOBS: Final = """
    select cast(id as text), producer, idempotency_key, name, encode(fingerprint, 'hex'), account_id, status, code,
           cast(extract(epoch from settled_at) * 1000000 as bigint),
           encode(sha256(convert_to(cast(outcome as text), 'UTF8')), 'hex')
    from jobs where id >= :since and id < :until order by id
"""
_CLOCK: Final = text("select cast(floor(extract(epoch from clock_timestamp()) * 1000) as bigint)")
# A job is settled at a time that its transaction has asked for in the statement that looked for its key: from then on,
# and until its end, it holds a lock on the table. Nobody who begins later settles at an earlier time.
_WRITERS: Final = text("""
    select held.pid, a.state, cast(floor(extract(epoch from a.xact_start) * 1000) as bigint) as since
    from (select distinct pid from pg_locks
          where relation = to_regclass('jobs') and locktype = 'relation' and granted
            and mode <> 'ShareUpdateExclusiveLock'  -- vacuum and analyze settle nothing
            and database = (select oid from pg_database where datname = current_database())) as held
    left join pg_stat_activity a on a.pid = held.pid
    where held.pid is distinct from pg_backend_pid()
""")
_REMEMBERED: Final = text("select sequence, hash, until from anchors order by sequence")
_LAST: Final = text("select sequence, hash, until from anchors order by sequence desc limit 1")
_REMEMBER: Final = text("insert into anchors (sequence, hash, until) values (:sequence, :hash, :until)")


class HorizonUnknown(TransientFault):
    """There is a session whose transaction may settle jobs that an anchor would have to have."""

    next_step = "they are in the next anchor"


def horizon(engine: Engine) -> int:
    """A time (ms since 1970) before which no job will be settled any more; a snapshot taken later has all of them.

    Raises HorizonUnknown when a session that this role may not look at is at work on the jobs.
    """
    with snapshot(engine) as connection:
        at = clock(connection)
        for row in connection.execute(_WRITERS):
            if row.state is None:
                raise HorizonUnknown(
                    f"session {row.pid} is at work on the jobs, and this role may not see since when",
                    "let it end, or grant pg_read_all_stats to the role that anchors",
                )
            if row.since is not None:
                at = min(at, row.since)
    return at


def take_time(connection: Connection) -> None:
    """Lets the statements of this transaction last as long as the ledger is large, each of them looking up what it is
    asked for: a plan that reads a whole table for some thousand of its rows would read it some hundred times."""
    for setting in ("statement_timeout = 0", "enable_hashjoin = off", "enable_mergejoin = off"):
        connection.execute(text(f"set local {setting}"))


def heads(connection: Connection) -> Iterator[Head]:
    """Where each chain ends, in the order of models/domain/evidence/anchors.py."""
    for chain, query in sorted(_HEADS.items()):
        for row in connection.execution_options(yield_per=_AT_ONCE).execute(text(query)):
            yield Head(chain, *row)


def jobs(connection: Connection, since: int, until: int) -> Iterator[JobLine]:
    """Jobs settled in this window, in the order of their ids."""
    window = {"since": _first_id(since), "until": _first_id(until)}
    for row in connection.execution_options(yield_per=_AT_ONCE).execute(text(_JOBS), window):
        values: tuple[Any, ...] = tuple(row)
        yield JobLine(values[0], values[1], values[2], values[7], job_digest(values))


def then(connection: Connection, anchored: Iterable[tuple[Head, bool]]) -> Iterator[tuple[Head, bool, Now, int | None]]:
    """For each head what the ledger says of it today, and when the account says that it was created (ms since 1970)."""
    waiting = iter(anchored)
    while chunk := [*islice(waiting, _AT_ONCE)]:
        for chain in sorted({head.chain for head, _ in chunk}):
            mine = [(head, new) for head, new in chunk if head.chain == chain]
            parameters = {"ids": [head.id for head, _ in mine], "seqs": [head.seq for head, _ in mine]}
            rows = connection.execute(text(_THEN[chain]), parameters).all()
            for (head, new), row in zip(mine, rows, strict=True):
                yield head, new, _now(row), row.created


def created_before(connection: Connection, until: int) -> Iterator[tuple[int, str]]:
    """(id, name) of accounts that say they were created before that time (ms since 1970)."""
    found = connection.execution_options(yield_per=_AT_ONCE).execute(text(_CREATED), {"until": until})
    for row in found:
        yield row.id, row.name


def clock(connection: Connection) -> int:
    """The database's time, in ms since 1970."""
    return int(connection.scalar(_CLOCK) or 0)


def last(connection: Connection, *, lock: bool = False) -> tuple[int, bytes, int] | None:
    """(number, hash of the line, end of its window) of the anchor that was written last. `lock`: nobody else writes
    one before the end of the transaction."""
    if lock:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    row = connection.execute(_LAST).one_or_none()
    return None if row is None else (row.sequence, bytes(row.hash), row.until)


def remember(connection: Connection, sequence: int, digest: bytes, until: int) -> None:
    """Notes that an anchor was written."""
    connection.execute(_REMEMBER, {"sequence": sequence, "hash": digest, "until": until})


def memory(connection: Connection) -> dict[int, bytes]:
    """The hashes of all anchors that were written, by number."""
    return {row.sequence: bytes(row.hash) for row in connection.execute(_REMEMBERED)}


def _now(row: Row[Any]) -> Now:
    return Now(row.name, row.unit or "", row.scale or 0, row.seq or 0, row.hash, row.balance)


def _first_id(milliseconds: int) -> UUID:
    return UUID(int=(milliseconds & (2**48 - 1)) << 80)
