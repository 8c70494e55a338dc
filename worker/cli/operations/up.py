"""balance-worker up: the whole system in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from types import FrameType
from typing import Annotated, Any

import typer

from worker.encoding.visible import visible
from worker.local.stack import Stack
from worker.local.supervisor import Event
from worker.settings.settings import load_settings

_DEFAULT_DIR = Path(".balance-worker")


def up(
    data_dir: Annotated[
        Path, typer.Option(help="Where the embedded servers keep their data; it survives restarts.")
    ] = _DEFAULT_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    ready_timeout: Annotated[float, typer.Option(help="Seconds that all of it may take to become ready.")] = 60.0,
) -> None:
    """Run everything here: PostgreSQL, Valkey, migrations, money worker, I/O worker, beat and Flower.

    With BALANCE_BROKER_URL or BALANCE_DATABASE_URL set, that server is used instead of an embedded one. A process that
    dies is started again. Ctrl-C and SIGTERM stop everything in order; jobs that wait are kept.

    Examples:

      balance-worker up

      balance-worker up --data-dir /var/lib/balance-worker --json
    """

    def tell(event: Event) -> None:
        if as_json:
            _line(
                {"event": "process", "name": event.name, "state": event.kind, "pid": event.pid, "detail": event.detail}
            )
        else:
            pid = "" if event.pid is None else f"pid {event.pid}"
            _say(f"{event.name:<12}{event.kind:<10}{pid:<12}{event.detail}")

    settings = load_settings()
    with _stop_signals() as stop, Stack(settings, data_dir, tell) as stack:
        stack.start(ready_timeout)
        ready = {
            "broker_url": str(stack.settings.broker_url),
            "database_url": str(stack.settings.database_url),
            "flower_url": stack.flower_url,
            "queue": stack.settings.queue,
        }
        if as_json:
            _line({"event": "ready", **ready})
        else:
            _say("ready       " + "  ".join(f"{name}={value}" for name, value in ready.items() if value))
        stop.wait()
        if not as_json:
            _say("stopping    jobs that wait are kept; a job being applied is finished")


@contextmanager
def _stop_signals() -> Iterator[Flag]:
    """A flag that Ctrl-C and SIGTERM set. During the start it takes effect once the start has come to its end."""
    flag = Flag()

    def stop(_number: int, _frame: FrameType | None) -> None:
        flag.set()  # a second one changes nothing: it is stopping already, in order

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _line(document: dict[str, Any]) -> None:
    _say(json.dumps(document, ensure_ascii=False))


def _say(text: str) -> None:
    typer.echo(visible(text, keep="\n"))  # the last line of a log, where something failed, may be a stranger's


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(up)
