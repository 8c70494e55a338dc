"""What an endpoint said to a request, and what becomes of the event by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import httpx

from tasks.events.sender import Fate, Receipt
from worker.encoding.visible import visible
from worker.outgoing.retry_after import retry_after_s

SHOWN_MAX: Final = 500  # characters
_SUCCESS, _REDIRECT, _GONE, _REFUSED = 200, 300, 410, 400


class NoAnswer(Exception):
    """The request has no whole answer. It may have been taken all the same."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Answer:
    """What is known of an answer so far: it is filled while it is read, and can break off anywhere."""

    __slots__ = ("body", "cut", "headers", "status")

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: Sequence[tuple[bytes, bytes]] = ()
        self.body = bytearray()
        self.cut = False  # there was more, which nobody waited for

    def receipt(self, seconds: float, now: datetime) -> Receipt:
        """Of one that came to its end, or as far as anybody wants to read."""
        assert self.status is not None
        fate, code = Fate.FAILED, f"http_{self.status}"
        if _SUCCESS <= self.status < _REDIRECT:
            fate = Fate.DELIVERED
        elif self.status == _GONE:
            fate = Fate.GONE
        elif _REDIRECT <= self.status < _REFUSED:
            code = "redirect_refused"  # it would lead where nobody has agreed to send anything
        return Receipt(fate, code, self.status, self._shown(), self._wait_s(now), seconds)

    def broken(self, code: str, seconds: float, now: datetime) -> Receipt:
        """Of one that broke off: even after a 2xx it counts for nothing, since who breaks off says nothing surely."""
        return Receipt(Fate.FAILED, code, self.status, self._shown(), self._wait_s(now), seconds)

    def _wait_s(self, now: datetime) -> float | None:
        if self.status is None or self.status < _REFUSED or self.status == _GONE:
            return None
        return retry_after_s(httpx.Headers([*self.headers]), now)

    def _shown(self) -> str | None:
        if not self.body or self._encoded():
            return None
        text = visible(self.body.decode("utf-8", "replace"))
        return text if len(text) <= SHOWN_MAX and not self.cut else f"{text[: SHOWN_MAX - 1]}…"

    def _encoded(self) -> bool:
        """Compressed, though it was asked not to be: nobody reads that, and nobody unpacks what strangers packed."""
        return any(name == b"content-encoding" and said.strip().lower() != b"identity" for name, said in self.headers)
