"""Why nothing is done with a dead letter that was asked for by its id, in a sentence that says what to do instead."""

from __future__ import annotations

from models.domain.letters import Obstacle
from models.store.read.dead_letters import LetterSummary
from worker.encoding.shown import when


def not_replayable(letter: LetterSummary) -> str | None:
    """Why it is not sent again, in a sentence."""
    this, job = f"letter {letter.id}", letter.job
    match letter.replay_obstacle:
        case Obstacle.DISCARDED:
            return (
                f"{this} was discarded at {when(letter.closed_at)} ({letter.discard_reason}):"
                " if the job is wanted after all, publish it again under its key"
            )
        case Obstacle.GARBAGE:
            return (
                f"{this} is no Celery message and cannot be sent again: publish the job as a message"
                f" (docs/publishing.md), then `balance-worker dead-letters discard {letter.id} --reason …`"
            )
        case Obstacle.ANSWERED if job is not None:
            return (
                f"{this} was replayed at {when(letter.closed_at)} and its key is answered:"
                f" `balance-worker jobs show {job.id}`"
            )
        case _:
            return None


def not_discardable(letter: LetterSummary) -> str | None:
    """Why it is not closed, in a sentence."""
    at = when(letter.closed_at)
    match letter.discard_obstacle:
        case Obstacle.DISCARDED:
            return f"letter {letter.id} was discarded already, at {at} ({letter.discard_reason})"
        case Obstacle.REPLAYED:
            return (
                f"letter {letter.id} was replayed at {at}: its message has gone to the queue and discarding would"
                " not stop it; if it is parked again, it can be discarded"
            )
        case _:
            return None
