"""Digests that the server computes from what its rows say now: of jobs, and of all that is older than the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, text

Sums = dict[str, list[list[Any]]]
"""By table, 256 × [how many, SHA-256 in hex]: of the rows whose id ends in this byte, in the order of their ids."""

_MICROSECONDS: Final = "cast(extract(epoch from {}) * 1000000 as bigint)"
OLDER: Final = "coalesce(j.events, -1) < 0"
"""Whether the job `j` was settled before there were records, or before they were begun anew."""
_TOLD: Final = "case when j.events < 0 then -1 - j.events else coalesce(j.events, 0) end"
JOB: Final = f"""
    sha256(convert_to('1 ' || j.id || ' ' || encode(j.fingerprint, 'hex') || ' ' || j.status || ' ' || j.code || ' '
        || coalesce(j.account_id, 0) || ' ' || {_TOLD} || ' ' || {_MICROSECONDS.format("j.settled_at")}
        || ' ' || length(j.name) || ':' || j.name || ' ' || length(j.producer) || ':' || j.producer
        || ' ' || length(j.idempotency_key) || ':' || j.idempotency_key || ' ' || cast(j.outcome as text), 'UTF8'))
"""
"""What models/domain/evidence/chains.py: job_digest makes of the row `j`."""

# What was settled before there were records has no place in a chain; a record has the sums over it.
_BEFORE: Final[Mapping[str, str]] = {
    "jobs": f"select j.id, {JOB} as digest from jobs j where {OLDER}",  # noqa: S608 - queries of ours
    "grants": f"""
        select g.id, sha256(convert_to(g.id || ' ' || g.account_id || ' ' || g.amount || ' '
            || coalesce(cast(g.priority as text), '-')
            || ' ' || coalesce(cast({_MICROSECONDS.format("g.expires_at")} as text), '-')
            || ' ' || coalesce(cast({_MICROSECONDS.format("g.effective_at")} as text), '-')
            || ' ' || {_MICROSECONDS.format("g.created_at")}, 'UTF8')) as digest
        from grants g
        where exists (select from entries e join jobs j on j.id = e.job_id
                      where e.account_id = g.account_id and e.grant_id = g.id and e.kind = 'credit'
                        and {OLDER})
    """,  # noqa: S608 - as above
    "holds": f"""
        select h.id, sha256(convert_to(h.id || ' ' || h.account_id || ' ' || h.amount
            || ' ' || {_MICROSECONDS.format("h.expires_at")}
            || ' ' || {_MICROSECONDS.format("h.created_at")}, 'UTF8')) as digest
        from holds h join jobs j on j.id = h.id where {OLDER}
    """,  # noqa: S608 - as above
}
_SUMS: Final = """
    select get_byte(uuid_send(id), 15) as bucket, count(*) as count,
           encode(sha256(string_agg(digest, '' order by id)), 'hex') as sum
    from ({rows}) as found group by 1
"""
NOTHING: Final[list[Any]] = [0, ""]


def before(connection: Connection) -> Sums:
    """The sums over what was settled before there were records, as it is now."""
    found: Sums = {}
    for table, query in _BEFORE.items():
        found[table] = [[*NOTHING] for _ in range(256)]
        for row in connection.execute(text(_SUMS.format(rows=query))):
            found[table][row.bucket] = [row.count, row.sum]
    return found
