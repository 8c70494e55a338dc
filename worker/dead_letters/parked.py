"""What a publisher is told of a message that became no job, beside the outcomes of those that did."""

from __future__ import annotations

from models.domain.text import storable_text
from tasks.apply.outcome import StoredOutcome


class Parked(Exception):
    """The message is kept as a dead letter and was not applied; who waits for the result is told so."""

    def __init__(self, text: str) -> None:
        super().__init__(storable_text(text))  # what strangers wrote is in it


Answer = StoredOutcome | Parked
