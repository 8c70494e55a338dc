"""What a job ended as, ready to be sent and stored."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from models.domain.outcome import Code, Status
from models.domain.text import storable_text
from models.domain.value import value

_NOT_REPLAYED: Final = re.compile(r'"replayed"\s*:\s*false')


@value(frozen=True, slots=True)
class StoredOutcome:
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

    def json(self) -> str:
        """The document as JSON, with every digit as it was stored."""
        if not self.replayed:
            return self.text
        # A quotation mark inside a value is escaped, so this can only be the field itself.
        return _NOT_REPLAYED.sub('"replayed":true', self.text, count=1)


class Parked(Exception):
    """The message is kept as a dead letter and was not applied; who waits for the result is told so."""

    def __init__(self, text: str) -> None:
        super().__init__(storable_text(text))  # what strangers wrote is in it


Answer = StoredOutcome | Parked
