"""RabbitMQ's management API, where it is: on port 15672 of the broker's host, with the broker's credentials."""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

_PORT: Final = 15672
_PATIENCE_S: Final = 3.0
_NOT_FOUND: Final = 404


class Management:
    """`ca`: the PEM file of whom to trust where the broker is spoken to over TLS; None: whom the system trusts."""

    def __init__(self, broker_url: str, ca: str | None) -> None:
        self._context = ssl.create_default_context(cafile=ca)
        parts = urlsplit(broker_url.split(";")[0])
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        scheme, port = ("https", _PORT - 1) if parts.scheme == "amqps" else ("http", _PORT)
        self._base = f"{scheme}://{host}:{port}/api"
        self._vhost = quote(unquote(parts.path[1:]) or "/", safe="")
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        self._credentials = base64.b64encode(f"{user}:{password}".encode()).decode()

    def unreachable(self) -> str:
        """Why it cannot be asked; empty when it can."""
        try:
            self._get(f"vhosts/{self._vhost}")
        except HTTPError as error:
            error.close()
            return f"{self._base} answers {error.code} {error.reason}"
        except (URLError, TimeoutError, ValueError) as error:
            return f"{self._base}: {error}"
        return ""

    def queue(self, name: str) -> dict[str, Any] | None:
        """The description of a queue; None when the API knows none of that name (yet)."""
        try:
            found: dict[str, Any] = self._get(f"queues/{self._vhost}/{quote(name, safe='')}")
        except HTTPError as error:
            error.close()
            if error.code != _NOT_FOUND:
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
        except HTTPError as error:
            error.close()
            return []
        return found

    def _get(self, path: str) -> Any:
        headers = {"Authorization": f"Basic {self._credentials}"}
        request = Request(f"{self._base}/{path}", headers=headers)  # noqa: S310 - http or https, see above
        with urlopen(request, timeout=_PATIENCE_S, context=self._context) as answer:  # noqa: S310
            return json.load(answer)
