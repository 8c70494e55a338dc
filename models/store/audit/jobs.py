"""The audit of jobs: each in a chain, its answer of its entry, no event but those it told, its body what was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.domain.events import BITS
from models.domain.evidence.finding import Finding
from models.domain.idempotency import canonical, fingerprint
from models.store.write import bodies, digests, rows

_ANSWERED: Final = text("""
    select j.id, j.code, a.kind, a.ref, e.seq,
           cast(j.outcome as jsonb) #>> '{entry,account}' as told_account,
           cast(cast(j.outcome as jsonb) #>> '{entry,seq}' as bigint) as told_seq,
           cast(cast(j.outcome as jsonb) #>> '{entry,amount}' as bigint) as told_amount, e.amount
    from jobs j left join entries e on e.job_id = j.id and e.part = 0 left join accounts a on a.id = e.account_id
    where j.id between :first and :last and (
          (e.seq is null) <> (cast(j.outcome as jsonb) #>> '{entry,seq}' is null)
       or e.seq <> cast(cast(j.outcome as jsonb) #>> '{entry,seq}' as bigint)
       or e.amount <> cast(cast(j.outcome as jsonb) #>> '{entry,amount}' as bigint)
       or a.kind || ':' || a.ref <> cast(j.outcome as jsonb) #>> '{entry,account}'
       or (e.seq is not null and j.code <> 'applied'))
    order by j.id
""")
_BIT: Final = " ".join(f"when '{event.value}' then {bit}" for event, bit in BITS.items())
_UNCHAINED: Final = text(f"""
    select j.id, a.kind, a.ref from jobs j left join accounts a on a.id = j.account_id
    where j.id between :first and :last
      and not {digests.OLDER} and not exists (select from entries e where e.job_id = j.id)
      and not exists (select from records r where r.job_id = j.id)
    order by j.id
""")  # noqa: S608 - our own condition
# No foreign key says it: one would be looked up for each job.
_OF_NO_ACCOUNT: Final = text("""
    select j.id, j.account_id from jobs j
    where j.id between :first and :last
      and j.account_id is not null and not exists (select from accounts a where a.id = j.account_id)
    order by j.id
""")
_NEVER_TOLD: Final = text(f"""
    select o.type, o.table, o.job_id as id, a.kind, a.ref
    from (select type, job_id, 'outbox' as table from outbox
          union all select type, job_id, 'stream_backlog' from stream_backlog
          union all select type, job_id, 'webhook_deliveries' from webhook_deliveries where status = 'waiting') as o
    left join jobs j on j.id = o.job_id
    left join entries e on e.job_id = j.id and e.part = 0
    left join accounts a on a.id = coalesce(e.account_id, j.account_id)
    where o.job_id is not null
      and (j.id is null or (not {digests.OLDER} and j.events & (case o.type {_BIT} else 0 end) = 0))
    order by o.job_id
""")  # noqa: S608 - our own column list
_PRUNED: Final = text(f"""
    select j.id from jobs j {bodies.JOIN}
    where j.id between :first and :last and j.body is null and b.job_id is null
      and (cast(:until as timestamptz) is null or j.settled_at > cast(:until as timestamptz))
    order by j.id
""")  # noqa: S608 - our own columns
_ASKED: Final = text(f"""
    select j.id, j.name, j.fingerprint, {bodies.BODY} as body, j.body is not null and b.job_id is not null as twice
    from jobs j {bodies.JOIN}
    where j.id between :first and :last
      and (j.fingerprint <> sha256(convert_to(j.name || E'\\n' || {bodies.BODY}, 'UTF8'))
           or (j.body is not null and b.job_id is not null))
    order by j.id
""")  # noqa: S608 - as above
_OF_NO_JOB: Final = text("""
    select b.job_id from job_bodies b where not exists (select from jobs j where j.id = b.job_id) order by b.job_id
""")


def findings(connection: Connection, between: Mapping[str, UUID], pruned_until: datetime | None) -> Iterator[Finding]:
    """What is wrong with jobs with ids from `first` to `last`. `pruned_until`: what the journals say of them."""
    return chain(
        _answered(connection, between), _unchained(connection, between), _of_no_account(connection, between),
        _pruned(connection, between, pruned_until), _asked(connection, between),
    )  # fmt: skip


def together(connection: Connection, before: list[dict[str, Any]]) -> Iterator[Finding]:
    """What is wrong with what is on its way, and with all that is older than the records, which is `before` there."""
    return chain(_never_told(connection), _of_no_job(connection), _before(connection, before))


def _answered(connection: Connection, between: Mapping[str, UUID]) -> Iterator[Finding]:
    for row in connection.execute(_ANSWERED, between):
        account = row.told_account or f"{row.kind}:{row.ref}"
        told = f"entry {row.told_seq} of {row.told_amount}" if row.told_seq else "no entry"
        wrote = f"entry {row.seq} of {row.amount}" if row.seq else "none"
        problem = f"job {row.id} ({row.code}) was answered with {told} but wrote {wrote}"
        yield Finding(account, row.seq or row.told_seq, problem)


def _unchained(connection: Connection, between: Mapping[str, UUID]) -> Iterator[Finding]:
    for row in connection.execute(_UNCHAINED, between):
        yield Finding(_whose(row), None, f"job {row.id} is in no entry and in no record")


def _of_no_account(connection: Connection, between: Mapping[str, UUID]) -> Iterator[Finding]:
    for row in connection.execute(_OF_NO_ACCOUNT, between):
        yield Finding(f"account:{row.account_id}", None, f"does not exist, and job {row.id} is about it")


def _never_told(connection: Connection) -> Iterator[Finding]:
    """An event leaves when it is delivered, so that one may be gone; none is there that its job has not told."""
    for row in connection.execute(_NEVER_TOLD, execution_options=rows.STREAMED):
        yield Finding(_whose(row), None, f"job {row.id} has not told {row.type}, which is in {row.table}")


def _pruned(connection: Connection, between: Mapping[str, UUID], until: datetime | None) -> Iterator[Finding]:
    for row in connection.execute(_PRUNED, {**between, "until": until}):
        yield Finding(f"job:{row.id}", None, "its body is gone, and no record says that it was pruned")


def _asked(connection: Connection, between: Mapping[str, UUID]) -> Iterator[Finding]:
    for row in connection.execute(_ASKED, between):
        # What is kept of a job is what is asked with the publisher's note; most have none.
        asked = {field: said for field, said in json.loads(row.body).items() if field != "metadata"}
        if row.twice:
            yield Finding(f"job:{row.id}", None, "has two bodies")
        elif fingerprint(row.name, canonical(asked)) != bytes(row.fingerprint):
            yield Finding(f"job:{row.id}", None, "its body is not what its fingerprint stands for")


def _of_no_job(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_OF_NO_JOB):
        yield Finding(f"job:{row.job_id}", None, "does not exist, and has a body")


def _before(connection: Connection, recorded: list[dict[str, Any]]) -> Iterator[Finding]:
    """What is older than the records has the sums that were recorded when they began."""
    known = recorded[0] if recorded else {}
    if len(recorded) > 1:
        yield Finding("journal:1", None, "has more than one record of what was before it")
    for table, found in digests.before(connection).items():
        sums = known.get(table) or [digests.NOTHING] * 256
        for byte, (now, then) in enumerate(zip(found, sums, strict=True)):
            if now != then:
                yield Finding(
                    table,
                    None,
                    f"the {then[0]} of before there were records whose ids end in {byte:02x} are not what they were"
                    f" (now {now[0]})",
                )


def _whose(row: Row[Any]) -> str:
    return f"job:{row.id}" if row.ref is None else f"{row.kind}:{row.ref}"
