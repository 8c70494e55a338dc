"""RabbitMQ's management API, where it is: on port 15672 of the broker's host, with the broker's credentials."""

from __future__ import annotations

import ssl
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx

_PORT: Final = 15672
_PATIENCE_S: Final = 3.0


class Management:
    """`ca`: the PEM file of whom to trust where the broker is spoken to over TLS; None: whom the system trusts."""

    def __init__(self, broker_url: str, ca: str | None) -> None:
        parts = urlsplit(broker_url.split(";")[0])
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        scheme, port = ("https", _PORT - 1) if parts.scheme == "amqps" else ("http", _PORT)
        self._base = f"{scheme}://{host}:{port}/api"
        self._vhost = quote(unquote(parts.path[1:]) or "/", safe="")
        self._login = httpx.BasicAuth(unquote(parts.username or "guest"), unquote(parts.password or "guest"))
        self._trust = ssl.create_default_context(cafile=ca)

    def unreachable(self) -> str:
        """Why it cannot be asked; empty when it can."""
        try:
            self._get(f"vhosts/{self._vhost}")
        except httpx.HTTPStatusError as error:
            return f"{self._base} answers {error.response.status_code} {error.response.reason_phrase}"
        except (httpx.HTTPError, ValueError) as error:
            return f"{self._base}: {error}"
        return ""

    def queue(self, name: str) -> dict[str, Any] | None:
        """The description of a queue; None when the API knows none of that name (yet)."""
        try:
            found: dict[str, Any] = self._get(f"queues/{self._vhost}/{quote(name, safe='')}")
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:
                raise
            return None
        return found

    def feeds(self, exchange: str, queue: str) -> bool:
        """Whether an exchange is bound to a queue."""
        found: list[Any] = self._get(f"bindings/{self._vhost}/e/{quote(exchange, safe='')}/q/{quote(queue, safe='')}")
        return bool(found)

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes of the cluster; none when this user may not see them (that needs the tag `monitoring`)."""
        try:
            found: list[dict[str, Any]] = self._get("nodes")
        except httpx.HTTPStatusError:
            return []
        return found

    def _get(self, path: str) -> Any:
        # Without what the environment says of proxies: the broker is reached without them, too.
        answer = httpx.get(
            f"{self._base}/{path}", auth=self._login, verify=self._trust, timeout=_PATIENCE_S, trust_env=False
        )
        return answer.raise_for_status().json()
