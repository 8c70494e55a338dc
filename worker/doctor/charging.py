"""Charging: paused or not, and what waits for longer than it should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from models.store.connection.session import snapshot
from models.store.read.charges import ChargingNow, charging_now
from worker.database import engine_for
from worker.doctor.finding import Finding, ok, warning
from worker.settings.settings import Settings

_PROVIDER_MIN: Final = 10  # minutes that a charge may wait for its provider, before that is said
_SCANS: Final = 3
_GRACE_S: Final = 5.0
_HELD: Final = "No auto top-up is made and no provider is asked. Jobs are not concerned."


def examine_charging(settings: Settings) -> Iterator[Finding]:
    """Reads, and changes nothing."""
    engine = engine_for(settings)
    try:
        with snapshot(engine) as connection:
            found = charging_now(
                connection, waits_long=timedelta(minutes=_PROVIDER_MIN), due_long=timedelta(seconds=late_s(settings))
            )
    finally:
        engine.dispose()
    yield from charging(found, settings)


def late_s(settings: Settings) -> float:
    """How long a policy may be due before a scan should have looked at it."""
    return _SCANS * settings.topup_scan_every_s + _GRACE_S


def charging(found: ChargingNow, settings: Settings) -> Iterator[Finding]:
    yield _switch(found, settings)
    yield _unknown(found)
    if not found.paused and settings.charging:  # otherwise that is why they wait
        yield _waiting(found)
        yield _due(found, settings)


def _switch(found: ChargingNow, settings: Settings) -> Finding:
    check, switch = "charging.on", found.switch
    if switch is not None and not switch.is_on:
        because = f": {switch.reason}" if switch.reason else ""
        return warning(
            check, f"paused since {_told(switch.set_at)} by {switch.set_by}{because}", _HELD,
            "once the reason is gone: `balance-worker charging resume --by NAME`",
        )  # fmt: skip
    if not settings.charging:
        return warning(
            check, "BALANCE_CHARGING is off in these settings", f"Where workers have it so: {_HELD}",
            "set it to true for all workers, unless it is meant to be off",
        )  # fmt: skip
    return ok(check, "on")


def _unknown(found: ChargingNow) -> Finding:
    check = "charging.unknown"
    if not found.unknown:
        return ok(check, "none")
    return warning(
        check, f"charges of which nobody knows what became: {found.unknown}",
        "They may have been paid and are not credited. Nobody is asked any more, and their accounts are not topped up.",
        "`balance-worker charges list --status pending` has them; look each up at its provider, then "
        "`balance-worker charges settle`",
    )  # fmt: skip


def _waiting(found: ChargingNow) -> Finding:
    check = "charging.providers"
    if not found.long_waiting:
        return ok(check, f"waiting: {found.waiting}")
    return warning(
        check,
        f"waiting for longer than {_PROVIDER_MIN} minutes: {found.long_waiting}, since {_told(found.waiting_since)}",
        "Their providers do not say what became of them, or are not asked. They are not credited, and asked for again.",
        "`balance-worker charges list --status pending` has the last answers; see that the I/O workers have the "
        "provider, and reach it",
    )  # fmt: skip


def _due(found: ChargingNow, settings: Settings) -> Finding:
    check = "charging.scan"
    if not found.overdue:
        return ok(check, f"due: {found.due}")
    return warning(
        check, f"due for longer than {late_s(settings):g} s: {found.overdue}, since {_told(found.due_since)}",
        "Nobody looks at them: their accounts are not topped up, and debits may be refused.",
        "see that beat and an I/O worker run (beat.alive), and that BALANCE_CHARGING is on for it",
    )  # fmt: skip


def _told(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
