"""Payment services as processes, and providers that ask them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.servers.child import running
from tests.support.servers.recording_proxy import RecordingProxy
from tests.support.servers.stripe_proxy import SECRET, Account, StripeProxy

if TYPE_CHECKING:
    from worker.providers.http import HttpProvider
    from worker.providers.stripe import StripeProvider

SERVICE = "examples/payment_service/server.py"
SHARED = "whsec_" + "c2hhcmVkIHdpdGggdGhlIHBheW1lbnQgc2VydmljZQ=="
TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordingProxy]:
    """The example's payment service, behind a proxy."""
    log = tmp_path_factory.mktemp("service") / "log"
    with running([SERVICE, "--secret", SHARED, "--port", "0"], log) as child, RecordingProxy(child.url) as proxy:
        yield proxy


@pytest.fixture
def http(service: RecordingProxy) -> Iterator[HttpProvider]:
    from worker.providers.http import HttpProvider

    with closing(HttpProvider(f"{service.url}/charges", SHARED, timeout_s=TIMEOUT_S)) as provider:
        yield provider


@pytest.fixture(scope="module")
def stripe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeProxy]:
    """localstripe, behind a proxy that has Stripe's keys of idempotency."""
    log = tmp_path_factory.mktemp("stripe") / "log"
    words = ["-m", "tests.support.servers.localstripe_server"]
    with running(words, log) as child, StripeProxy(child.url) as proxy:
        yield proxy


@pytest.fixture
def account(stripe_server: StripeProxy) -> Iterator[Account]:
    with closing(Account(stripe_server.url)) as account:
        yield account


@pytest.fixture
def stripe_provider(stripe_server: StripeProxy) -> Iterator[StripeProvider]:
    from worker.providers.stripe import StripeProvider

    with closing(StripeProvider(SECRET, base_url=stripe_server.url, timeout_s=TIMEOUT_S)) as provider:
        yield provider
