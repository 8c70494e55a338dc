"""How webhooks are sent, as delivering sees it. Implementation: worker/webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from enum import StrEnum
from typing import Protocol

from models.domain.value import value


class Fate(StrEnum):
    """What became of one request."""

    DELIVERED = "delivered"  # 2xx
    FAILED = "failed"  # sent again later
    GONE = "gone"  # 410: the receiver wants nothing any more


@value(frozen=True, slots=True)
class WebhookRequest:
    """One event for one endpoint."""

    url: str
    event_id: str  # webhook-id: the same however often it is sent
    body: bytes
    keys: tuple[bytes, ...]  # that sign it, the newest first
    traceparent: str | None = None  # of the trace that it is part of


@value(frozen=True, slots=True)
class Receipt:
    fate: Fate
    code: str
    """`http_200` and so on, and where the status is not what counts:

    | `redirect_refused` | a 3xx, which is not followed |
    | `timed_out` | its time ran out, before or within the answer |
    | `name_unknown` | nobody has the name of its host |
    | `address_refused` | the name stands for nothing but addresses that may not be reached |
    | `not_connected` | nobody listens there |
    | `tls_failed` | who listens cannot show that the host is theirs, or speaks no TLS |
    | `connection_lost` | the other side broke off, be it after a 2xx: what it meant to say is not known |
    | `unreadable_answer` | what it said is no HTTP |
    | `url_…` | its URL is none (models/domain/webhooks/urls.py) |
    | `not_sendable` | the request has no key, or an id that no header can hold |
    | `sender_failed` | our own fault, which is in the log |
    """
    status: int | None = None  # of HTTP, when an answer began
    answer: str | None = None  # the beginning of what it said, as it can be shown
    retry_after_s: float | None = None  # it wants to be left alone for so long
    seconds: float = 0.0  # that it took


class WebhookSender(Protocol):
    def submit(self, requests: Sequence[WebhookRequest]) -> Future[list[Receipt]]:
        """Sends requests one after the other, up to the first that is not delivered: a receipt for each that was sent.

        The future never raises, and cannot be cancelled. May be called while others are under way: those go on at the
        same time. Requests beyond what is sent at once wait for their turn, which does not count as their time.

        Callbacks of the future run in the sender's own thread: they neither block nor close it.
        """
        ...

    def close(self) -> None:
        """Gives up what is under way, whose futures end with the receipts there are.

        A request that was given up has none: nobody knows whether it arrived. What is submitted later gets no receipts.
        """
        ...
