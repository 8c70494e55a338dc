"""`python -m benchmarks`: runs the benchmarks, or some of them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks import report
from benchmarks.bench import Bench
from benchmarks.bounds import bounds
from benchmarks.charging import charging
from benchmarks.client import client
from benchmarks.contender import Incoherent
from benchmarks.events import events
from benchmarks.growth import growth
from benchmarks.http import http
from benchmarks.latency import latency
from benchmarks.memory import memory
from benchmarks.publishing import publishing
from benchmarks.scan import scan
from benchmarks.servers import RABBITMQ_URL, Servers
from benchmarks.sizes import FULL, QUICK
from benchmarks.throughput import throughput
from benchmarks.workers import WorkerFailed

PARTS: Final[dict[str, Callable[[Bench], None]]] = {
    "bound": bounds,  # first: it may find that there is nothing to compare with
    "uniform": partial(throughput, workload="uniform"),
    "hot": partial(throughput, workload="hot"),
    "publishing": publishing,
    "client": client,
    "http": http,
    "latency": latency,
    "scan": scan,
    "charging": charging,
    "events": events,
    "growth": growth,
    "memory": memory,
    "duplicates": partial(throughput, workload="duplicates"),
    "mixed": partial(throughput, workload="mixed"),
}
_WIDTH: Final = 140
_TERMINATED: Final = 128 + signal.SIGTERM
_RESULTS: Final = Path(__file__).resolve().parent / "results"


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, one repetition: under three minutes.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help=f"A part: {', '.join(PARTS)}. May be given again; default: all of them.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Where latest.json and latest.svg go.")] = _RESULTS,
    data: Annotated[
        Path | None, typer.Option(help="Where the servers keep their data for the run; default: the temporary one.")
    ] = None,
    rabbitmq: Annotated[str, typer.Option(help="The RabbitMQ to use, if one answers there.")] = RABBITMQ_URL,
) -> None:
    """Measures the worker beside others, its bound and PostgreSQL's floor, on servers that it starts and removes."""
    parts = list(dict.fromkeys(only or PARTS))
    if unknown := [name for name in parts if name not in PARTS]:
        raise typer.BadParameter(f"{unknown[0]} is no part; there are {', '.join(PARTS)}", param_hint="--only")
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH  # of a log; a terminal has its own
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))  # as with Ctrl-C, nothing is left behind
    try:
        made = _measured(Servers(data, rabbitmq), parts, console, quick=quick)
    except (Incoherent, WorkerFailed) as failure:
        console.print(f"[bold red]failed:[/bold red] {escape(str(failure))}", highlight=False)
        raise typer.Exit(1) from None
    report.show(made, console)
    for path in report.write(made, output):
        console.print(f"written: {path}", highlight=False)


def _measured(stopped: Servers, parts: list[str], console: Console, *, quick: bool) -> dict[str, Any]:
    with stopped as servers, Bench(servers, QUICK if quick else FULL, console) as bench:
        bench.say(f"servers are up; RabbitMQ {'answers' if bench.has('rabbitmq') else 'does not answer'}")
        for name in parts:
            if bench.seconds > bench.sizes.latest_start_s:
                bench.figures.skipped[name] = "the time was up"
            else:
                PARTS[name](bench)
        return report.document(bench, quick=quick, parts=parts)


if __name__ == "__main__":
    typer.run(main)
