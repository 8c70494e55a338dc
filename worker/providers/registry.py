"""The providers that a deployment has, by the names that policies use."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final, Protocol

from pydantic import SecretStr

from models.domain.charging.policies import ProviderName
from tasks.auto_topup.provider import Provider
from worker.providers.http import HttpProvider
from worker.settings.settings import Settings

HTTP: Final = "http"
STRIPE: Final = "stripe"
_NO_STRIPE: Final = "charging at Stripe needs its library: pip install 'balance-worker[stripe]'"


class OpenProvider(Provider, Protocol):
    """One that holds connections until it is closed."""

    def close(self) -> None: ...


class NotInstalled(Exception):
    """A provider is configured whose library is not there. The text says what to install."""


def providers(
    *,
    http_url: str | None = None,
    http_secret: str | None = None,
    http_ca: str | None = None,
    stripe_key: str | None = None,
    stripe_url: str | None = None,
    timeout_s: float = 10.0,
    concurrency: int = 4,
) -> dict[str, OpenProvider]:
    """Those that are configured: `http` by its URL and secret, `stripe` by its key. Close each in the end.

    `timeout_s`: seconds for one request. `concurrency`: threads that charge at once. `stripe_url`: None for Stripe's
    own. Raises ValueError for what cannot be used, NotInstalled without Stripe's library.
    """
    found: dict[str, OpenProvider] = {}
    if http_url:
        if not http_secret:
            raise ValueError("the payment service has a URL and no secret: what it is asked would not be signed")
        found[HTTP] = HttpProvider(http_url, http_secret, timeout_s=timeout_s, concurrency=concurrency, ca=http_ca)
    if stripe_key:
        found[STRIPE] = _stripe(stripe_key, stripe_url, timeout_s, concurrency)
    return found


def providers_of(settings: Settings) -> dict[ProviderName, OpenProvider]:
    """Those that the settings configure. Raises as `providers`."""

    def text(secret: SecretStr | None) -> str | None:
        return None if secret is None else secret.get_secret_value()

    found = providers(
        http_url=settings.charge_http_url,
        http_secret=text(settings.charge_http_secret),
        stripe_key=text(settings.charge_stripe_key),
        stripe_url=settings.charge_stripe_url,
        timeout_s=settings.charge_timeout_s,
        concurrency=settings.charge_concurrency,
    )
    return {ProviderName(name): provider for name, provider in found.items()}


def check_installed(settings: Settings) -> None:
    """Raises NotInstalled where the settings configure a provider whose library is missing."""
    if settings.charge_stripe_key is not None and find_spec("stripe") is None:
        raise NotInstalled(_NO_STRIPE)


def _stripe(key: str, url: str | None, timeout_s: float, concurrency: int) -> OpenProvider:
    try:
        from worker.providers.stripe import StripeProvider
    except ModuleNotFoundError as error:
        if error.name != "stripe":
            raise
        raise NotInstalled(_NO_STRIPE) from error
    if url is None:
        return StripeProvider(key, timeout_s=timeout_s, concurrency=concurrency)
    return StripeProvider(key, base_url=url, timeout_s=timeout_s, concurrency=concurrency)
