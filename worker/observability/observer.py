"""What becomes of messages, told as it happens. A new way of watching is one more implementation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from celery.worker.request import Request

from models.batch.outcome import Answer
from models.contracts.wire.dead_letter import DeadLetter


class Observer(Protocol):
    """Told of each message and of each batch. It must not wait: the batch waits with it."""

    def received(self, request: Request) -> None:
        """A message is here, and is understood."""

    def sent_on(self, request: Request) -> None:
        """A message that was received is another shard's, and goes there: nothing more is heard of it here."""

    def started(self, requests: Sequence[Request]) -> None:
        """A batch is in hand."""

    def waits(self, requests: Sequence[Request], seconds: float) -> None:
        """The batch in hand is tried again after so many seconds."""

    def settled(self, answers: Sequence[tuple[Request, Answer]], seconds: float) -> None:
        """A batch has its answers, after so many seconds; nothing of it is acknowledged yet."""

    def parked(self, letters: Sequence[DeadLetter], ids: Sequence[UUID]) -> None:
        """Messages are kept as dead letters, under these ids."""


class Observers:
    """Several as one, in their order."""

    def __init__(self, *each: Observer) -> None:
        self._each = each

    def received(self, request: Request) -> None:
        for observer in self._each:
            observer.received(request)

    def sent_on(self, request: Request) -> None:
        for observer in self._each:
            observer.sent_on(request)

    def started(self, requests: Sequence[Request]) -> None:
        for observer in self._each:
            observer.started(requests)

    def waits(self, requests: Sequence[Request], seconds: float) -> None:
        for observer in self._each:
            observer.waits(requests, seconds)

    def settled(self, answers: Sequence[tuple[Request, Answer]], seconds: float) -> None:
        for observer in self._each:
            observer.settled(answers, seconds)

    def parked(self, letters: Sequence[DeadLetter], ids: Sequence[UUID]) -> None:
        for observer in self._each:
            observer.parked(letters, ids)
