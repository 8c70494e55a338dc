"""The chart of a run: an SVG of bars, one panel for each part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, Final

_WIDTH: Final = 960
_MARGIN: Final = 28
_GUTTER: Final = 36
_COLUMN: Final = (_WIDTH - 2 * _MARGIN - _GUTTER) // 2
_LABEL: Final = 172  # pixels for what stands before a bar
_VALUE: Final = 64  # and behind the longest one
_ROW: Final = 24
_BAR: Final = 15
_HEAD: Final = 50  # a panel's title and subtitle
_SPACE: Final = 30  # between panels
_TOP: Final = 96
_COLORS: Final = {"ours": "#2563eb", "plain": "#94a3b8", "floor": "#d9a441"}
_LEGEND: Final = {"ours": "balance-worker", "plain": "plain Celery + ORM", "floor": "PostgreSQL alone"}

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


def chart(report: dict[str, Any]) -> str:
    """The SVG text for the contents of latest.json. Parts that were not measured are left out."""
    panels = [panel for panel in _PANELS if panel.part in report["figures"]]
    drawn: list[str] = []
    bottoms = [_TOP, _TOP]
    for panel in panels:
        column = bottoms.index(min(bottoms))
        left = _MARGIN + column * (_COLUMN + _GUTTER)
        bars = _measured(panel, report)
        drawn += _panel(panel, bars, left, bottoms[column])
        bottoms[column] += _HEAD + len(bars) * _ROW + _SPACE
    height = max(bottoms)
    return "\n".join([*_head(height, report), *drawn, "</svg>", ""])


def _measured(panel: Panel, report: dict[str, Any]) -> list[tuple[Bar, float]]:
    figures = report["figures"][panel.part]
    return [(bar, figures[bar.name]["median"]) for bar in panel.bars if bar.name in figures]


def _head(height: int, report: dict[str, Any]) -> Iterator[str]:
    run = report["run"]
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" role="img">'
    )
    yield "<title>balance-worker beside a plain worker and PostgreSQL alone</title>"
    yield f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    kind = "Quick run: figures say little" if run["quick"] else "Medians of interleaved repetitions"
    processors = run["machine"]["processors"]
    yield _text(_MARGIN, 36, "balance-worker, measured", size=20, color="#0f172a", weight=600)
    yield _text(_MARGIN, 60, f"{kind}; {processors} processors; {run['ended_at'][:10]}", size=13, color="#64748b")
    left = _MARGIN + _COLUMN + _GUTTER
    for kind, label in _LEGEND.items():
        yield f'<rect x="{left}" y="26" width="12" height="12" rx="2" fill="{_COLORS[kind]}"/>'
        yield _text(left + 18, 36, label, size=12, color="#334155")
        left += 36 + 7 * len(label)


def _panel(panel: Panel, bars: list[tuple[Bar, float]], left: int, top: int) -> Iterator[str]:
    yield _text(left, top + 14, panel.title, size=15, color="#0f172a", weight=600)
    yield _text(left, top + 32, panel.subtitle, size=12, color="#64748b")
    longest = max((value for _, value in bars), default=0) or 1
    room = _COLUMN - _LABEL - _VALUE
    for row, (bar, value) in enumerate(bars):
        y = top + _HEAD + row * _ROW
        length = max(1.0, room * value / longest)
        yield _text(left + _LABEL - 10, y + 12, bar.label, size=12, color="#334155", anchor="end")
        color = _COLORS[bar.kind]
        yield f'<rect x="{left + _LABEL}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{color}"/>'
        yield _text(left + _LABEL + length + 7, y + 12, _number(value), size=12, color="#0f172a")


def _text(x: float, y: float, words: str, *, size: int, color: str, weight: int = 400, anchor: str = "start") -> str:
    style = f'font-size="{size}" fill="{color}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
