"""`python -m tests.chaos`: everything fails, and nothing is lost. docs/chaos.md says what it does."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Annotated, Final, Literal, get_args

import typer
from rich.console import Console

from tests import servers
from tests.chaos.report import Report, show
from tests.chaos.run import run
from tests.chaos.site import Kind
from tests.rabbitmq_node import rabbitmq_programs

_WIDTH: Final = 160


def main(
    duration: Annotated[int, typer.Option(min=10, help="How long things fail, in seconds.")] = 120,
    seed: Annotated[str, typer.Option(help="What the run is drawn from; default: a new one, which is printed.")] = "",
    broker: Annotated[
        Literal["redis", "rabbitmq", "both"], typer.Option(help="On which broker; both run at the same time.")
    ] = "both",
    rate: Annotated[float, typer.Option(min=1, help="Jobs a second, for each broker.")] = 60,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go, as JSON.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep servers' files and logs of processes in this directory.")
    ] = None,
) -> None:
    """Kills, stops, pauses, cuts and restarts everything at random while jobs are published, and counts every job.

    Exit code 1 when anything was found. Ctrl-C or SIGTERM ends the faults early; what was published is counted all the
    same. Example: python -m tests.chaos --duration 600 --seed 7 --broker redis
    """
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console = Console(width=_WIDTH)
    seed = seed or str(secrets.randbelow(1_000_000))
    brokers: tuple[Kind, ...] = get_args(Kind) if broker == "both" else (broker,)
    if "rabbitmq" in brokers and rabbitmq_programs() is None:
        console.print("chaos: there is no rabbitmq-server on this machine: install RabbitMQ, or give --broker redis")
        raise typer.Exit(2)
    console.print(f"chaos: {', '.join(brokers)} for {duration} s, seed {seed}", highlight=False)
    with ThreadPoolExecutor(len(brokers)) as pool:
        reports = list(pool.map(partial(_one, duration, seed, rate, keep, stop, teller(console)), brokers))
    for each in reports:
        show(each, console)
    if json_file is not None:
        json_file.write_text(json.dumps([each.document() for each in reports], indent=2) + "\n")
    raise typer.Exit(0 if all(each.green for each in reports) else 1)


def teller(console: Console) -> Callable[[str, str], None]:
    """Prints progress, from any thread."""
    lock = Lock()

    def tell(broker: str, line: str) -> None:
        with lock:
            console.print(f"{broker:8}  {line}", highlight=False, markup=False, soft_wrap=True)

    return tell


def _one(
    duration: int,
    seed: str,
    rate: float,
    keep: Path | None,
    stop: Event,
    tell: Callable[[str, str], None],
    kind: Kind,
) -> Report:
    with servers.server_directory() as directory:
        try:
            return run(kind, duration, seed, rate, directory, partial(tell, kind), stop)
        finally:
            if keep is not None:
                shutil.copytree(directory / "logs", keep / kind, dirs_exist_ok=True)


if __name__ == "__main__":
    typer.run(main)
