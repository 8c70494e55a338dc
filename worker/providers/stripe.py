"""The provider `stripe`: PaymentIntents, confirmed while the payer is away, through Stripe's own library.

A key of idempotency alone does not make a charge one charge there. A repetition gets the first answer, word for word,
whatever became of the payment since; it must have the same parameters, and a payer may have chosen another card
meanwhile; and Stripe forgets keys after a day. So a charge that may have been asked for before is looked for by its id,
which every payment carries as metadata, before it is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import stripe
from pydantic import ValidationError

from tasks.auto_topup.provider import ChargeAnswer, ChargeRequest
from worker import clock
from worker.providers import stripe_answers as answers
from worker.providers.exchange import Exchange
from worker.providers.stripe_amounts import stripe_amount
from worker.providers.stripe_answers import Customer, Payment, Payments
from worker.providers.stripe_transport import ANSWER_BYTES_MAX, StripeTransport

if TYPE_CHECKING:
    from stripe.params import PaymentIntentListParams

CHARGE: Final = "balance_charge"
"""The metadata that has the charge's id."""
_PAGE: Final = 20  # payments
_CLOCKS_DIFFER: Final = timedelta(hours=1)
_KEYS_LIVE: Final = timedelta(days=2)  # at least one day, says Stripe


class StripeProvider:
    """An account at Stripe. May be used by `concurrency` threads at once; belongs to one process.

    `timeout_s`: seconds for a request, all of it. A charge takes one; up to four where the payer's default is asked for
    and an earlier attempt is looked for, and another for each further twenty payments that are looked through. `ca`: as
    that of the provider `http`. Raises ValueError for an empty key.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = stripe.DEFAULT_API_BASE,
        timeout_s: float = 10.0,
        concurrency: int = 4,
        ca: str | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        if not api_key:
            raise ValueError("the key of Stripe's API is empty")
        exchange = Exchange(timeout_s=timeout_s, connections=concurrency, answer_bytes_max=ANSWER_BYTES_MAX, ca=ca)
        self._now, self._transport = now, StripeTransport(exchange)
        client = stripe.StripeClient(
            api_key,
            base_addresses={"api": base_url.rstrip("/")},
            max_network_retries=0,
            http_client=self._transport,
        )
        self._payments, self._customers = client.v1.payment_intents, client.v1.customers

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        """Charges, or tells what became of it."""
        amount = stripe_amount(request.amount, request.currency)
        if amount is None:
            return answers.NOT_CHARGEABLE
        if not request.payer:
            return answers.NO_PAYMENT_METHOD
        try:
            payment = self._payment(request, request.payer, amount)
        except stripe.StripeError as error:
            return answers.answer_to(error, self._now())
        except ValidationError:
            return answers.unknown("unreadable_answer")
        if payment is None:
            return answers.NO_PAYMENT_METHOD
        another = request.reference is not None and payment.metadata.get(CHARGE) != str(request.id)
        if another or (payment.amount, payment.currency.upper()) != (amount, request.currency):
            return answers.unknown("contradictory_answer")
        return payment.answer()

    def close(self) -> None:
        """Requests under way are given up; what became of them is unknown."""
        self._transport.close()

    def _payment(self, request: ChargeRequest, payer: str, amount: int) -> Payment | None:
        """The payment, made now or before. None: there is nothing to pay with. Raises StripeError, ValidationError."""
        if request.reference is not None:
            return Payment.model_validate(self._payments.retrieve(request.reference).to_dict())
        if request.first_asked_at is not None:
            found = self._found(request, payer, request.first_asked_at - _CLOCKS_DIFFER)
            if found is not None:
                return found
        method = request.payment_method or Customer.model_validate(self._customers.retrieve(payer).to_dict()).pays_with
        if method is None:
            return None
        try:
            return self._made(request, payer, method, amount)
        except stripe.IdempotencyError:  # made with what the payer's default was then
            found = self._found(request, payer, self._now() - _KEYS_LIVE)
            if found is None:
                raise
            return found

    def _made(self, request: ChargeRequest, payer: str, method: str, amount: int) -> Payment:
        made = self._payments.create(
            {
                "amount": amount,
                "currency": request.currency.lower(),
                "customer": payer,
                "payment_method": method,
                "off_session": True,
                "confirm": True,
                # Nobody is there to be sent to another page and to come back; without a word on it Stripe wants to know
                # where to.
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {
                    CHARGE: str(request.id),
                    "balance_account": request.account,
                    "balance_credits": request.credits,
                    "balance_policy_version": str(request.policy_version),
                },
            },
            {"idempotency_key": str(request.id)},
        )
        return Payment.model_validate(made.to_dict())

    def _found(self, request: ChargeRequest, payer: str, since: datetime) -> Payment | None:
        """The payment that an earlier attempt made. Lists are up to date at once, unlike Stripe's search."""
        ours = [each for each in self._listed(payer, since) if each.metadata.get(CHARGE) == str(request.id)]
        # Two there cannot be; were there, the one that took money is the one that must be known.
        return next((each for each in ours if each.status == "succeeded"), next(iter(ours), None))

    def _listed(self, payer: str, since: datetime) -> Iterator[Payment]:
        wanted: PaymentIntentListParams = {
            "customer": payer,
            "created": {"gte": int(since.timestamp())},
            "limit": _PAGE,
        }
        while True:
            page = Payments.model_validate(self._payments.list(wanted).to_dict())
            yield from page.data
            if not page.has_more or not page.data:
                return
            wanted["starting_after"] = page.data[-1].id
