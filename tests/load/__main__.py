"""`python -m tests.load`: events by the hundred thousand, through two I/O workers to a stream and to a receiver.

Nothing may be lost, the order of each account is kept, and memory does not grow.
"""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.workers import WorkerFailed
from tests.load.run import WORKERS, Plan, Report, run

_WIDTH: Final = 140


def main(
    events: Annotated[int, typer.Option(min=1_000, help="How many.")] = 100_000,
    accounts: Annotated[int, typer.Option(min=1, help="Of so many accounts, in turn.")] = 2_000,
    share: Annotated[float, typer.Option(min=0, max=0.5, help="Of the requests to the receiver that fail.")] = 0.01,
    seed: Annotated[int, typer.Option(help="By which it is drawn which of them fail, and how.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go, as JSON.")] = None,
) -> None:
    """Fills an outbox, lets two I/O workers empty it, and checks everything that has arrived.

    Exit code 1 when anything was found. Example: python -m tests.load --events 20000 --share 0.05
    """
    console, began = Console(), monotonic()
    if not console.is_terminal:
        console.width = _WIDTH  # of a log; a terminal has its own

    def say(line: str) -> None:
        console.print(f"[dim]{monotonic() - began:6.1f} s[/dim]  {line}", highlight=False)

    try:
        report = run(Plan(events, accounts, share, seed), say)
    except WorkerFailed as failure:
        console.print(f"[bold red]failed:[/bold red] {escape(str(failure))}", highlight=False)
        raise typer.Exit(1) from None
    console.print(_table(report))
    if json_file is not None:
        json_file.write_text(json.dumps(report.document(), indent=2) + "\n")
    for finding in report.findings[:20]:
        console.print(f"[bold red]found:[/bold red] {escape(finding)}", highlight=False)
    if report.findings:
        console.print(f"{len(report.findings)} findings", highlight=False)
        raise typer.Exit(1)


def _table(report: Report) -> Table:
    table = Table(title=f"{report.plan.events:,} events of {report.plan.accounts:,} accounts, {WORKERS} I/O workers")
    table.add_column("what")
    table.add_column("figure", justify="right")
    failed = ", ".join(f"{count:,} {how}" for how, count in report.failed.items())
    rows = {
        "to the stream": f"{report.stream_rate:,.0f} events/s",
        "webhooks that arrived": f"{report.webhook_rate:,.0f} events/s",
        "requests that failed": failed,
        "again in the stream": f"{report.streamed_again:,}",
        "again at the receiver, though it had taken them": f"{report.sent_again:,}",
        "memory of a worker, after a fifth and in the end": f"{report.early_mib:.1f} and {report.last_mib:.1f} MiB",
        "lost, out of order, under another id": "nothing" if not report.findings else "see below",
    }
    for what, figure in rows.items():
        table.add_row(what, figure)
    return table


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
