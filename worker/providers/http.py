"""The provider `http`: a payment service of one's own, asked by POST. docs/payments.md has all that it must know."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from tasks.auto_topup.provider import ChargeAnswer, ChargeRequest, ProviderStatus
from worker import clock
from worker.outgoing.retry_after import retry_after_s
from worker.outgoing.signature import key_of, signed
from worker.providers.exchange import Answer, Exchange, NoAnswer

ANSWER_BYTES_MAX: Final = 65_536
_ANSWERED: Final = frozenset({200, 201})
_DECLINED: Final = 402
_TOO_MANY: Final = 429
_FAILED: Final = 500  # and above

# Kept in the ledger and shown on terminals: no control characters, and not any length.
_Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,100}$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,255}$")]
_Link = Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]{1,2000}$")]


class _Body(BaseModel):
    """What a payment service says of a charge. Fields that are not ours may stand beside these."""

    model_config = ConfigDict(frozen=True)

    status: Literal["succeeded", "pending", "declined", "needs_action"]
    reference: _Name | None = None
    code: _Word | None = None
    link: _Link | None = None


class HttpProvider:
    """A payment service at one URL. May be used by `concurrency` threads at once; belongs to one process.

    `secret`: shared with the service, `whsec_` and base64 or any text. `timeout_s`: seconds for a request, all of it.
    `ca`: a PEM file of whom to trust over TLS in the place of whom the system trusts. Raises ValueError for a URL that
    is no http(s) URL with a host, or a secret that is none.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        timeout_s: float = 10.0,
        concurrency: int = 4,
        ca: str | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the URL of the payment service must be http:// or https:// with a host")
        self._url, self._key, self._now = url, key_of(secret), now
        self._exchange = Exchange(
            timeout_s=timeout_s, connections=concurrency, answer_bytes_max=ANSWER_BYTES_MAX, ca=ca
        )

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        """Asks the service once. The same charge is the same bytes under the same key, however often it is asked."""
        body, name = request_body(request), str(request.id)
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Idempotency-Key": name,
            **signed((self._key,), name, self._now(), body),
        }
        try:
            answer = self._exchange.send("POST", self._url, headers, body)
        except NoAnswer as nothing:
            return _unknown(nothing.code)
        return self._understood(answer)

    def close(self) -> None:
        """Requests under way are given up; what became of them is unknown."""
        self._exchange.close()

    def _understood(self, answer: Answer) -> ChargeAnswer:
        if answer.status in _ANSWERED or answer.status == _DECLINED:
            return _told(answer)
        wait_s = retry_after_s(answer.headers, self._now())
        if answer.status == _TOO_MANY:
            return _unknown("rate_limited", wait_s)
        # A refusal of ours (a wrong secret, URL or form) is no refusal of the payer's: nobody is declined for it.
        return _unknown(f"http_{answer.status}", wait_s if answer.status >= _FAILED else None)


def _told(answer: Answer) -> ChargeAnswer:
    try:
        body = _Body.model_validate_json(answer.body)
    except ValidationError:
        return _unknown("unreadable_answer")
    status = ProviderStatus(body.status)
    if answer.status == _DECLINED and status is not ProviderStatus.DECLINED:
        return _unknown("contradictory_answer")
    code = body.code or ("declined" if status is ProviderStatus.DECLINED else None)
    return ChargeAnswer(status, reference=body.reference, code=code, link=body.link)


def _unknown(code: str, wait_s: float | None = None) -> ChargeAnswer:
    return ChargeAnswer(ProviderStatus.UNKNOWN, code=code, retry_after_s=wait_s)


def request_body(request: ChargeRequest) -> bytes:
    """The same for the same charge, byte by byte."""
    content = {
        "id": str(request.id),
        "account": request.account,
        "payer": request.payer,
        "payment_method": request.payment_method,
        "amount": request.amount,
        "currency": request.currency,
        "credits": request.credits,
        "policy_version": request.policy_version,
    }
    return json.dumps(content, separators=(",", ":")).encode()
