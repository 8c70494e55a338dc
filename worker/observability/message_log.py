"""The log's lines of a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog
from celery.worker.request import Request

from models.contracts.wire.dead_letter import DeadLetter
from models.domain.outcome import Status
from tasks.apply.outcome import Answer, StoredOutcome

_LOG: Final = structlog.get_logger(__name__)


class MessageLog:
    """One line a batch; faults have lines of their own (tasks/apply/faults.py)."""

    def received(self, request: Request) -> None:
        """Nothing: a line a message would be most of the log."""

    def started(self, requests: Sequence[Request]) -> None:
        """Nothing."""

    def waits(self, requests: Sequence[Request], seconds: float) -> None:
        """Nothing: the fault has been told."""

    def settled(self, answers: Sequence[tuple[Request, Answer]], seconds: float) -> None:
        outcomes = [answer for _, answer in answers if isinstance(answer, StoredOutcome)]
        kinds = Counter("replayed" if outcome.replayed else outcome.status for outcome in outcomes)
        _LOG.info(
            "jobs.settled", jobs=len(answers), applied=kinds[Status.APPLIED], replayed=kinds["replayed"],
            rejected=kinds[Status.REJECTED], parked=len(answers) - len(outcomes), ms=round(seconds * 1000, 1),
        )  # fmt: skip

    def parked(self, letters: Sequence[DeadLetter], ids: Sequence[UUID]) -> None:
        if len(letters) == 1:
            letter = letters[0]
            _LOG.warning(
                "message.parked", task=letter.task, reason=letter.reason, error=letter.error, letter=str(ids[0]),
                next=f"nothing was applied; see `balance-worker dead-letters show {ids[0]}`",
            )  # fmt: skip
        else:
            _LOG.warning(
                "messages.parked", messages=len(letters), letters=len(set(ids)),
                reasons=dict(Counter(letter.reason for letter in letters)),
                next="nothing of them was applied; see `balance-worker dead-letters list`",
            )  # fmt: skip
