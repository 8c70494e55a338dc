"""balance-worker top"""

from __future__ import annotations

import logging
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.live import Live

from worker.app import app as celery_app
from worker.cli.terminal.explanation import explain
from worker.cli.terminal.faults import Stop
from worker.cli.terminal.output import AsJson, write_json
from worker.cli.terminal.tables import console
from worker.cli.terminal.waiting import Waiting
from worker.cli.top.screen import screen
from worker.observability.log.configuring import configure_logging
from worker.settings.settings import load_settings
from worker.top.broker_look import BrokerLook, BrokerNow, trouble_of
from worker.top.document import document
from worker.top.ledger_look import LedgerLook, LedgerNow
from worker.top.looking import Looking

_EXAMPLES = """\
\b
Examples:
  balance-worker top                     Ctrl-C ends it
  balance-worker top --interval 10
  balance-worker top --once              one look, for a terminal or a file
  balance-worker top --once --json | jq '.broker.queues[] | {queue, messages, oldest_s}'
"""
_REDRAW_S: Final = 0.5


def top(
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.5, max=60, help="How long to wait from one look to the next.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, write it down, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Shows what happens now: jobs by code, latency, queues, workers, faults, what waits, and the busiest accounts.

    Asks the database (through indexes, whatever the size of the ledger), the broker, and the workers by remote control.
    A source that is away is said in its place, and the rest is shown all the same. Run it with the settings of the
    workers. Changes nothing.
    """
    settings = load_settings()
    if not once and as_json:
        raise Stop("one JSON document is of one look: write `balance-worker top --once --json`")
    if not once and not sys.stdout.isatty():
        raise Stop("there is no terminal to draw on: write `balance-worker top --once`")
    ledger: Looking[LedgerNow] = Looking(LedgerLook(settings), _of_database)
    broker: Looking[BrokerNow] = Looking(BrokerLook(celery_app, settings), lambda error: trouble_of(error, settings))
    if once:
        configure_logging("error")  # on stderr: stdout is for what was found
        _once(ledger, broker, as_json=as_json)
    else:
        logging.disable()  # it would tear what is drawn; what fails is shown in its place
        _go_on(ledger, broker, interval)


def _once(ledger: Looking[LedgerNow], broker: Looking[BrokerNow], *, as_json: bool) -> None:
    with Waiting("Looking"), ThreadPoolExecutor(2) as both:
        of_ledger, of_broker = both.submit(ledger.once), both.submit(broker.once)
        seen = of_ledger.result(), of_broker.result()
    if as_json:
        write_json(document(*seen))
    else:
        console().print(screen(*seen))


def _go_on(ledger: Looking[LedgerNow], broker: Looking[BrokerNow], interval: float) -> None:
    """On the terminal's other screen, which it leaves as it came, however it ends."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    ledger.start(interval)
    broker.start(interval)
    never = Event()
    try:
        with Live(screen(None, None), console=console(), screen=True, auto_refresh=False) as live:
            while True:
                live.update(screen(ledger.seen, broker.seen), refresh=True)
                never.wait(min(interval, _REDRAW_S))
    except KeyboardInterrupt:
        ledger.stop()
        broker.stop()


def _end(number: int, _frame: Any) -> NoReturn:
    raise SystemExit(128 + number)


def _of_database(error: Exception) -> str:
    return explain(error) or f"{type(error).__name__}: {error}"


def register(app: typer.Typer) -> None:
    app.command("top", epilog=_EXAMPLES)(top)
