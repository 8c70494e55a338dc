"""`python -m tests.chaos`: everything fails, and nothing is lost. docs/chaos.md says what it does."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Annotated, Final, Literal, get_args

import typer
from rich.console import Console

from tests.chaos.load import busy
from tests.chaos.plan import RATE, Plan
from tests.chaos.report import show
from tests.chaos.run import run_alone
from tests.chaos.site import Kind
from tests.support.servers.rabbitmq_node import rabbitmq_programs

_WIDTH: Final = 160


def main(
    duration: Annotated[int, typer.Option(min=10, help="How long things fail, in seconds.")] = 120,
    seed: Annotated[
        str, typer.Option(help="What the run is drawn from; default, or random: a new one, which is printed.")
    ] = "",
    broker: Annotated[
        Literal["redis", "rabbitmq", "both"], typer.Option(help="On which broker; both run at the same time.")
    ] = "both",
    rate: Annotated[float, typer.Option(min=1, help="Jobs a second, for each broker.")] = RATE,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go, as JSON.")] = None,
    load: Annotated[int, typer.Option(min=0, help="So many processes that do nothing but keep a core busy.")] = 0,
    only: Annotated[str, typer.Option(help="Faults by the names of their classes, with commas; default: all.")] = "",
    keep: Annotated[
        Path | None, typer.Option(help="Where logs, timeline and findings go; default: .chaos, of runs that are red.")
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
    names = tuple(name for name in only.split(",") if name)
    seed = str(secrets.randbelow(1_000_000)) if seed in ("", "random") else seed
    plan = Plan(duration, seed, rate, load, names)
    try:
        _ = plan.deck
    except ValueError as error:
        console.print(f"chaos: {error}")
        raise typer.Exit(2) from None
    brokers: tuple[Kind, ...] = get_args(Kind) if broker == "both" else (broker,)
    if "rabbitmq" in brokers and rabbitmq_programs() is None:
        console.print("chaos: there is no rabbitmq-server on this machine: install RabbitMQ, or give --broker redis")
        raise typer.Exit(2)
    console.print(f"chaos: {', '.join(brokers)} for {duration} s, seed {plan.seed}", highlight=False)
    with busy(load), ThreadPoolExecutor(len(brokers)) as pool:
        tell = teller(console)
        reports = list(pool.map(lambda kind: run_alone(kind, plan, partial(tell, kind), stop, keep), brokers))
    for each in reports:
        show(each, console)
    if json_file is not None:
        json_file.write_text(json.dumps([each.document() for each in reports], indent=2) + "\n")
    if red := [each.broker for each in reports if not each.green]:
        console.print(f"again: {plan.again(red)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def teller(console: Console) -> Callable[[str, str], None]:
    """Prints progress, from any thread."""
    lock = Lock()

    def tell(broker: str, line: str) -> None:
        with lock:
            console.print(f"{broker:8}  {line}", highlight=False, markup=False, soft_wrap=True)

    return tell


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
