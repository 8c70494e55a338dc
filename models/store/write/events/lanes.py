"""Lanes: one relay at a time takes from each, in its order, and takes away what has gone where it had to go.

Rows are named one by one. An event with a lower number may become visible later, when its transaction took longer: one
of another account, since an account's own are numbered under its lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, TextClause, text

from models.contracts.replies.events import EventMessage
from models.domain.value import value
from models.store.connection import clock
from models.store.write.events import messages
from models.tables.outbox import LANES

COUNT: Final = LANES
_LISTENING: Final = "exists (select from webhook_endpoints where disabled is null and not removed)"
_CLAIM: Final = """
    update outbox_lanes set turn = (select max(turn) + 1 from outbox_lanes)
    where lane in (
        select l.lane from outbox_lanes l
        where l.lane <> all(cast(:others as smallint[]))
          and (exists (select from outbox o where o.lane = l.lane) {or_waiting})
        order by l.turn, l.lane limit :lanes for update skip locked
    )
    returning lane, {listening} as listening
"""
_CLAIM_OUTBOX: Final = text(_CLAIM.format(or_waiting="", listening=_LISTENING))
_CLAIM_ANY: Final = text(
    _CLAIM.format(or_waiting="or exists (select from stream_backlog b where b.lane = l.lane)", listening=_LISTENING)
)
_OF_LANES: Final = """
    from unnest(cast(:lanes as smallint[])) as l (lane)
    cross join lateral (select * from {table} t where t.lane = l.lane order by t.id limit :most) as o
"""
_TAKE: Final = f"select o.lane, {messages.COLUMNS} {_OF_LANES} {messages.JOINS} order by o.lane, o.id"
_OUTBOX: Final = text(_TAKE.format(table="outbox"))
_BACKLOG: Final = text(_TAKE.format(table="stream_backlog"))
_PLACES: Final = text(f"select o.lane, o.id {_OF_LANES}".format(table="outbox"))
_NAMED: Final = "unnest(cast(:lanes as smallint[]), cast(:ids as bigint[])) as n (lane, id)"
_GONE: Final = text(f"delete from outbox o using {_NAMED} where o.lane = n.lane and o.id = n.id")  # noqa: S608 - our own text
_CAUGHT_UP: Final = text(f"delete from stream_backlog o using {_NAMED} where o.lane = n.lane and o.id = n.id")  # noqa: S608 - as above
_PUT_OFF: Final = text(f"""
    insert into stream_backlog (lane, id, type, job_id, letter_id, account_id, seq, data)
    select o.lane, o.id, o.type, o.job_id, o.letter_id, o.account_id, o.seq, o.data
    from {_NAMED} join outbox o on o.lane = n.lane and o.id = n.id
""")  # noqa: S608 - as above
# Whoever removes an endpoint waits for this, or this for him: nothing is queued for one that is gone.
_FAN_OUT: Final = text(f"""
    with listening as materialized (
        select id, types, kinds from webhook_endpoints where disabled is null and not removed order by id for key share
    ), queued as (
        insert into webhook_deliveries
            (endpoint_id, id, queue, type, job_id, letter_id, account_id, seq, data, status, attempts, queued_at)
        select e.id, o.id, coalesce(o.account_id, -o.id), o.type, o.job_id, o.letter_id, o.account_id, o.seq, o.data,
               'waiting', 0, :now
        from {_NAMED}
        join outbox o on o.lane = n.lane and o.id = n.id
        left join accounts a on a.id = o.account_id
        join listening e
            on (e.types is null or o.type = any(e.types)) and (e.kinds is null or a.kind = any(e.kinds))
        returning endpoint_id, queue
    )
    insert into webhook_queues (endpoint_id, queue, due_at, claim)
    select endpoint_id, queue, :now, 0 from queued group by 1, 2 order by 1, 2
    -- Locks it: whoever has just sent the last one would take the queue away.
    on conflict (endpoint_id, queue) do update set due_at = webhook_queues.due_at
""")  # noqa: S608 - as above


@value(frozen=True, slots=True)
class Lanes:
    """Some that are this transaction's until it ends."""

    numbers: tuple[int, ...]
    listening: bool  # whether there were endpoints then; what is taken later may be for one that has come since


@value(frozen=True, slots=True)
class Place:
    """Of an event in the outbox, or in the stream's backlog."""

    lane: int
    id: int


@value(frozen=True, slots=True)
class Taken:
    place: Place
    message: EventMessage


def claim(connection: Connection, most: int, *, backlog: bool, others: Collection[int] = ()) -> Lanes | None:
    """Up to `most` lanes with something in them, those whose turn is longest ago; None: nobody's is left.

    `backlog`: also those in which only the stream's backlog waits. `others`: lanes that are not wanted.
    """
    found = connection.execute(_CLAIM_ANY if backlog else _CLAIM_OUTBOX, {"others": list(others), "lanes": most}).all()
    return Lanes(tuple(row.lane for row in found), found[0].listening) if found else None


def take(connection: Connection, lanes: Lanes, most: int) -> list[Taken]:
    """The first events of each lane, up to `most` in all."""
    return _taken(connection, _OUTBOX, lanes, most)


def backlog(connection: Connection, lanes: Lanes, most: int) -> list[Taken]:
    """The first events of each lane that the stream has missed: they go before those of the outbox."""
    return _taken(connection, _BACKLOG, lanes, most)


def places(connection: Connection, lanes: Lanes, most: int) -> list[Place]:
    """Where the first events of each lane are."""
    return [Place(row.lane, row.id) for row in connection.execute(_PLACES, _bounds(lanes, most))]


def fan_out(connection: Connection, events: Sequence[Place]) -> None:
    """Queues these events of the outbox for every endpoint that wants them."""
    connection.execute(_FAN_OUT, {**_named(events), "now": clock.now(connection)})


def put_off(connection: Connection, events: Sequence[Place]) -> None:
    """Keeps these events of the outbox for the stream."""
    connection.execute(_PUT_OFF, _named(events))


def gone(connection: Connection, events: Sequence[Place]) -> None:
    """Takes these events out of the outbox."""
    connection.execute(_GONE, _named(events))


def caught_up(connection: Connection, events: Sequence[Place]) -> None:
    """Takes these events out of the stream's backlog."""
    connection.execute(_CAUGHT_UP, _named(events))


def _taken(connection: Connection, statement: TextClause, lanes: Lanes, most: int) -> list[Taken]:
    found = connection.execute(statement, _bounds(lanes, most))
    return [Taken(Place(row.lane, row.id), messages.message(row)) for row in found]


def _bounds(lanes: Lanes, most: int) -> dict[str, Any]:
    return {"lanes": list(lanes.numbers), "most": -(-most // len(lanes.numbers))}


def _named(events: Sequence[Place]) -> dict[str, Any]:
    return {"lanes": [event.lane for event in events], "ids": [event.id for event in events]}
