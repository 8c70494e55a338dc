"""Several brokers as one: each partition's queue is on one of them, and every other queue on the main one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from balance_client.publishing.confirmed import NotAccepted, Publisher
from balance_client.publishing.job_message import JobMessage
from balance_client.publishing.links import Addressed


class Publishers:
    """What a Publisher is, for several. What is for one broker is sent in its order; brokers know of no order."""

    def __init__(self, main: Publisher, by_queue: Mapping[str, Publisher]) -> None:
        self._main, self._by_queue = main, by_queue

    def publish(self, messages: Sequence[JobMessage]) -> None:
        """As a Publisher's."""
        self.send(self.addressed(messages))

    def addressed(self, messages: Sequence[JobMessage]) -> list[Addressed]:
        """Each with its queue."""
        return self._main.addressed(messages)

    def send(self, addressed: Sequence[Addressed]) -> None:
        """As a Publisher's. A broker that is away keeps nothing from the others; NotAccepted says what it was."""
        self._each(addressed, Publisher.send)

    def send_once(self, addressed: Sequence[Addressed]) -> None:
        """The same in one attempt."""
        self._each(addressed, Publisher.send_once)

    def _each(self, addressed: Sequence[Addressed], send: Callable[[Publisher, Sequence[Addressed]], None]) -> None:
        places = defaultdict[Publisher, list[int]](list)
        for place, (queue, _) in enumerate(addressed):
            places[self._by_queue.get(queue, self._main)].append(place)
        errors, refused = list[NotAccepted](), set[int]()
        for publisher, those in places.items():
            try:
                send(publisher, [addressed[place] for place in those])
            except NotAccepted as error:
                errors.append(error)
                refused |= {those[each] for each in range(len(those)) if error.refused is None or each in error.refused}
        if errors:
            lasting = all(error.lasting for error in errors)
            raise NotAccepted(str(errors[0]), lasting=lasting, refused=frozenset(refused)) from errors[0]

    def close(self) -> None:
        for publisher in {self._main, *self._by_queue.values()}:
            publisher.close()
