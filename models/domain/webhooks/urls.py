"""The URL of an endpoint: which are taken, and where each leads.

Read by one rule, for checking and for sending alike: what two readers understand differently leads to a place that only
one of them has looked at.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from models.domain.value import value
from models.python310 import StrEnum

LENGTH_MAX: Final = 2_000
_NAME_MAX: Final = 253
_PORTS: Final = {"http": 80, "https": 443}
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]*")
_URL: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?([^/?#]*)([^#]*)(#.*)?")
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")


class UrlFault(StrEnum):
    """Why a URL is not taken."""

    TOO_LONG = "url_too_long"
    CHARACTERS = "url_characters"
    SCHEME = "url_scheme"
    CREDENTIALS = "url_credentials"
    FRAGMENT = "url_fragment"
    HOST = "url_host"
    PORT = "url_port"

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS: Final = {
    UrlFault.TOO_LONG: f"a URL has at most {LENGTH_MAX} characters",
    UrlFault.CHARACTERS: "a URL is written in printable ASCII without spaces and backslashes (names of other scripts "
    "as xn--…, other characters as %…)",
    UrlFault.SCHEME: "a URL begins with https:// or http://",
    UrlFault.CREDENTIALS: "a URL has no user and no password in it: requests are signed",
    UrlFault.FRAGMENT: "a URL has no #fragment: nobody is sent one",
    UrlFault.HOST: "a URL names a host: a name, or an address ([…] around one of IPv6, without a zone)",
    UrlFault.PORT: "a port is a number from 1 to 65535",
}


class UnusableUrl(ValueError):
    """The text says what is wrong with it."""

    def __init__(self, fault: UrlFault) -> None:
        super().__init__(fault.text)
        self.fault = fault


@value(frozen=True, slots=True)
class WebhookUrl:
    """Where a URL leads."""

    scheme: str  # http or https
    host: str  # in lower case, without brackets; what it stands for is known when it is resolved
    port: int
    target: str  # path and query, as they are asked for

    @property
    def authority(self) -> str:
        """As the header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def webhook_url(text: str) -> WebhookUrl:
    """Raises UnusableUrl. Whether the host may be reached is not asked here: a name can stand for another each day."""
    if len(text) > LENGTH_MAX:
        raise UnusableUrl(UrlFault.TOO_LONG)
    if not _PRINTABLE.fullmatch(text) or "\\" in text:
        raise UnusableUrl(UrlFault.CHARACTERS)
    found = _URL.fullmatch(text)
    scheme = (found[1] or "").lower() if found else ""
    if found is None or scheme not in _PORTS:
        raise UnusableUrl(UrlFault.SCHEME)
    if "@" in found[2]:
        raise UnusableUrl(UrlFault.CREDENTIALS)
    if found[4] is not None:
        raise UnusableUrl(UrlFault.FRAGMENT)
    host, port = _host_and_port(found[2], _PORTS[scheme])
    return WebhookUrl(scheme, host, port, found[3] if found[3].startswith("/") else f"/{found[3]}")


def _host_and_port(authority: str, usual: int) -> tuple[str, int]:
    host, colon, port = authority, "", ""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        name, colon, port = authority.rpartition(":")
        raise UnusableUrl(UrlFault.PORT if colon and _is_host(name) else UrlFault.HOST)
    host, port = found[1], found[2] or ""
    if not _is_host(host):
        raise UnusableUrl(UrlFault.HOST)
    if port and not 0 < int(port) <= 0xFFFF:
        raise UnusableUrl(UrlFault.PORT)
    return host.strip("[]").lower(), int(port) if port else usual


def _is_host(text: str) -> bool:
    if not text.startswith("["):
        return len(text.removesuffix(".")) <= _NAME_MAX and _NAME.fullmatch(text) is not None
    try:
        return "%" not in text and IPv6Address(text[1:-1]) is not None
    except AddressValueError:
        return False
