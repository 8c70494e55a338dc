"""Events: whether they leave, and whether endpoints take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from models.store.connection.session import snapshot
from models.store.read.accounts import now
from models.store.read.events import OutboxNow, outbox_now
from models.store.read.webhooks import EndpointShown, endpoint_list
from worker.database import engine_for
from worker.doctor.finding import Finding, ok, warning
from worker.settings.settings import Settings

_LATE: Final = timedelta(seconds=60)  # that an event may wait in the outbox, before that is said
_MANY: Final = 1_000  # endpoints that are looked at
_NAMED: Final = 5  # endpoints that are named


def examine_events(settings: Settings) -> Iterator[Finding]:
    """Reads, and changes nothing."""
    engine = engine_for(settings)
    try:
        with snapshot(engine) as connection:
            found, at = outbox_now(connection), now(connection)
            endpoints = endpoint_list(connection, _MANY, removed=False).rows
    finally:
        engine.dispose()
    yield from events(found, at, endpoints, settings)


def events(found: OutboxNow, at: datetime, endpoints: Sequence[EndpointShown], settings: Settings) -> Iterator[Finding]:
    yield _relay(found, at)
    if settings.event_stream:
        yield _stream(found)
    yield _endpoints(endpoints)
    if endpoints and settings.webhook_key is None:
        yield warning(
            "events.key", "BALANCE_WEBHOOK_KEY is not in these settings",
            "Where I/O workers have it so, they can sign nothing: what endpoints are to be sent waits.",
            "set it for the workers, as it was when the endpoints were added",
        )  # fmt: skip


def _relay(found: OutboxNow, at: datetime) -> Finding:
    check = "events.relay"
    if found.oldest_at is None or found.events == 0 or at - found.oldest_at < _LATE:
        return ok(check, f"in the outbox: {found.events}")
    return warning(
        check, f"in the outbox: {found.events}, the oldest since {_told(found.oldest_at)}",
        "Nobody is told what happens: neither the stream nor webhooks. Nothing is lost; balances are not concerned.",
        "see that an I/O worker runs, and what its log says of events (events.fault, events.lane_fault, "
        "events.stream_down)",
    )  # fmt: skip


def _stream(found: OutboxNow) -> Finding:
    check = "events.stream"
    if not found.backlog:
        return ok(check, "nothing waits for it alone")
    return warning(
        check, f"events that wait for the stream alone: {found.backlog}",
        "The broker does not take them, or has not for a while. Webhooks go on.",
        "see events.stream_down in the log of the I/O workers: its `next` says what to do",
    )  # fmt: skip


def _endpoints(endpoints: Sequence[EndpointShown]) -> Finding:
    check = "events.webhooks"
    disabled = [each for each in endpoints if each.endpoint.disabled not in (None, "asked")]
    failing = [each for each in endpoints if each.endpoint.disabled is None and each.open_at is not None]
    if not disabled and not failing:
        return ok(check, f"endpoints: {len(endpoints)}, waiting: {sum(each.waiting for each in endpoints)}")
    said = [f"{_names(which)} {word}" for which, word in ((disabled, "disabled"), (failing, "failing")) if which]
    return warning(
        check, "; ".join(said),
        "They are not told what happens. What waits for them is kept.",
        "`balance-worker webhooks list` has them; mend the receiver, then `webhooks enable` what is disabled",
    )  # fmt: skip


def _names(endpoints: Sequence[EndpointShown]) -> str:
    named = ", ".join(each.endpoint.name for each in endpoints[:_NAMED])
    return named + (f" and {len(endpoints) - _NAMED} more" if len(endpoints) > _NAMED else "")


def _told(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
