"""Deliveries on their way to endpoints: a queue an account and endpoint, whose first is sent and then settled.

A queue is claimed for a while: who dies in between leaves it to the next one, who sends again under the same id. Queues
are locked in the order of their keys by everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.contracts.replies.events import EventMessage
from models.domain.value import value
from models.domain.webhooks.endpoints import DeliveryStatus, Endpoint
from models.store.connection import clock
from models.store.write.events import endpoints, messages

_CLAIM: Final = text(f"""
    with found as (
        select e.id as endpoint_id, q.queue, q.due_at,
               coalesce(b.count, 0) + row_number() over (partition by e.id order by q.due_at) as turn
        from webhook_endpoints e
        left join unnest(cast(:busy as uuid[]), cast(:counts as bigint[])) as b (id, count) on b.id = e.id
        cross join lateral (
            select queue, due_at from webhook_queues
            where endpoint_id = e.id and due_at <= statement_timestamp()
            order by due_at
            limit greatest(0, case when e.failures >= :broken then 1 else :each end - coalesce(b.count, 0))
            for update skip locked
        ) as q
        where e.disabled is null and not e.removed and (e.open_at is null or e.open_at <= statement_timestamp())
    ), ready as materialized (
        -- First those with the least under way: who is slow would have all of it in the end, and the others nothing.
        select endpoint_id, queue from found order by turn, due_at limit :most
    ), claimed as (
        update webhook_queues q
        set due_at = statement_timestamp() + make_interval(secs => :claim_s), claim = q.claim + 1
        from ready r where q.endpoint_id = r.endpoint_id and q.queue = r.queue
        returning q.endpoint_id, q.queue, q.claim
    )
    select c.queue, c.claim, statement_timestamp() as at, {endpoints.COLUMNS}
    from claimed c join webhook_endpoints e on e.id = c.endpoint_id
""")  # noqa: S608 - our own column list
_WAITING: Final = text(f"""
    select c.number, o.attempts, o.first_at, {messages.COLUMNS}
    from unnest(cast(:endpoints as uuid[]), cast(:queues as bigint[])) with ordinality as c (endpoint_id, queue, number)
    cross join lateral (
        select * from webhook_deliveries d
        where d.endpoint_id = c.endpoint_id and d.queue = c.queue and d.status = 'waiting' order by d.id limit :most
    ) as o
    {messages.JOINS}
    order by c.number, o.id
""")  # noqa: S608 - our own column list
_OF_QUEUES: Final = "unnest(cast(:endpoints as uuid[]), cast(:queues as bigint[]), cast(:claims as bigint[]))"
_LOCK: Final = text(f"""
    select q.endpoint_id, q.queue
    from {_OF_QUEUES} as c (endpoint_id, queue, claim)
    join webhook_queues q on q.endpoint_id = c.endpoint_id and q.queue = c.queue and q.claim = c.claim
    order by 1, 2 for update of q
""")  # noqa: S608 - as above
_SETTLE: Final = text("""
    update webhook_deliveries d
    set status = s.status, attempts = d.attempts + 1, first_at = coalesce(d.first_at, s.at), last_at = s.at,
        ended_at = case when s.status <> 'waiting' then cast(:now as timestamptz) end, code = s.code, answer = s.answer
    from unnest(
        cast(:endpoints as uuid[]), cast(:ids as bigint[]), cast(:statuses as text[]), cast(:ats as timestamptz[]),
        cast(:codes as text[]), cast(:answers as text[])) as s (endpoint_id, id, status, at, code, answer)
    where d.endpoint_id = s.endpoint_id and d.id = s.id and d.status = 'waiting'
""")
# A later statement than the lock: it sees what the relay has queued meanwhile.
_EMPTY: Final = text(f"""
    delete from webhook_queues q using {_OF_QUEUES} as c (endpoint_id, queue, claim)
    where q.endpoint_id = c.endpoint_id and q.queue = c.queue and q.claim = c.claim and not exists (
        select from webhook_deliveries d
        where d.endpoint_id = q.endpoint_id and d.queue = q.queue and d.status = 'waiting')
""")  # noqa: S608 - as above
_NEXT: Final = text("""
    update webhook_queues q set due_at = c.due_at
    from unnest(cast(:endpoints as uuid[]), cast(:queues as bigint[]), cast(:claims as bigint[]),
                cast(:dues as timestamptz[])) as c (endpoint_id, queue, claim, due_at)
    where q.endpoint_id = c.endpoint_id and q.queue = c.queue and q.claim = c.claim
""")
_PRUNE: Final = text("""
    delete from webhook_deliveries d using (
        select endpoint_id, id from webhook_deliveries
        where status <> 'waiting' and ended_at < statement_timestamp() - make_interval(days => :days)
        order by ended_at limit :most for update skip locked
    ) as old where d.endpoint_id = old.endpoint_id and d.id = old.id
