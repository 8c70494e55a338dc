"""How Stripe's library reaches Stripe: through our own exchange, which has an end to time and size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
import stripe

from worker.providers.exchange import Answer, Exchange, NoAnswer

ANSWER_BYTES_MAX: Final = 1 << 20  # a page of twenty payments with all the metadata that they may have is half of it
# The machine's name and system, its tools, and how long the last request took: nobody has to know them to charge.
_NOT_SENT: Final = frozenset({"user-agent", "x-stripe-client-user-agent", "x-stripe-client-telemetry"})

# Otherwise the library writes a file with an id of this installation into the home directory. It has no switch for one
# client, and nobody else in our processes uses it.
stripe.enable_telemetry = False


class StripeTransport(stripe.HTTPClient):
    """The library's HTTP client. It never repeats a request: whoever asked knows when to ask again."""

    name = "httpx"

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_usage: Any
    ) -> tuple[str, int, httpx.Headers]:
        """Raises stripe.APIConnectionError, whose code is that of NoAnswer."""
        sent = {name: value for name, value in (headers or {}).items() if name.lower() not in _NOT_SENT}
        body = post_data.encode() if isinstance(post_data, str) else post_data
        try:
            answer = self._exchange.send(method.upper(), url, sent, body)
        except NoAnswer as nothing:
            raise _silence(nothing.code) from nothing
        if not _is_stripes(answer):
            raise _silence("unreadable_answer", answer)
        return answer.body.decode(), answer.status, answer.headers

    def close(self) -> None:
        self._exchange.close()


def _is_stripes(answer: Answer) -> bool:
    """Whether it has Stripe's form, and is no page of whoever stands in between: the library believes the form."""
    try:
        content = json.loads(answer.body.decode())
    except (ValueError, RecursionError):
        return False
    failed = answer.status >= httpx.codes.BAD_REQUEST
    return isinstance(content, dict) and (not failed or isinstance(content.get("error"), dict))


def _silence(code: str, answer: Answer | None = None) -> stripe.APIConnectionError:
    status, headers = (answer.status, answer.headers) if answer else (None, None)
    made: stripe.APIConnectionError = stripe.APIConnectionError(  # type: ignore[no-untyped-call]
        code, code=code, http_status=status, headers=headers
    )
    return made
