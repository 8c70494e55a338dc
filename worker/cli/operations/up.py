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
from worker.local.welcome import sample, shell
from worker.settings.settings import load_settings

_DEFAULT_DIR = Path(".balance-worker")


def up(
    data_dir: Annotated[
        Path, typer.Option(help="Where the embedded servers keep their data; it survives restarts.")
    ] = _DEFAULT_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
    webhook: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send events there too. On this machine or in a private network: set BALANCE_WEBHOOK_ALLOW_PRIVATE.",
        ),
    ] = None,
    ready_timeout: Annotated[float, typer.Option(help="Seconds that all of it may take to become ready.")] = 60.0,
) -> None:
    """Run everything here: PostgreSQL, Valkey, migrations, money worker, I/O worker, beat, Flower, HTTP door.

    With BALANCE_BROKER_URL or BALANCE_DATABASE_URL set, that server is used instead of an embedded one. A process that
    dies is started again. The `ready` line has the door's address and a key for it, and where each process answers
    /metrics, /healthz and /readyz; with --webhook the secret that events are signed with, too. The `export` lines after
    it let commands and programs of another shell reach all that; the file `env` of the data directory has them, too. On
    servers of its own it opens wallet:w_1, for jobs to be tried on. Ctrl-C and SIGTERM stop everything in order; jobs
    that wait are kept.

    Examples:

      balance-worker up

      balance-worker up --data-dir /var/lib/balance-worker --json

      BALANCE_WEBHOOK_ALLOW_PRIVATE=true balance-worker up --webhook http://127.0.0.1:8787/events
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
    with _stop_signals() as stop, Stack(settings, data_dir, tell, webhook=webhook) as stack:
        stack.start(ready_timeout)
        ready: dict[str, Any] = {
            "broker_url": str(stack.settings.broker_url),
            "database_url": str(stack.settings.database_url),
            "flower_url": stack.flower_url,
            "http_url": stack.http_url,
            "http_api_key": stack.http_api_key,
            "metrics_urls": stack.metrics_urls,
            "queue": stack.settings.queue,
            "sample_wallet": sample.open_wallet(stack.settings, ready_timeout) if sample.wanted(settings) else None,
        }
        environment = shell.environment_of(stack)
        lines = shell.export_lines(environment)
        file = shell.write(lines, stack.data_dir)
        if stack.webhook_secret is not None:
            ready["webhook_secret"] = stack.webhook_secret
        if as_json:
            _line({"event": "ready", **ready, "environment": environment, "environment_file": str(file)})
        else:
            urls = ready.pop("metrics_urls")
            ready |= {f"metrics_url_{name}": url for name, url in urls.items()}
            _say("ready       " + "  ".join(f"{name}={value}" for name, value in ready.items() if value))
            _say("\n".join([f"For another shell, as `. {file}` sets it:", *lines]))
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
