"""What was received: kept as it came, and judged in the end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from models.domain.events import BITS, EventType

WELL: Final = frozenset({"taken", "slow"})
"""The answers by which the receiver says that it has an event."""


@dataclass(frozen=True)
class Seen:
    """An event as it came. `name`: its id by the header or the field beside it; `body`: as it was sent."""

    name: str
    body: bytes

    @cached_property
    def event(self) -> dict[str, Any]:
        """What is no JSON object has nothing in it, and is found by that."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def told(self) -> tuple[str, int] | None:
        """Which event it is: the id of the job that told it, and the bit by which that remembers it; of a letter its
        id, and 0. None: of neither."""
        job, kind = self.event.get("job_id"), self.event.get("type")
        if job is None and kind == EventType.DEAD_LETTER_PARKED:
            return str(self.event["data"]["letter"]["id"]), 0
        known = [bit for each, bit in BITS.items() if each == kind]
        return (str(job), known[0]) if job is not None and known else None


@dataclass(frozen=True)
class Arrival(Seen):
    """A webhook. `path`: of the URL that it was sent to."""

    path: str
    timestamp: str  # as it was signed
    signatures: str
    at: datetime
    answer: str  # what the receiver did with it

    @property
    def taken(self) -> bool:
        return self.answer in WELL
