"""balance-worker webhooks test | replay"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Final
from uuid import uuid4

import typer

from models.contracts.jobs.webhooks import endpoint_body
from models.contracts.replies.events import event_of_test
from models.domain.webhooks.endpoints import DeliveryStatus
from models.store.connection.session import transaction
from models.store.write.events import deliveries
from tasks.events.sender import Fate, WebhookRequest
from worker.cli.terminal.arguments import since_when
from worker.cli.terminal.confirm import confirm
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson, line, write_json
from worker.cli.terminal.tables import facts
from worker.cli.terminal.waiting import Waiting
from worker.cli.webhooks.commands import Id, found_endpoint
from worker.clock import now
from worker.database import engine_for
from worker.settings.settings import load_settings
from worker.webhooks.registry import keys_of, sender_of

_TEST_EXAMPLES: Final = """\
\b
Examples:
  balance-worker webhooks test 0198c0de-0000-7000-8000-000000000001
"""
_REPLAY_EXAMPLES: Final = """\
\b
Examples:
  balance-worker webhooks replay 0198c0de-0000-7000-8000-000000000001
  balance-worker webhooks replay 0198c0de-0000-7000-8000-000000000001 --delivered --since 2026-11-26T08:00:00Z --yes
"""


def send_test(endpoint_id: Id, as_json: AsJson = False) -> None:
    """Sends an endpoint one event of type webhook.test from here, now, and shows what it says. Ends with 1 when it
    does not take it.

    Nothing else is sent earlier or later for it, and it counts for nothing: also an endpoint that is disabled is tried.
    """
    found, settings = found_endpoint(endpoint_id), load_settings()
    endpoint, at = found.endpoint, now()
    keys = keys_of(settings).of(endpoint, at)
    if not keys:
        raise Stop("the key that its secret was made from is not set here: BALANCE_WEBHOOK_KEY, as for the workers", NO)
    message = event_of_test(uuid4(), at, endpoint_body(endpoint))
    sender = sender_of(settings)
    try:
        with Waiting(f"Sending to {endpoint.name}"):
            [receipt] = sender.submit([WebhookRequest(endpoint.url, message.id, message.body, keys)]).result()
    finally:
        sender.close()
    if as_json:
        write_json({"event_id": message.id, **asdict(receipt)})
    else:
        facts(
            {
                "event": message.id,
                "came to": receipt.code,
                "status": "" if receipt.status is None else str(receipt.status),
                "seconds": f"{receipt.seconds:.3f}",
                "it said": receipt.answer or "",
            }
        )
    if receipt.fate is not Fate.DELIVERED:
        raise typer.Exit(NO)


def replay(
    endpoint_id: Id,
    delivered: Annotated[bool, typer.Option("--delivered", help="Also what has arrived already.")] = False,
    number: Annotated[
        list[int] | None,
        typer.Option(metavar="NUMBER", help="These deliveries alone, by their numbers; may be repeated."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What ended since then: 2026-11-26T08:00:00Z, 12h, 7d."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sends an endpoint again what was given up, under the same ids: receivers drop what they have seen.

    What is sent again comes before what waits, in the order in which it happened. Only what is kept can be sent again
    (BALANCE_WEBHOOK_KEEP_DAYS).
    """
    found, settings = found_endpoint(endpoint_id), load_settings()
    begin = None if since is None else since_when(since, "--since")
    at = now() - begin if isinstance(begin, timedelta) else begin
    statuses = [DeliveryStatus.EXHAUSTED, *([DeliveryStatus.DELIVERED] if delivered else [])]
    if delivered and not yes:
        confirm(f"Send {found.endpoint.name} again what has arrived there?")
    engine = engine_for(settings)
    try:
        with Waiting("Queueing deliveries"), transaction(engine) as connection:
            count = deliveries.replay(connection, endpoint_id, statuses, number, at)
    finally:
        engine.dispose()
    if as_json:
        write_json({"queued": count})
    else:
        line(f"{count} to be sent again")


def register(app: typer.Typer) -> None:
    app.command("test", epilog=_TEST_EXAMPLES)(send_test)
    app.command("replay", epilog=_REPLAY_EXAMPLES)(replay)
