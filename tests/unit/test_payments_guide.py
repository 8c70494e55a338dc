"""docs/payments.md says what providers do: its request, its verification, and each code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tasks.auto_topup.provider import ChargeRequest
from worker.outgoing.signature import key_of, signed
from worker.providers.http import request_body

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "payments.md").read_text(encoding="utf-8")
NAME = "019ac012-7c4e-7000-8a55-0d3f6a1c2b77"


def example(name: str) -> str:
    found = re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)
    assert found, f"docs/payments.md has no example marked {name!r}"
    return found[1]


def test_the_request_is_what_is_sent() -> None:
    head, _, body = example("request").partition("\n\n")
    sent = ChargeRequest(
        id=UUID(NAME), account="wallet:w_1", payer="customer-42", payment_method=None, amount=2_000, currency="USD",
        credits="50", policy_version=3,
    )  # fmt: skip
    assert request_body(sent).decode() == body.strip()
    named = {line.partition(":")[0] for line in head.splitlines()[1:]}
    assert named == {"Content-Type", "Idempotency-Key", *signed([b"k"], NAME, datetime.now(UTC), b"")}
    rows = re.findall(r"^\| (`[^|]+`) \|", GUIDE.partition("### The request")[2].partition("###")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(json.loads(body))


def test_what_verifies_takes_what_is_signed_and_nothing_else() -> None:
    found: dict[str, Any] = {}
    exec(compile(example("verify"), "docs/payments.md", "exec"), found)
    genuine: Callable[[str, Mapping[str, str], bytes], bool] = found["genuine"]
    now, body = datetime.now(UTC), b'{"amount":1}'
    for secret in ("whsec_" + "YSBrZXk=", "a text"):
        headers = signed([key_of(secret)], NAME, now, body)
        assert genuine(secret, headers, body)
        assert genuine(secret, {**headers, "webhook-signature": f"v1,b2xk {headers['webhook-signature']}"}, body)
        assert not genuine(secret, headers, body + b" ")
        assert not genuine("another", headers, body)
        assert not genuine(secret, {**headers, "webhook-id": "another"}, body)
        old = signed([key_of(secret)], NAME, now - timedelta(minutes=6), body)
        assert not genuine(secret, old, body)


def test_every_code_that_we_make_is_told() -> None:
    """What a provider says in words of its own is passed on; these are ours."""
    made = set()
    for file in (ROOT / "worker" / "providers").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        made |= set(re.findall(r"(?:NoAnswer|_silence|_?unknown)\(\"(\w+)\"", text))
        made |= set(re.findall(r"DECLINED, code=(?:\w+\.\w+ or )?\"(\w+)\"", text))
    assert len(made) > 10
    assert {code for code in made if f"`{code}`" not in GUIDE} == set()
