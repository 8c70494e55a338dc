"""Dead letters: messages that could not be settled."""

from __future__ import annotations

from typing import Final

from models.python310 import StrEnum

GARBAGE: Final = "garbage"
"""The reason of what is no Celery message: there is nothing that could be sent again."""

FOLLOW_UP_FAILED: Final = "follow_up_failed"
FOLLOW_UP_NOT_ALLOWED: Final = "follow_up_not_allowed"
FOLLOW_UPS: Final = frozenset({FOLLOW_UP_FAILED, FOLLOW_UP_NOT_ALLOWED})
"""The reasons of what was to be sent on after a job was settled. It belongs in the queue that it names."""


class Obstacle(StrEnum):
    """Why nothing is done with a letter that was asked for by its id."""

    DISCARDED = "discarded"  # it is closed for good
    REPLAYED = "replayed"  # its message is on its way: discarding the letter would not stop it
    GARBAGE = "garbage"  # there is nothing that could be sent again
    ANSWERED = "answered"  # it was replayed, and its key has an answer


class NextStep(StrEnum):
    """What an operator does next about a letter."""

    SEE_JOB = "see_job"  # its key has been answered
    PUBLISH_ANEW = "publish_anew"  # it cannot be sent again
    REPLAY_OR_DISCARD = "replay_or_discard"
    WAIT = "wait"  # its message is in the queue, or has no key by which a job could be found
    NOTHING = "nothing"


class LetterStatus(StrEnum):
    """Where a dead letter stands."""

    PARKED = "parked"  # nobody has looked after it
    REPLAYED = "replayed"  # sent again; parked once more if it fails once more
    DISCARDED = "discarded"  # an operator said why it is not wanted; the row stays


def replay_obstacle(status: LetterStatus, reason: str, *, answered: bool) -> Obstacle | None:
    """Why a letter is not sent again; None when it can be. `answered`: a job has settled its key."""
    if status is LetterStatus.DISCARDED:
        return Obstacle.DISCARDED
    if reason == GARBAGE:
        return Obstacle.GARBAGE
    if status is LetterStatus.REPLAYED and answered:
        return Obstacle.ANSWERED
    return None


def discard_obstacle(status: LetterStatus) -> Obstacle | None:
    """Why a letter is not closed; None when it can be: while it is parked."""
    match status:
        case LetterStatus.PARKED:
            return None
        case LetterStatus.REPLAYED:
            return Obstacle.REPLAYED
        case LetterStatus.DISCARDED:
            return Obstacle.DISCARDED


def next_step(status: LetterStatus, reason: str, *, answered: bool) -> NextStep:
    """What to do about a letter. `answered`: a job has settled its key."""
    if answered:
        return NextStep.SEE_JOB
    match status:
        case LetterStatus.PARKED:
            return NextStep.PUBLISH_ANEW if reason == GARBAGE else NextStep.REPLAY_OR_DISCARD
        case LetterStatus.REPLAYED:
            return NextStep.WAIT
        case LetterStatus.DISCARDED:
            return NextStep.NOTHING
