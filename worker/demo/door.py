"""The demo over HTTP: what another service asks the door, and what the reader can ask a door of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Final

import httpx

from worker.demo.tour import Unexpected

_TOP_UP: Final = {"credits_to_add": "12.50", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
YOURSELF: Final = """
Try it yourself: `make up` in another terminal, and then here
  curl -X POST http://127.0.0.1:8080/v1/wallets -H "X-API-Key: $(cat .balance-worker/http-key)" \\
    -H 'Content-Type: application/json' -H 'Idempotency-Key: mine-1' -d '{"wallet_id": "mine"}'
"""
"""Ends the demo; a test runs it as it stands."""


def through_the_door(url: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Each request in words, the status of its answer and what it says. Raises Unexpected."""
    wallet = f"w_{secrets.token_hex(4)}"
    path = f"/v1/wallets/{wallet}/top-up"
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=30, trust_env=False) as client:
        for path_, body, request_key, expected, replayed in (
            ("/v1/wallets", {"wallet_id": wallet}, "open", "0", False),
            (path, _TOP_UP, "invoice", "12.5", False),
            (path, _TOP_UP, "invoice", "12.5", True),
        ):
            headers = {"Idempotency-Key": f"{request_key}-{wallet}"}
            answer = client.post(path_, json=body, headers=headers)
            balance = _balance(answer)
            if (balance, "idempotent-replayed" in answer.headers) != (expected, replayed):
                raise Unexpected(f"POST {path_}: answered {answer.status_code} {answer.text}")
            said = f"credit_balance {balance}{', the first answer again' if replayed else ''}"
            yield f"POST {path_}", str(answer.status_code), said


def _balance(answer: httpx.Response) -> str | None:
    if answer.status_code != httpx.codes.OK:
        return None
    body: dict[str, Any] = answer.json()
    return str(body.get("wallet", body)["credit_balance"])
