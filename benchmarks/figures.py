"""The figures of a run: every measured value, by what was measured and who was."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import Any


@dataclass(slots=True)
class Figure:
    """`values` in `unit`, one for each repetition."""

    part: str
    name: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.values)

    def document(self) -> dict[str, Any]:
        return {"median": _rounded(self.median), "unit": self.unit, "runs": [_rounded(value) for value in self.values]}


class Figures:
    """All that was measured, in the order of the first measurement; what was left out; what was checked."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], Figure] = {}
        self.series: dict[str, list[tuple[float, float]]] = {}  # what: how it went on
        self.skipped: dict[str, str] = {}  # what: why
        self.checks = 0
        self.entries_checked = 0

    def add(self, part: str, name: str, value: float, unit: str) -> None:
        self._figures.setdefault((part, name), Figure(part, name, unit)).values.append(value)

    def checked(self, entries: int) -> None:
        """One more ledger was recomputed, `entries` long."""
        self.checks += 1
        self.entries_checked += entries

    def median(self, part: str, name: str) -> float | None:
        """None when it was not measured."""
        figure = self._figures.get((part, name))
        return None if figure is None else figure.median

    def document(self) -> dict[str, dict[str, Any]]:
        """By part and name."""
        document: dict[str, dict[str, Any]] = {}
        for figure in self._figures.values():
            document.setdefault(figure.part, {})[figure.name] = figure.document()
        return document


def percentile(values: list[float], percent: float) -> float:
    """The value below which `percent` of the values lie: the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def _rounded(value: float) -> float:
    return round(value, 1 if value >= 100 else 3)
