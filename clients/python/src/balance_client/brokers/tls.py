"""Encrypted connections to the broker: the other side is always verified, by certificate and by name.

kombu alone verifies nobody on rediss://, and no name on amqps://.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

_SCHEMES: Final = frozenset({"rediss", "sentinels", "amqps"})


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files. `ca`: whom to trust, None for whom the system trusts; `cert`, `key`: what this side shows."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def redis_options(self) -> dict[str, Any]:
        """What redis-py takes, and so kombu and Celery for rediss://."""
        options = {"ssl_ca_certs": self.ca, "ssl_certfile": self.cert, "ssl_keyfile": self.key}
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **_given(options)}

    def amqp_options(self) -> dict[str, Any]:
        """What py-amqp takes. The name to be verified is None: kombu puts the host of the URL there."""
        options = {"ca_certs": self.ca, "certfile": self.cert, "keyfile": self.key}
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None, **_given(options)}

    def options(self, url: str) -> dict[str, Any] | bool:
        """For kombu's `ssl` and Celery's `broker_use_ssl`; False when the URL is not an encrypted one."""
        if not is_tls(url):
            return False
        return self.amqp_options() if url.startswith("amqps") else self.redis_options()


def is_tls(url: str) -> bool:
    """Whether connections to this URL are encrypted."""
    return urlsplit(url).scheme in _SCHEMES


def _given(options: dict[str, str | None]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def advice(error: str) -> str:
    """The text of an error, with what to do about it when a certificate was not accepted."""
    if "certificate" not in error.lower():
        return error
    return (
        f"{error}; the broker's certificate must come from an authority in BALANCE_BROKER_TLS_CA (clients: tls_ca) and"
        " name the host of the URL"
    )
