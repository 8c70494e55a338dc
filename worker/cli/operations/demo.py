"""balance-worker demo: starts the system, plays the tour and shows it."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from models.domain import money
from models.domain.charging.policies import Reason
from models.domain.jobs.top_ups.looks import INVOICED
from models.domain.ledger import EntryKind
from worker.database import engine_for
from worker.demo.door import YOURSELF, through_the_door
from worker.demo.payment_service import PaymentService, payment_service
from worker.demo.script import Script, Step
from worker.demo.tour import Answer, Ledger, Tour, Unexpected
from worker.demo.webhook_receiver import WebhookReceiver, webhook_receiver
from worker.local.stack import Stack
from worker.settings.settings import Settings, load_settings

_DEFAULT_DIR = Path(".balance-worker/demo")


def demo(
    data_dir: Annotated[Path, typer.Option(help="Where the demo's own servers keep their data.")] = _DEFAULT_DIR,
) -> None:
    """Show the whole system at work, on servers of its own: jobs, refusals, holds, auto top-up, expiry, the ledger.

    Exits with 1 and says what, when anything is not as expected.

    Example:

      balance-worker demo
    """
    console, began = Console(width=None if sys.stdout.isatty() else 110), monotonic()
    console.print("Starting PostgreSQL, Valkey, two workers and beat …")
    with payment_service() as payments, webhook_receiver() as receiver, _stack(payments, receiver, data_dir) as stack:
        stack.start()
        receiver.secret = stack.webhook_secret or ""
        try:
            summary = _tour(console, stack, payments, receiver)
        except Unexpected as error:
            typer.echo(f"demo: failed: {error}\nlogs: {stack.data_dir / 'logs'}", err=True)
            raise typer.Exit(1) from error
        console.print("Stopping everything that was started …")
    typer.echo(f"demo: ok ({summary}, {monotonic() - began:.1f} s)")


def _stack(payments: PaymentService, receiver: WebhookReceiver, data_dir: Path) -> Stack:
    return Stack(_settings(payments), data_dir, webhook=receiver.url)


def _settings(payments: PaymentService) -> Settings:
    """The user's settings less the addresses: the demo touches no server but its own."""
    addresses = {
        "broker_url",
        "database_url",
        "result_url",
        "flower_port",
        "flower_address",
        "http_port",
        "http_address",
        "http_keys",
    }
    mine = load_settings()
    given = {name: getattr(mine, name) for name in mine.model_fields_set - addresses}
    # Nobody waits a quarter of an hour for a demo: no job of it comes late.
    given |= {"result_url": None, "topup_scan_every_s": 0.5, "expire_every_s": 0.5, "expiry_grace_s": 0.0}
    given |= {"charge_http_url": payments.url, "charge_http_secret": SecretStr(secrets.token_hex(16))}
    given |= {"charge_decline_backoff_s": 0.0, "charging": True}
    given |= {
        "webhook_allow_private": True,
        "webhook_retry_base_s": 0.5,
        "event_stream": True,
        "event_stream_url": None,
    }
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings.model_construct(_fields_set=set(given), **{**defaults, **given})


def _tour(console: Console, stack: Stack, payments: PaymentService, receiver: WebhookReceiver) -> str:
    engine = engine_for(stack.settings)
    tour = Tour(stack.settings.broker_url, stack.settings.queue, engine, Script(secrets.token_hex(4)))
    try:
        return _play(console, stack, tour, payments, receiver)
    finally:
        engine.dispose()


def _play(console: Console, stack: Stack, tour: Tour, payments: PaymentService, receiver: WebhookReceiver) -> str:
    script = tour.script
    for title, steps in script.chapters():
        _show(console, tour, title, steps)
    _show(console, tour, "A debit leaves less than the wallet's minimum, and beat tops it up", script.spend())
    tour.wait_for_entry("the auto top-up", lambda entry: entry.details.reason == INVOICED)
    console.print("  beat found the wallet and topped it up by 40")
    _charge(console, tour, payments)
    _show(console, tour, "Credits that expire", script.grant())
    tour.wait_for_entry("the expiry", lambda entry: entry.details.kind is EntryKind.EXPIRY)
    console.print("  beat found the expired credits and took them out")
    for ledger in (ledgers := tour.ledgers()):
        _show_ledger(console, ledger)
    _show_webhooks(console, tour, receiver)
    door = _show_door(console, stack)
    _show(console, tour, "The receiver is told nothing any more", script.part(tour.endpoint_at(receiver.url)))
    report, counts = tour.verify(), tour.counts
    console.print(f"\nverify: every chain and sum adds up: {report.accounts} accounts, {report.entries} entries")
    if door:
        console.print(YOURSELF, highlight=False, soft_wrap=True)
    entries = sum(len(ledger.entries) for ledger in ledgers)
    return (
        f"{counts.jobs} messages: {counts.applied} applied, {counts.replayed} replayed, {counts.refused} refused, "
        f"{counts.parked} parked; {entries} entries; {len(receiver.events)} webhooks"
    )


