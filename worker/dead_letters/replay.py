"""Dead letters on their way back to the queue.

A letter is marked only after the broker has taken its message: whoever is interrupted in between publishes it once more
the next time, which its key makes harmless. One that is parked again before it is marked stays parked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, Self

from sqlalchemy import Engine

from balance_client.publishing.links import RawMessage
from models.domain.letters import FOLLOW_UPS
from models.store.connection.session import snapshot, transaction
from models.store.read import dead_letters as letter_history
from models.store.read.dead_letters import Letter, LetterFilter
from models.store.write import dead_letters
from models.store.write.dead_letters import SentLetter
from worker.brokers.publishing import publisher_of
from worker.dead_letters.message import message_of
from worker.publishers.producers import producers_in
from worker.settings.settings import Settings

_AT_ONCE: Final = 100  # letters that are published, then marked together


class Replay:
    """A way from the table of dead letters to the queues of the settings."""

    def __init__(self, engine: Engine, settings: Settings, by: str | None = None) -> None:
        """`by`: who asked for it; it is kept with the letters."""
        self._engine, self._by = engine, by
        self._door = settings.queue
        self._queues = settings.money_queues
        given = settings.producers
        self._producers = None if given is None else producers_in(given.get_secret_value())
        self._publisher = publisher_of(settings)

    def __enter__(self) -> Self:
        with transaction(self._engine) as connection:
            dead_letters.mark_replayed(connection, [])  # who may not mark a letter does not send it
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.close()

    def these(self, letters: Sequence[Letter]) -> Iterator[int]:
        """Replays whole letters, in their order. Yields how many, batch by batch; raises NotAccepted."""
        for start in range(0, len(letters), _AT_ONCE):
            yield self._send(letters[start : start + _AT_ONCE])

    def parked(self, wanted: LetterFilter) -> Iterator[int]:
        """The same for all letters that are parked now and have these traits, the one seen first first."""
        last: Letter | None = None
        with snapshot(self._engine) as connection:
            wanted = letter_history.at_once(connection, wanted)
        while True:
            with snapshot(self._engine) as connection:
                batch = letter_history.next_parked(connection, wanted, _AT_ONCE, last)
            if not batch:
                return
            yield self._send(batch)
            last = batch[-1]

    def _send(self, batch: Sequence[Letter]) -> int:
        self._publisher.send([(self._queue_of(letter), self._message_of(letter)) for letter in batch])
        with transaction(self._engine) as connection:
            sent = [SentLetter(letter.id, letter.attempts) for letter in batch]
            dead_letters.mark_replayed(connection, sent, self._by)
        return len(batch)

    def _message_of(self, letter: Letter) -> RawMessage:
        """What is changed in a signed message for it to be applied is signed again, where it was genuine."""
        message = message_of(letter)
        if self._producers is None:
            return message
        return self._producers.signed_again(letter.producer, json.loads(letter.headers), message)

    def _queue_of(self, letter: Letter) -> str:
        """Where the message came from; the main queue when that queue is none of ours any more."""
        queue = letter.queue
        ours_or_theirs = queue in self._queues or letter.reason in FOLLOW_UPS
        return queue if queue is not None and ours_or_theirs else self._door
