"""What Stripe says of a payment, or of a request, as an answer about a charge."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import stripe
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from tasks.auto_topup.provider import ChargeAnswer, ProviderStatus
from worker.outgoing.retry_after import retry_after_s

NO_PAYMENT_METHOD: Final = ChargeAnswer(ProviderStatus.DECLINED, code="no_payment_method")
NOT_CHARGEABLE: Final = ChargeAnswer(ProviderStatus.DECLINED, code="amount_not_chargeable")
_AUTHENTICATION: Final = "authentication_required"
_MISSING: Final = "resource_missing"
_TOO_MANY: Final = 429
_CONFLICT: Final = 409
_REFUSED: Final = 400  # and above
_PAYER: Final = frozenset({"customer", "payment_method", "id"})  # `id`: of a customer that was looked up
_MONEY: Final = frozenset({"amount", "currency"})
_MONEY_CODES: Final = frozenset({"amount_too_large", "amount_too_small", "invalid_charge_amount"})
# The only sign that a test key meets live customers, or the other way: no code tells it, and every payer would be
# declined for it.
_OTHER_MODE: Final = "a similar object exists in"


_Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class Refusal(_Model):
    """Why something was not done."""

    code: _Word | None = None
    decline_code: _Word | None = None  # the bank's word, where it had one
    param: str | None = None
    message: str | None = None
    payment_intent: dict[str, Any] | None = None

    @property
    def word(self) -> str | None:
        return self.decline_code or self.code

    @property
    def wants_payer(self) -> bool:
        return _AUTHENTICATION in (self.code, self.decline_code)


class Payment(_Model):
    """A PaymentIntent, as far as it matters here. `amount`: as Stripe writes it."""

    id: str = Field(min_length=1, max_length=255)
    status: str
    amount: int
    currency: str
    metadata: dict[str, str] = {}
    last_payment_error: Refusal | None = None
    next_action: dict[str, Any] | None = None

    def answer(self) -> ChargeAnswer:
        match self.status:
            case "succeeded":
                return ChargeAnswer(ProviderStatus.SUCCEEDED, reference=self.id)
            case "processing":
                return ChargeAnswer(ProviderStatus.PENDING, reference=self.id)
            case "requires_action":
                return _needs_action(self.id, self.next_action)
            case "requires_payment_method":
                return _declined(self.last_payment_error or Refusal(), self.id)
            case "canceled":
                return ChargeAnswer(ProviderStatus.DECLINED, reference=self.id, code="canceled")
            case other:  # requires_capture, requires_confirmation: nothing that we ask for leads there
                return ChargeAnswer(ProviderStatus.UNKNOWN, reference=self.id, code=other[:100])


class Payments(_Model):
    """A page of a list, newest first."""

    data: list[Payment]
    has_more: bool


class Customer(_Model):
    """Whom Stripe knows as the payer, as far as it matters here."""

    class _Invoices(_Model):
        default_payment_method: str | None = None

    invoice_settings: _Invoices | None = None
    default_source: str | None = None  # of who was set up years ago

    @property
    def pays_with(self) -> str | None:
        """The default; None: there is none, as with who was deleted."""
        return (self.invoice_settings and self.invoice_settings.default_payment_method) or self.default_source


def answer_to(error: stripe.StripeError, now: datetime) -> ChargeAnswer:
    """The answer in a refusal of Stripe's, or in its silence."""
    refusal = _refusal(error)
    match error:
        case stripe.CardError() if refusal is not None:
            return _declined(refusal, None)
        case stripe.IdempotencyError():
            return unknown("idempotency_conflict")
        case stripe.AuthenticationError() | stripe.PermissionError():
            return unknown("provider_authentication")
        case stripe.InvalidRequestError() if refusal is not None:
            return _invalid(refusal)
        case _:
            return _unknown_by_status(error, now)


def _unknown_by_status(error: stripe.StripeError, now: datetime) -> ChargeAnswer:
    wait_s = retry_after_s(error.headers or {}, now)
    match error.http_status:
        case None:
            return unknown(error.code or "unreadable_answer")
        case status if status == _TOO_MANY:
            return unknown("rate_limited", wait_s)
        case status if status == _CONFLICT:  # the first request under this key is still at work
            return unknown("idempotency_conflict", wait_s)
        case status if status >= _REFUSED:
            return unknown(f"http_{status}", wait_s)
        case _:
            return unknown("unreadable_answer")


def unknown(code: str, wait_s: float | None = None) -> ChargeAnswer:
    return ChargeAnswer(ProviderStatus.UNKNOWN, code=code, retry_after_s=wait_s)


def _invalid(refusal: Refusal) -> ChargeAnswer:
    """A request that Stripe does not take: the payer's data, the policy's money, or a fault of the deployment."""
    if refusal.code == _MISSING and refusal.param in _PAYER:
        if _OTHER_MODE in (refusal.message or ""):
            return unknown("key_of_other_mode")
        return NO_PAYMENT_METHOD
    if refusal.param in _MONEY or refusal.code in _MONEY_CODES:
        return ChargeAnswer(ProviderStatus.DECLINED, code=refusal.code or f"invalid_{refusal.param}")
    if refusal.param == "payment_method":  # there, and not to be used: another customer's, or for one payment alone
        return ChargeAnswer(ProviderStatus.DECLINED, code=refusal.code or "payment_method_unusable")
    return unknown(refusal.code or "invalid_request")


def _declined(refusal: Refusal, payment: str | None) -> ChargeAnswer:
    inside = refusal.payment_intent or {}
    found = inside.get("id")
    reference = payment or (found if isinstance(found, str) else None)
    if refusal.wants_payer:
        return _needs_action(reference, inside.get("next_action"))
    return ChargeAnswer(ProviderStatus.DECLINED, reference=reference, code=refusal.word or "declined")


def _needs_action(reference: str | None, next_action: Any) -> ChargeAnswer:
    link = None  # the service's own page has to ask for it, with Stripe.js
    match next_action:
        case {"redirect_to_url": {"url": str(url)}}:
            link = url
    return ChargeAnswer(ProviderStatus.NEEDS_ACTION, reference=reference, code=_AUTHENTICATION, link=link)


def _refusal(error: stripe.StripeError) -> Refusal | None:
    match error.json_body:
        case {"error": dict(said)}:
            try:
                return Refusal.model_validate(said)
            except ValidationError:
                return None
        case _:
            return None
