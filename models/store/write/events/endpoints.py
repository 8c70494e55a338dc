"""Endpoints of webhooks: locked and written by their jobs; how sending to them goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from models.domain.value import value
from models.domain.webhooks.endpoints import DisabledFor, Endpoint, Secret
from models.store.connection import clock
from models.store.write import rows
from models.tables import webhooks as tables
from models.tables.base import fixed

COLUMNS: Final = (
    "e.id, e.name, e.url, e.types, e.kinds, e.disabled, e.removed, e.secret_version, e.secret_key, e.former_version,"
    " e.former_key, e.former_until, e.created_at, e.updated_at"
)
_LOCK: Final = text(f"""
    select {COLUMNS} from webhook_endpoints e where e.id = any(cast(:ids as uuid[])) order by e.id for update
""")  # noqa: S608 - our own column list
_SUCCEEDED: Final = text("""
    update webhook_endpoints set failures = 0, failing_since = null, open_at = null
    where id = any(cast(:ids as uuid[])) and failures > 0
""")
# What was under way together fails together: it breaks once. From then on each attempt is one, and what was under way
# before does not lengthen the pause.
_FAILED: Final = text("""
    update webhook_endpoints e
    set failures = f.after, failing_since = coalesce(e.failing_since, cast(:now as timestamptz)),
        open_at = case
            when e.open_at > cast(:now as timestamptz) then e.open_at
            when f.after >= :broken then (cast(:now as timestamptz) at time zone 'UTC' + make_interval(secs =>
                least(:cap_s, :base_s * power(2, least(f.after - :broken, 30))))) at time zone 'UTC' end
    from (select x.id, case when e.open_at > cast(:now as timestamptz) then e.failures
                            else least(e.failures + x.failures, greatest(:broken, e.failures + 1)) end as after
          from unnest(cast(:ids as uuid[]), cast(:counts as bigint[])) as x (id, failures)
          join webhook_endpoints e on e.id = x.id order by x.id for no key update of e) as f
    where e.id = f.id
    returning e.id, e.failures, extract(epoch from cast(:now as timestamptz) - e.failing_since) as failing_s, e.open_at
""")
_DROP: Final = text("""
    with dropped as (
        update webhook_deliveries set status = 'dropped', ended_at = statement_timestamp()
        where endpoint_id = any(cast(:ids as uuid[])) and status = 'waiting')
    delete from webhook_queues where endpoint_id = any(cast(:ids as uuid[]))
""")


@value(frozen=True, slots=True)
class Breaker:
    """When an endpoint that fails is left alone."""

    failures: int = 5  # in a row, before it is
    base_s: float = 5.0  # for how long, doubling
    cap_s: float = 300.0


@value(frozen=True, slots=True)
class Failing:
    """An endpoint that has failed again."""

    id: UUID
    failures: int  # in a row, by which its pauses grow
    seconds: float  # since the first of them


def lock(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Endpoint]:
    """The endpoints with these ids, as they are until this transaction ends."""
    return {row.id: from_row(row) for row in connection.execute(_LOCK, {"ids": sorted(ids)})}


def save(connection: Connection, endpoints: Sequence[Endpoint]) -> None:
    """Writes new endpoints and what has changed of others; what was removed is sent nothing any more."""
    if not endpoints:
        return
    written = [_row(endpoint) for endpoint in endpoints]
    kept = fixed(tables.Endpoint)
    rows.upsert(connection, tables.Endpoint, "id", rows.by_column(written), kept)
    if removed := [endpoint.id for endpoint in endpoints if endpoint.removed]:
        connection.execute(_DROP, {"ids": removed})


def succeeded(connection: Connection, ids: Iterable[UUID]) -> None:
    """Something has arrived there."""
    connection.execute(_SUCCEEDED, {"ids": sorted(ids)})


def failed(connection: Connection, counts: dict[UUID, int], breaker: Breaker) -> list[Failing]:
    """So many requests in a row have failed there; from `breaker.failures` on it is left alone for a while."""
    found = connection.execute(
        _FAILED,
        {
            "ids": [*counts],
            "counts": [*counts.values()],
            "now": clock.now(connection),
            "broken": breaker.failures,
            "base_s": breaker.base_s,
            "cap_s": breaker.cap_s,
        },
    )
    return [Failing(row.id, row.failures, float(row.failing_s)) for row in found]


def from_row(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id,
        name=row.name,
        url=row.url,
        types=None if row.types is None else tuple(row.types),
        kinds=None if row.kinds is None else tuple(row.kinds),
        disabled=None if row.disabled is None else DisabledFor(row.disabled),
        removed=row.removed,
        secret=Secret(row.secret_version, bytes(row.secret_key)),
        former=None if row.former_version is None else Secret(row.former_version, bytes(row.former_key)),
        former_until=row.former_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _row(endpoint: Endpoint) -> dict[str, Any]:
    former = endpoint.former
    # Whoever changes it tries it anew.
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "url": endpoint.url,
        "types": endpoint.types,
        "kinds": endpoint.kinds,
        "disabled": endpoint.disabled,
        "removed": endpoint.removed,
        "secret_version": endpoint.secret.version,
        "secret_key": endpoint.secret.key,
        "former_version": None if former is None else former.version,
        "former_key": None if former is None else former.key,
        "former_until": endpoint.former_until,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
        "failures": 0,
        "failing_since": None,
        "open_at": None,
    }