def _show_door(console: Console, stack: Stack) -> bool:
    """Requests of another service, if the door is installed."""
    if stack.http_url is None or stack.http_api_key is None:
        return False
    table = Table(
        "request",
        "status",
        "answer",
        title="\nThe same over HTTP: a wallet is opened and topped up, twice with one key",
    )
    table.title_justify = "left"
    for request in through_the_door(stack.http_url, stack.http_api_key):
        table.add_row(*request)
    console.print(table)
    return True


def _charge(console: Console, tour: Tour, payments: PaymentService) -> None:
    """A charge, declines that suspend, a resume, and a cap that defers."""
    script = tour.script
    _show(console, tour, "Another wallet is topped up from a card", script.charge())
    tour.wait_for_policy("the charge", lambda policy: len(payments.charged) == 1 and policy.open_charge is None)
    console.print(f"  charged and credited once: {_paid(payments)}")
    payments.declining = True
    _show(console, tour, "The card is declined", script.decline())
    suspended = tour.wait_for_policy("the suspension", lambda policy: policy.suspended is not None)
    console.print(f"  tried {payments.declined} times, then suspended: {suspended.suspended}")
    payments.declining = False
    _show(console, tour, "Its owner has the policy resumed", script.resume())
    tour.wait_for_policy("the second charge", lambda policy: len(payments.charged) == 2 and policy.open_charge is None)
    console.print(f"  charged and credited once: {_paid(payments)}")
    _show(console, tour, "A third top-up would pass the monthly cap of 100", script.past_the_cap())
    held = tour.wait_for_policy("the cap", lambda policy: policy.reason is Reason.CAP_REACHED)
    console.print(
        f"  {held.reason} until {held.not_before:%Y-%m-%d %H:%M} UTC, when the month is over: it is made then"
    )


def _show_webhooks(console: Console, tour: Tour, receiver: WebhookReceiver) -> None:
    """What was told of the wallet with a card: every event signed, and in its order."""
    told = tour.wait_for_events(receiver)
    table = Table("event", "entry", "id", title=f"\nWebhooks received about {tour.script.card}")
    table.title_justify = "left"
    table.columns[1].justify = "right"
    for event in told:
        table.add_row(event["type"], str(event["seq"]), event["id"][:8] + "…" + event["id"][35:])
    console.print(table)
    console.print(f"  {len(receiver.events)} webhooks in all, each with a signature that the receiver has verified")


def _paid(payments: PaymentService) -> str:
    amount, currency = [*payments.charged.values()][-1]
    return f"{money.text(money.from_units(amount, 2))} {currency}, by the payment service"


def _show(console: Console, tour: Tour, title: str, steps: list[Step]) -> None:
    table = Table("what was sent", "job", "answer", "amount", "balance", title=f"\n{title}", title_justify="left")
    for column in (3, 4):
        table.columns[column].justify = "right"
    for step in steps:
        table.add_row(*_row(tour.play(step)))
    console.print(table)


def _row(answer: Answer) -> list[str]:
    said = f"{answer.code} (replayed)" if answer.replayed else answer.code
    entry = answer.entry
    if entry is None:
        return [answer.step.says, answer.step.job, f"{said} {answer.message}".strip()[:60], "", ""]
    amounts = [money.text(money.from_units(entry[name], entry["scale"])) for name in ("amount", "balance_after")]
    return [answer.step.says, answer.step.job, said, *amounts]


def _show_ledger(console: Console, ledger: Ledger) -> None:
    account = ledger.account
    title = f"\nLedger of {account.key}"
    table = Table("seq", "at (UTC)", "kind", "reason", "amount", "balance", "hash", title=title)
    table.title_justify = "left"
    for column in (0, 4, 5):
        table.columns[column].justify = "right"
    for entry in ledger.entries:
        amounts = [money.from_units(units, account.scale) for units in (entry.amount, entry.balance_after)]
        table.add_row(
            str(entry.seq),
            f"{entry.details.at:%H:%M:%S}",
            entry.details.kind.value,
            entry.details.reason or entry.details.description or "",
            *(money.text(amount) for amount in amounts),
            entry.hash.hex()[:10],
        )
    console.print(table)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)