""")
_REPLAY: Final = text("""
    with again as (
        update webhook_deliveries d set status = 'waiting', attempts = 0, first_at = null, ended_at = null,
               queued_at = :now
        from (
            select id from webhook_deliveries
            where endpoint_id = :endpoint and status = any(cast(:statuses as text[]))
              and (cast(:ids as bigint[]) is null or id = any(cast(:ids as bigint[])))
              and (cast(:since as timestamptz) is null or ended_at >= cast(:since as timestamptz))
            order by id limit :most
        ) as wanted
        where d.endpoint_id = :endpoint and d.id = wanted.id and d.status = any(cast(:statuses as text[]))
        returning d.endpoint_id, d.queue
    ), queued as (
        insert into webhook_queues (endpoint_id, queue, due_at, claim)
        select endpoint_id, queue, :now, 0 from again group by 1, 2 order by 1, 2
        on conflict (endpoint_id, queue) do update set due_at = webhook_queues.due_at
    )
    select count(*) from again
""")


@value(frozen=True, slots=True)
class Waiting:
    """A delivery that is to be sent."""

    id: int
    message: EventMessage
    attempts: int  # before this one
    first_at: datetime | None


@value(frozen=True, slots=True)
class Claimed:
    """A queue that is this process's as long as its claim lasts, with its first deliveries."""

    endpoint: Endpoint
    queue: int
    claim: int
    at: datetime  # when it was claimed, by the database's clock
    waiting: tuple[Waiting, ...]
    untold: Exception | None = None  # why the event after these cannot be put together


@value(frozen=True, slots=True)
class Attempt:
    """What an attempt came to."""

    id: int
    status: DeliveryStatus
    code: str
    answer: str | None


@value(frozen=True, slots=True)
class Sent:
    """What was sent out of a claimed queue, and after how long its next one is due."""

    claimed: Claimed
    attempts: tuple[Attempt, ...]
    pause_s: float = 0.0


def claim(
    connection: Connection,
    *,
    most: int,
    each: int,
    ahead: int,
    busy: Mapping[UUID, int],
    claim_s: float,
    broken: int,
) -> list[Claimed]:
    """Claims up to `most` queues that are due, with up to `ahead` deliveries of each queue.

    `each`: the most of an endpoint, with those that are `busy` already. `broken`: failures in a row from which on an
    endpoint is tried with one.
    """
    under_way = {"busy": [*busy.keys()], "counts": [*busy.values()]}
    bounds = {"most": most, "each": each, "claim_s": claim_s, "broken": broken, **under_way}
    found = connection.execute(_CLAIM, bounds).all()
    if not found:
        return []
    names = {"endpoints": [row.id for row in found], "queues": [row.queue for row in found], "most": ahead}
    waiting: dict[int, list[Waiting]] = {}
    untold: dict[int, Exception] = {}
    for row in connection.execute(_WAITING, names):
        if row.number in untold:
            continue  # it waits for the one before
        try:
            one = Waiting(row.id, messages.message(row), row.attempts, row.first_at)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this event's: the other queues go on
            untold[row.number] = error
        else:
            waiting.setdefault(row.number, []).append(one)
    return [
        Claimed(
            endpoints.from_row(row), row.queue, row.claim, row.at, tuple(waiting.get(number, ())), untold.get(number)
        )
        for number, row in enumerate(found, start=1)
    ]


def settle(connection: Connection, sent: Sequence[Sent]) -> set[tuple[UUID, int]]:
    """Notes what was sent. Returns the (endpoint, queue) that were still claimed: of the others, another one decides.

    What was delivered is delivered either way; of what was not, only who has the claim says so.
    """
    ours = _of_queues(sent)
    held = {(row.endpoint_id, row.queue) for row in connection.execute(_LOCK, ours)}
    told = [
        (each.claimed, attempt)
        for each in sent
        for attempt in each.attempts
        if _name(each.claimed) in held or attempt.status is DeliveryStatus.DELIVERED
    ]
    now = clock.now(connection)
    connection.execute(
        _SETTLE,
        {
            "now": now,
            "endpoints": [claimed.endpoint.id for claimed, _ in told],
            "ids": [attempt.id for _, attempt in told],
            "statuses": [attempt.status.value for _, attempt in told],
            "ats": [claimed.at for claimed, _ in told],
            "codes": [attempt.code for _, attempt in told],
            "answers": [attempt.answer for _, attempt in told],
        },
    )
    connection.execute(_EMPTY, ours)
    connection.execute(_NEXT, {**ours, "dues": [now + timedelta(seconds=each.pause_s) for each in sent]})
    return held


def prune(connection: Connection, days: int, most: int) -> int:
    """Forgets deliveries that ended so long ago. Returns how many, up to `most`."""
    return connection.execute(_PRUNE, {"days": days, "most": most}).rowcount


def replay(
    connection: Connection,
    endpoint_id: UUID,
    statuses: Sequence[DeliveryStatus],
    numbers: Sequence[int] | None,
    since: datetime | None,
    most: int | None = None,
) -> int:
    """Queues deliveries that have ended once more, under their ids, the oldest events first. Returns how many; `most`:
    no more than so many."""
    wanted: dict[str, Any] = {"endpoint": endpoint_id, "statuses": [status.value for status in statuses]}
    bounds = {"ids": numbers, "since": since, "most": most, "now": clock.now(connection)}
    return int(connection.execute(_REPLAY, {**wanted, **bounds}).scalar_one())


def _of_queues(sent: Sequence[Sent]) -> dict[str, Any]:
    return {
        "endpoints": [each.claimed.endpoint.id for each in sent],
        "queues": [each.claimed.queue for each in sent],
        "claims": [each.claimed.claim for each in sent],
    }


def _name(claimed: Claimed) -> tuple[UUID, int]:
    return claimed.endpoint.id, claimed.queue
