"""Which addresses a stranger's URL may lead to: those that anybody can reach from anywhere.

The ranges are IANA's registries of special-purpose addresses, written down: what a library calls global differs from
one release to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address


class Reach(IntEnum):
    """Whom an address leads to; of two that are meant by one, the lesser counts."""

    NOBODY = 0  # no host has it: unspecified, multicast, reserved, for documentation
    PRIVATE = 1  # this machine, or a network that the world cannot see
    PUBLIC = 2


_PRIVATE_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "198.18.0.0/15",
    )
)  # fmt: skip
_NOBODY_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_PUBLIC_6: Final = IPv6Network("2000::/3")  # all that is given out as global unicast
_PRIVATE_6: Final = tuple(IPv6Network(text) for text in ("::1/128", "fc00::/7", "fe80::/10", "fec0::/10"))
_NOBODY_6: Final = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")


def address(text: str) -> Address | None:
    """None for what is no address in its plain form, or has a zone: that is a link of this machine's."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return None if "%" in text else found


def reach(of: Address) -> Reach:
    """IPv6 that carries IPv4 in it is judged by what it carries."""
    if isinstance(of, IPv4Address):
        if any(of in network for network in _NOBODY_4):
            return Reach.NOBODY
        return Reach.PRIVATE if any(of in network for network in _PRIVATE_4) else Reach.PUBLIC
    if carried := [*_carried(of)]:
        return min(map(reach, carried))
    if any(of in network for network in _PRIVATE_6):
        return Reach.PRIVATE
    return Reach.PUBLIC if of in _PUBLIC_6 and not any(of in network for network in _NOBODY_6) else Reach.NOBODY


def may_be_reached(of: Address, *, allow_private: bool) -> bool:
    return reach(of) >= (Reach.PRIVATE if allow_private else Reach.PUBLIC)


def _carried(of: IPv6Address) -> Iterator[IPv4Address]:
    bits = int(of)
    if of in _MAPPED or of in _TRANSLATED:
        yield IPv4Address(bits & 0xFFFF_FFFF)
    elif of in _6TO4:
        yield IPv4Address(bits >> 80 & 0xFFFF_FFFF)
    elif of in _TEREDO:
        yield IPv4Address(bits >> 64 & 0xFFFF_FFFF)  # the server
        yield IPv4Address(~bits & 0xFFFF_FFFF)  # the client, inverted
