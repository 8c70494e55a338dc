"""What Stripe has and localstripe has not, in front of it: keys of idempotency, and parameters it does not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Event
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

import httpx

from tests.support.servers.recording_proxy import Asked, RecordingProxy, Reply

SECRET: Final = "sk_" + "test_12345"
_PATIENCE_S: Final = 20.0
_UNKNOWN: Final = ("automatic_payment_methods", "created")
_PAYMENTS: Final = "/v1/payment_intents"
_CONFLICT: Final = {
    "type": "idempotency_error",
    "message": "Keys for idempotent requests can only be used with the same parameters they were first used with.",
}
_IN_USE: Final = {"type": "idempotency_error", "message": "There is currently another in-progress request using it."}


def error(status: int, **said: Any) -> Reply:
    """An answer that says what is wrong, as Stripe writes it."""
    return Reply(status, json.dumps({"error": said}).encode(), {"Content-Type": "application/json"})


class StripeProxy(RecordingProxy):
    """Equal keys get the first answer again, whatever it was; other parameters are refused, as Stripe does it."""

    def __init__(self, upstream: str) -> None:
        self._first: dict[str, tuple[bytes, Reply | None]] = {}  # by key; None: not answered yet
        self._keys = Condition()
        self._going_on = Event()
        self._going_on.set()
        self._failing = False
        super().__init__(upstream)

    def forget_keys(self) -> None:
        """A day has passed."""
        with self._keys:
            self._first.clear()

    def fail_after_charging(self) -> None:
        """The next payment is made, and what is said of it is that something went wrong."""
        self._failing = True

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While the block runs no payment comes to its end."""
        self._going_on.clear()
        try:
            yield
        finally:
            self._going_on.set()

    def wait_for(self, key: UUID) -> None:
        """Until a payment of this key is at work."""
        with self._keys:
            assert self._keys.wait_for(lambda: str(key) in self._first, _PATIENCE_S), "nobody asked for it"

    def reply(self, asked: Asked) -> Reply:
        key = asked.headers.get("idempotency-key")
        if asked.method != "POST" or key is None:
            return super().reply(_understood(asked))
        with self._keys:
            known = self._first.get(key)
            if known is None:
                self._first[key] = (asked.body, None)
                self._keys.notify_all()
        if known is None:
            self._going_on.wait(_PATIENCE_S)
            reply = super().reply(_understood(asked))
            if self._failing:
                self._failing, reply = False, error(500, type="api_error", message="Something went wrong.")
            with self._keys:
                self._first[key] = (asked.body, reply)
            return reply
        body, first = known
        if body != asked.body:
            return error(400, **_CONFLICT)
        return first or error(409, **_IN_USE)


class Account:
    """What a test does at Stripe by itself."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, auth=(SECRET, ""), trust_env=False, timeout=20)

    def close(self) -> None:
        self._http.close()

    def customer(self, card: str | None = None) -> str:
        """A customer's id. `card`: the number of the one that is the default; None: there is none."""
        customer = self._post("/v1/customers", description="of a test")
        if card is not None:
            self.chooses(customer, self.card(customer, card))
        return customer

    def card(self, customer: str, number: str) -> str:
        """The id of a card that the customer has from then on."""
        card = {"number": number, "exp_month": "12", "exp_year": "2030", "cvc": "123"}
        method = self._post("/v1/payment_methods", type="card", **{f"card[{name}]": card[name] for name in card})
        self._post(f"/v1/payment_methods/{method}/attach", customer=customer)
        return method

    def chooses(self, customer: str, method: str) -> None:
        """It is the customer's default from then on."""
        self._post(f"/v1/customers/{customer}", **{"invoice_settings[default_payment_method]": method})

    def authenticates(self, payment: str) -> None:
        """The payer confirms a payment."""
        secret = self._http.get(f"{_PAYMENTS}/{payment}").raise_for_status().json()["client_secret"]
        self._post(f"{_PAYMENTS}/{payment}/_authenticate", client_secret=secret, success="true")

    def charged(self, customer: str) -> list[int]:
        """The amounts that were taken."""
        charges = self._http.get("/v1/charges", params={"customer": customer, "limit": 100}).raise_for_status().json()
        return [charge["amount"] for charge in charges["data"] if charge["status"] == "succeeded"]

    def _post(self, path: str, **fields: str) -> str:
        made: str = self._http.post(path, data=fields).raise_for_status().json()["id"]
        return made


def _understood(asked: Asked) -> Asked:
    """Without what localstripe does not know. Of payments it knows no filter: it lists those of all customers."""
    parts = urlsplit(asked.path)
    unknown = (*_UNKNOWN, "customer") if (asked.method, parts.path) == ("GET", _PAYMENTS) else _UNKNOWN
    path = urlunsplit(parts._replace(query=_without(parts.query, unknown)))
    return Asked(asked.method, path, asked.headers, _without(asked.body.decode(), unknown).encode())


def _without(form: str, names: tuple[str, ...]) -> str:
    return urlencode([(name, value) for name, value in parse_qsl(form) if name.partition("[")[0] not in names])
