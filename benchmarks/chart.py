"""The chart of a run: an SVG of bars, one panel for each part."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

_WIDTH: Final = 10.0  # inches, as matplotlib has it
_ROW: Final = 0.25
_HEAD: Final = 0.65  # a panel's title and subtitle, and the space above
_TOP: Final = 0.9
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "balance-worker",  # the same figures make the same file
}
_COLORS: Final = {"ours": "#2563eb", "plain": "#94a3b8", "floor": "#d9a441", "peer": "#64748b", "bound": "#0d9488"}
_LEGEND: Final = {
    "ours": "balance-worker",
    "plain": "plain Celery + ORM",
    "floor": "PostgreSQL alone",
    "peer": "pgqueuer",
    "bound": "the bound",
}

Kind = str
"""A key of _COLORS."""


@dataclass(frozen=True, slots=True)
class Bar:
    name: str  # of the figure
    label: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Panel:
    part: str
    title: str
    subtitle: str
    bars: tuple[Bar, ...]


_PLAIN: Final = Bar("plain", "plain, 4 processes", "plain")
_OURS: Final = (Bar("redis_1", "1 process", "ours"), Bar("redis_2", "2 processes", "ours"))
_FLOOR: Final = (
    Bar("floor", "16 clients", "floor"),
    Bar("lean_floor", "16 clients, 1 statement", "floor"),
)
_RABBITMQ: Final = (
    Bar("rabbitmq_plain", "RabbitMQ: plain", "plain"),
    Bar("rabbitmq_1", "RabbitMQ: 1 process", "ours"),
    Bar("rabbitmq_2", "RabbitMQ: 2 processes", "ours"),
    Bar("rabbitmq_1_events", "RabbitMQ: 1, events on", "ours"),
    Bar("rabbitmq_2_events", "RabbitMQ: 2, events on", "ours"),
)
_EVENTS: Final = (
    Bar("redis_1_events", "1 process, events on", "ours"),
    Bar("redis_2_events", "2 processes, events on", "ours"),
)
_MORE: Final = "jobs a second, more is better"
_LESS: Final = "milliseconds, less is better"
_PANELS: Final = (
    Panel("uniform", "Throughput over all accounts", _MORE, (_PLAIN, *_OURS, *_EVENTS, *_FLOOR, *_RABBITMQ)),
    Panel("hot", "Throughput on one hot account", _MORE, (_PLAIN, *_OURS, *_FLOOR, *_RABBITMQ)),
    Panel("bound", "Wallets: peer, ours and the bound", _MORE, (
        Bar("peer", "pgqueuer, 1 process", "peer"), *_OURS,
        Bar("bound_1", "bound, 1 process", "bound"), Bar("bound_2", "bound, 2 processes", "bound"),
        Bar("hot_redis_1", "one wallet: 1 process", "ours"), Bar("hot_bound_1", "one wallet: bound", "bound"),
    )),
    Panel("cpu_us_per_job", "Processor time a job, worker and PostgreSQL", "microseconds, less is better", (
        Bar("peer", "pgqueuer, 1 process", "peer"), *_OURS,
        Bar("bound_1", "bound, 1 process", "bound"), Bar("bound_2", "bound, 2 processes", "bound"),
    )),
    Panel("wal_bytes_per_job", "Write-ahead log a job", "bytes, less is better", (
        Bar("peer", "pgqueuer, 1 process", "peer"), *_OURS, Bar("bound_1", "bound, 1 process", "bound"),
    )),
    Panel("mixed", "Users, wallets and apps by turns", _MORE, (_PLAIN, *_OURS)),
    Panel("duplicates", "One message in a hundred sent twice", _MORE, (_PLAIN, *_OURS)),
    Panel("latency", "Publish to committed, 100 jobs a second", _LESS, (
        Bar("plain_p50", "plain, p50", "plain"), Bar("redis_1_p50", "1 process, p50", "ours"),
        Bar("plain_p99", "plain, p99", "plain"), Bar("redis_1_p99", "1 process, p99", "ours"),
    )),
    Panel("publishing", "Publishing", _MORE, (
        Bar("apply_async", "apply_async, one by one", "plain"), Bar("submit_many", "submit_many", "ours"),
    )),
    Panel("growth", "Throughput as the ledger grows", _MORE, (
        Bar("small", "small ledger", "ours"), Bar("grown", "large ledger", "ours"),
    )),
    Panel("scan", "Find and fill due wallets", _LESS, (
        Bar("small_scan", "among few", "ours"), Bar("grown_scan", "among many", "ours"),
    )),
    Panel("memory", "Resident memory of a process", "MiB", (
        Bar("first", "early", "ours"), Bar("last", "at the end", "ours"),
    )),
)  # fmt: skip


Measured = tuple[Panel, list[tuple[Bar, float]]]


def chart(report: dict[str, Any]) -> str:
    """The SVG text for the contents of latest.json. Parts that were not measured are left out."""
    # Nothing about the file itself, which would bring a vocabulary of another site into it.
    about = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    written = io.StringIO()
    with rc_context(_STYLE):
        _figure(report).savefig(written, format="svg", metadata=about)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def _figure(report: dict[str, Any]) -> Figure:
    panels = [(panel, _measured(panel, report)) for panel in _PANELS if panel.part in report["figures"]]
    columns = _columns(panels)
    height = max(map(_height, columns))
    figure = Figure(figsize=(_WIDTH, _TOP + height), layout="constrained")
    [head], [body] = figure.subfigures(2, 1, squeeze=False, height_ratios=(_TOP, height or _ROW))
    _title(head, report, {bar.kind for _, bars in panels for bar, _ in bars})
    for part, column in zip(body.subfigures(1, len(columns), squeeze=False)[0], columns, strict=True):
        _draw(part, column, height)
    return figure


def _measured(panel: Panel, report: dict[str, Any]) -> list[tuple[Bar, float]]:
    figures = report["figures"][panel.part]
    return [(bar, figures[bar.name]["median"]) for bar in panel.bars if bar.name in figures]


def _columns(panels: list[Measured]) -> tuple[list[Measured], list[Measured]]:
    """Each panel in the column that is shorter until then."""
    columns: tuple[list[Measured], list[Measured]] = ([], [])
    for panel in panels:
        min(columns, key=_height).append(panel)
    return columns


def _height(column: list[Measured]) -> float:
    return sum(_HEAD + _ROW * len(bars) for _, bars in column)


def _title(head: SubFigure, report: dict[str, Any], drawn: set[Kind]) -> None:
    run = report["run"]
    kind = "Quick run: figures say little" if run["quick"] else "Medians of interleaved repetitions"
    processors = run["machine"]["processors"]
    head.text(0.01, 0.7, "balance-worker, measured", size=15, weight="bold")
    head.text(0.01, 0.4, f"{kind}; {processors} processors; {run['ended_at'][:10]}", color="dimgray")
    patches = [Patch(color=_COLORS[kind], label=label) for kind, label in _LEGEND.items() if kind in drawn]
    head.legend(handles=patches, loc="upper right", ncols=len(patches), frameon=False)


def _draw(part: SubFigure, column: list[Measured], height: float) -> None:
    """The panels one below the other, their bars as thick as those of the other column."""
    rows = [float(len(bars)) for _, bars in column]
    rest = (height - _height(column)) / _ROW
    cells = part.add_gridspec(len(rows) + 1, 1, height_ratios=[*rows, max(rest, 0.01)])
    for row, (panel, bars) in enumerate(column):
        _panel(part.add_subplot(cells[row]), panel, bars)


def _panel(axes: Axes, panel: Panel, bars: list[tuple[Bar, float]]) -> None:
    axes.set_title(panel.title, loc="left", weight="bold", pad=18)
    axes.text(0, 1, panel.subtitle, transform=axes.transAxes, va="bottom", color="dimgray")
    drawn = axes.barh(
        range(len(bars)), [value for _, value in bars], 0.65, color=[_COLORS[bar.kind] for bar, _ in bars]
    )
    axes.bar_label(drawn, [_number(value) for _, value in bars], padding=4)
    axes.set_yticks(range(len(bars)), [bar.label for bar, _ in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)  # the first one on top
    axes.margins(x=0.15)  # room for the number behind the longest one
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
