"""What providers go by, as tables: amounts at Stripe, signatures, times to wait, and which providers there are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from worker.outgoing.retry_after import retry_after_s
from worker.outgoing.signature import key_of, signed
from worker.providers.registry import providers
from worker.providers.stripe_amounts import stripe_amount

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1_099, "USD", 1_099),
        (1, "EUR", 1),
        (500, "JPY", 500),
        (500, "KRW", 500),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (500, "MGA", 5),
        (550, "MGA", None),
        (5_120, "KWD", 5_120),
        (5_124, "KWD", None),
        *[(10, currency, 10) for currency in ("BHD", "JOD", "KWD", "OMR", "TND")],
        *[(11, currency, None) for currency in ("BHD", "JOD", "KWD", "OMR", "TND")],
        (1_045, "HUF", 1_045),
        (80_045, "TWD", 80_045),
        (0, "USD", None),
        (-1, "USD", None),
    ],
)
def test_amounts_as_stripe_writes_them(amount: int, currency: str, expected: int | None) -> None:
    assert stripe_amount(amount, currency) == expected


def test_a_signature_is_that_of_the_standard() -> None:
    """The example that libraries of Standard Webhooks are tested with."""
    key = key_of("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1_614_265_330, UTC)
    assert signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_moment_is_the_same_in_every_time_zone() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert signed([b"k"], "m", there, b"") == signed([b"k"], "m", NOON + timedelta(milliseconds=999), b"")


def test_secrets() -> None:
    assert key_of("a text") == b"a text"
    assert key_of("whsec_" + "YSBrZXk=") == b"a key"
    for wrong in ("", "whsec_", "whsec_" + "no base64!"):
        with pytest.raises(ValueError, match="secret"):
            key_of(wrong)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": " 120 "}, 120.0),
        ({"Retry-After": "999999999"}, 86_400.0),
        ({"Retry-After": "9" * 5_000}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "\u0663"}, None),
        ({"Retry-After": "Thu, 26 Nov 2026 12:01:00 GMT"}, 60.0),
        ({"Retry-After": "Thu, 26 Nov 2026 11:59:00 GMT"}, 0.0),
        ({"Retry-After": "Thu, 26 Nov 2026 12:01:00 -0000"}, 60.0),
        ({"Retry-After": "Mon, 26 Nov 2029 12:00:00 GMT"}, 86_400.0),
        ({"Retry-After": "Thu, 26 Nov 2026 09:00:10 GMT", "Date": "Thu, 26 Nov 2026 09:00:00 GMT"}, 10.0),
        ({"Retry-After": "Thu, 26 Nov 2026 12:00:10 GMT", "Date": "today"}, 10.0),
        ({"Retry-After": "99 Foo 9999 99:99:99 GMT"}, None),
    ],
)
def test_how_long_a_service_wants_to_be_left_alone(headers: Mapping[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, NOON) == expected


def test_which_providers_there_are() -> None:
    assert providers() == {}
    found = providers(http_url="https://pay.example/charges", http_secret="s", stripe_key="k")
    assert sorted(found) == ["http", "stripe"]
    for provider in found.values():
        provider.close()


@pytest.mark.parametrize(
    ("url", "secret"),
    [("https://pay.example", None), ("ftp://pay.example", "s"), ("pay.example", "s"), ("https://", "s")],
)
def test_a_service_that_cannot_be_asked(url: str, secret: str | None) -> None:
    with pytest.raises(ValueError, match="payment service"):
        providers(http_url=url, http_secret=secret)


def test_stripes_library_leaves_nothing_in_the_home_directory(tmp_path: Path) -> None:
    program = """
from uuid import uuid4
from tasks.auto_topup.provider import ChargeRequest
from worker.providers.stripe import StripeProvider
asked = ChargeRequest(uuid4(), "wallet:w_1", "cus_1", "pm_1", 2000, "USD", "50", 1)
provider = StripeProvider("k", base_url="http://127.0.0.1:1")
print(provider.charge(asked).code)
provider.close()
"""
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == "not_connected\n"
    assert list(tmp_path.iterdir()) == []


def test_without_stripes_library_the_rest_works_and_says_what_to_install() -> None:
    program = """
import sys
sys.modules["stripe"] = None
from worker.providers.registry import NotInstalled, providers
providers(http_url="https://pay.example/charges", http_secret="s")["http"].close()
try:
    providers(stripe_key="k")
except NotInstalled as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "charging at Stripe needs its library: pip install 'balance-worker[stripe]'\n"
