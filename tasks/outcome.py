"""What a job ended as, ready to be sent and stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.domain.outcome import Code, Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one job. `text` is its document as stored: the same for ever."""

    job_id: UUID
    status: Status
    code: Code
    text: str
    replayed: bool = False

    def document(self) -> dict[str, Any]:
        """The outcome document of the contracts; numbers with a fraction are decimals."""
        document: dict[str, Any] = json.loads(self.text, parse_float=Decimal)
        document["replayed"] = self.replayed
        return document
