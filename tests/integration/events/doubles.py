"""A stream and a sender that remember what they were given, and fail when they are told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from models.contracts.replies.events import EventMessage
from tasks.events.sender import Fate, Receipt, WebhookRequest
from tasks.events.stream import StreamDown

OK = Receipt(Fate.DELIVERED, "http_200", 200)
FAILED = Receipt(Fate.FAILED, "http_500", 500, "no")
GONE = Receipt(Fate.GONE, "http_410", 410)


class Stream:
    """Takes what it is given while it is `up`; `after` is called with each batch that it took."""

    def __init__(self) -> None:
        self.up = True
        self.taken: list[dict[str, Any]] = []
        self.after: Callable[[], None] = lambda: None

    def publish(self, events: Sequence[EventMessage]) -> None:
        if not self.up:
            raise StreamDown("the broker is away")
        self.taken += [json.loads(event.body) for event in events]
        self.after()

    def close(self) -> None: ...

    def of(self, account: str) -> list[tuple[int, str]]:
        """(seq, type) of an account's events, in the order in which they came, duplicates once."""
        seen = dict.fromkeys((event["seq"], event["type"]) for event in self.taken if event["account"] == account)
        return [*seen]


class Sender:
    """Answers at once, by `reply`."""

    def __init__(self, reply: Callable[[WebhookRequest], Receipt] = lambda _request: OK) -> None:
        self.reply = reply
        self.sent: list[WebhookRequest] = []

    def submit(self, requests: Sequence[WebhookRequest]) -> Future[list[Receipt]]:
        receipts: list[Receipt] = []
        for request in requests:
            self.sent.append(request)
            receipts.append(self.reply(request))
            if receipts[-1].fate is not Fate.DELIVERED:
                break
        future: Future[list[Receipt]] = Future()
        future.set_result(receipts)
        return future

    def close(self) -> None: ...

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.sent]
