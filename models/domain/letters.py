"""Dead letters: messages that could not be settled."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

GARBAGE: Final = "garbage"
"""The reason of what is no Celery message: there is nothing that could be sent again."""

FOLLOW_UP_FAILED: Final = "follow_up_failed"
FOLLOW_UP_NOT_ALLOWED: Final = "follow_up_not_allowed"
FOLLOW_UPS: Final = frozenset({FOLLOW_UP_FAILED, FOLLOW_UP_NOT_ALLOWED})
"""The reasons of what was to be sent on after a job was settled. It belongs in the queue that it names."""


class LetterStatus(StrEnum):
    """Where a dead letter stands."""

    PARKED = "parked"  # nobody has looked after it
    REPLAYED = "replayed"  # sent again; parked once more if it fails once more
    DISCARDED = "discarded"  # an operator said why it is not wanted; the row stays
