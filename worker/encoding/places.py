"""Where a broker and a database are, without users and passwords: what workers tell, and what the doctor compares.

redis://queue:6379/0   sentinel://a:26379;b:26379/0?master_name=m   amqp://rabbit:5672/%2F   postgresql://db:5432/ledger
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from balance_client.brokers.addresses import AMQP, redis_address

_PORTED: Final = re.compile(r":[0-9]+$")
_AMQP_PORTS: Final = {"amqp": 5672, "amqps": 5671}


def broker_places(url: str) -> list[str]:
    """Every place that a client of this URL may be connected to: several where RabbitMQ has several nodes."""
    if url.partition("://")[0] not in AMQP:
        address = redis_address(url)
        return [_place(address.scheme, address.hosts, str(address.db), address.master_name)]
    parts = [urlsplit(part) for part in url.split(";")]
    return [
        _place(part.scheme, [(part.hostname or "", part.port)], quote(unquote(part.path[1:]) or "/", safe=""))
        for part in parts
    ]


def connected_place(connection: Any) -> str:
    """The one of them that an open connection of kombu's has."""
    scheme, hosts = connection.transport_cls, [(connection.hostname, connection.port)]
    master_name = connection.transport_options.get("master_name")
    if master_name is not None:
        scheme = "sentinels" if connection.ssl else "sentinel"
        listed = [urlsplit(part) for part in connection.alt]
        hosts = [(part.hostname, part.port) for part in listed] or hosts
    rest = connection.virtual_host
    return _place(scheme, hosts, quote(rest, safe="") if scheme in AMQP else (rest.strip("/") or "0"), master_name)


def database_place(url: str) -> str:
    """Of a URL as the settings have it."""
    parts = urlsplit(url)
    named = {name: ",".join(values) for name, values in parse_qs(parts.query).items()}
    hosts = named.get("host") or parts.netloc.rpartition("@")[2] or "localhost"
    port = f":{named.get('port', '5432')}" if "host" in named or not _PORTED.search(hosts) else ""
    return f"postgresql://{hosts}{port}{parts.path}"


def _place(scheme: str, hosts: Iterable[tuple[str, int | None]], rest: str, master_name: str | None = None) -> str:
    ports = {**_AMQP_PORTS, "redis": 6379, "rediss": 6379}
    named = sorted(f"{f'[{host}]' if ':' in host else host}:{port or ports[scheme]}" for host, port in hosts)
    return f"{scheme}://{';'.join(named)}/{rest}{f'?master_name={master_name}' if master_name else ''}"
