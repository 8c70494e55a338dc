"""balance-worker charging show | pause | resume"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from models.store.connection.session import snapshot, transaction
from models.store.read.charges import ChargingNow, charging_now
from models.store.write.top_ups import switches
from worker.cli.terminal.output import AsJson, remark, write_json
from worker.cli.terminal.tables import facts
from worker.cli.terminal.waiting import Waiting
from worker.database import engine_for
from worker.encoding.shown import when
from worker.settings.settings import Settings, load_settings

_SHOW_EXAMPLES: Final = """\
\b
Examples:
  balance-worker charging show
"""
_PAUSE_EXAMPLES: Final = """\
\b
Examples:
  balance-worker charging pause --reason "ticket 17: doubled invoices" --by olga
"""
_RESUME_EXAMPLES: Final = """\
\b
Examples:
  balance-worker auto-topup list --due          what would be charged then
  balance-worker charging resume --by olga
"""

By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decided it; it is kept.")]


def show_charging(as_json: AsJson = False) -> None:
    """Shows whether charging is on or paused, since when, by whom and why, and what waits."""
    settings = load_settings()
    _tell(_look(settings), settings, as_json=as_json)


def pause(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept, and told to who asks.")],
    by: By,
    as_json: AsJson = False,
) -> None:
    """Pauses charging for all accounts: no auto top-up is made and no provider is asked, from the next tick on.

    What is being asked for at this moment is asked to its end, and settled. Everything else goes on, jobs too, and
    nothing is forgotten: what comes due meanwhile is looked at after `charging resume`, within the caps.
    """
    _switch(on=False, by=by, reason=reason, as_json=as_json)


def resume(
    by: By,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lets charging go on. What came due meanwhile is looked at by the next tick."""
    _switch(on=True, by=by, reason=reason, as_json=as_json)


def _switch(*, on: bool, by: str, reason: str | None, as_json: bool) -> None:
    for text, hint in ((by, "--by"), (reason, "--reason")):
        if text is not None and not text.strip():
            raise typer.BadParameter("whoever looks later has nothing else to go by", param_hint=hint)
    settings = load_settings()
    engine = engine_for(settings)
    try:
        with Waiting("Switching"), transaction(engine) as connection:
            switches.switch(connection, switches.CHARGING, on=on, by=by.strip(), reason=reason and reason.strip())
    finally:
        engine.dispose()
    _tell(_look(settings), settings, as_json=as_json)


def _look(settings: Settings) -> ChargingNow:
    engine = engine_for(settings)
    try:
        with Waiting("Reading charges"), snapshot(engine) as connection:
            return charging_now(connection, waits_long=timedelta(0), due_long=timedelta(0))
    finally:
        engine.dispose()


def _tell(found: ChargingNow, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        write_json(_document(found, settings))
        return
    since = {} if found.switch is None else {"since": when(found.switch.set_at), "by": found.switch.set_by}
    facts(
        {
            "charging": "paused" if found.paused else "on",
            **since,
            "because": (found.switch and found.switch.reason) or "",
            "charges that wait": _waiting(found.waiting, "oldest made at", when(found.waiting_since)),
            "for their payers": str(found.for_payers),
            "that nobody knows of": str(found.unknown),
            "policies due": _waiting(found.due, "since", when(found.due_since)),
        }
    )
    if not settings.charging:
        remark(
            "BALANCE_CHARGING is off in these settings: workers that have it so charge nothing, whatever is said here"
        )
    if found.unknown:
        remark("look them up at the provider: `balance-worker charges list --status pending`, then `charges settle`")


def _waiting(count: int, since: str, when_: str) -> str:
    return f"{count}, {since} {when_}" if count else "0"


def _document(found: ChargingNow, settings: Settings) -> dict[str, Any]:
    return {
        "paused": found.paused,
        "switch": None if found.switch is None else asdict(found.switch),
        "on_in_settings": settings.charging,
        "waiting": found.waiting,
        "waiting_since": found.waiting_since,
        "needs_action": found.for_payers,
        "unknown": found.unknown,
        "due": found.due,
        "due_since": found.due_since,
    }


def register(app: typer.Typer) -> None:
    app.command("show", epilog=_SHOW_EXAMPLES)(show_charging)
    app.command("pause", epilog=_PAUSE_EXAMPLES)(pause)
    app.command("resume", epilog=_RESUME_EXAMPLES)(resume)
