"""Labels whose values strangers choose, kept to few: each value of a label is a series that is never forgotten."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from models.contracts.catalogue import CATALOGUE
from models.domain.text import storable_text

UNKNOWN: Final = "unknown"
OTHER: Final = "other"
PRODUCERS_MAX: Final = 20


def job_label(name: Any) -> str:
    """A job of the catalogue by its name, whatever else is one."""
    return name if isinstance(name, str) and name in CATALOGUE else UNKNOWN


class ProducerLabels:
    """Those of BALANCE_PRODUCERS; where it names nobody, those that come first."""

    def __init__(self, known: Collection[str] | None, most: int = PRODUCERS_MAX) -> None:
        self._known, self._grows, self._most = {*(known or ())}, known is None, most

    def label(self, name: Any) -> str:
        if not isinstance(name, str):
            return OTHER
        if name in self._known:
            return name
        if self._grows and len(self._known) < self._most and 0 < len(name) <= 64 and storable_text(name) == name:
            self._known.add(name)
            return name
        return OTHER
