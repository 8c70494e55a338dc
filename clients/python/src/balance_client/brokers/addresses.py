"""Addresses of brokers and of result backends: taken apart in one place, with a sentence for each that cannot work.

    redis://[user:password@]host[:port][/number]      one server; rediss:// over TLS
    sentinel://[user:password@]host[:port];…[/number]?master_name=…
                                                      sentinels that know which server it is; sentinels:// over TLS
    amqp://[user:password@]host[:port][/vhost];…      the nodes of one RabbitMQ cluster; amqps:// over TLS

User and password of a sentinel:// address are those of the servers; the sentinels' own are its parameters
`sentinel_username` and `sentinel_password`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import redis
from redis import asyncio as asyncio_redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel as AsyncioSentinel
from redis.backoff import NoBackoff

from balance_client.brokers.sentinels import Sentinels
from balance_client.brokers.tls import Tls, is_tls

AMQP: Final = ("amqp", "amqps")
REDIS: Final = ("redis", "rediss", "sentinel", "sentinels")
_SENTINELS: Final = ("sentinel", "sentinels")
_PORTS: Final = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "sentinels": 26379}
_DATABASES: Final = 2**31  # no Redis numbers more
_HOST: Final = re.compile(r"[\w.-]+|[0-9a-f:.]*:[0-9a-f:.]*")
_OF_SENTINEL: Final = frozenset({"master_name", "sentinel_username", "sentinel_password"})
_ASKED_S: Final = 1.0  # how long a sentinel may be silent before the next one is asked

_SERVERS: Final = (
    "it names several servers, which would not share what is in them: name one, or those that watch them, as "
    "sentinel://a:26379;sentinel://b:26379/0?master_name=…"
)
_NODES: Final = "several hosts are written as whole URLs with semicolons in between: amqp://a/vhost;amqp://b/vhost"
_PARAMETERS: Final = (
    "its parameters, all that follows the ?, would override settings: leave them out; whom to trust over TLS is "
    "BALANCE_BROKER_TLS_CA, of clients tls_ca"
)
T = TypeVar("T")
_untyped_sentinel: Any = AsyncioSentinel


class Unusable(ValueError):
    """Says what is wrong with an address and what to write; says nothing when it is none of the kinds above."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A database of one Redis or Valkey server. With a `master_name` the hosts are sentinels, who know the server."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    db: int
    master_name: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None

    def client(self, tls: Tls, timeout_s: float) -> redis.Redis:
        """Connects on first use; to the server that is the primary then, and to another once that is another."""
        given = self._options(tls, timeout_s)
        if self.master_name is None:
            return redis.Redis(**given)
        client: redis.Redis = self.sentinel(tls).master_for(self.master_name, **given)
        return client

    def loop_client(self, tls: Tls, timeout_s: float) -> asyncio_redis.Redis:
        """The same for asyncio. It tries once, and what is subscribed to arrives as answers do (RESP 2)."""
        given = {**self._options(tls, timeout_s), "protocol": 2, "retry": Retry(NoBackoff(), 0)}
        if self.master_name is None:
            return asyncio_redis.Redis(**given)
        asking = self.sentinel_options(tls)["sentinel_kwargs"]
        sentinel = _untyped_sentinel(self.hosts, sentinel_kwargs=asking)
        client: asyncio_redis.Redis = sentinel.master_for(self.master_name, **given)
        return client

    def _options(self, tls: Tls, timeout_s: float) -> dict[str, Any]:
        given = {
            "username": self.username, "password": self.password, "db": self.db,
            **socket_options(timeout_s), **self._tls(tls),
        }  # fmt: skip
        if self.master_name is None:
            [(given["host"], given["port"])] = self.hosts
        return given

    def sentinel(self, tls: Tls) -> Sentinels:
        """Asks one of them after the other."""
        return Sentinels(self.hosts, sentinel_kwargs=self.sentinel_options(tls)["sentinel_kwargs"])

    def sentinel_options(self, tls: Tls) -> dict[str, Any]:
        """What kombu and Celery call so in their options for a transport and for a result backend."""
        if self.master_name is None:
            return {}
        asking = {
            "username": self.sentinel_username, "password": self.sentinel_password,
            "socket_timeout": _ASKED_S, "socket_connect_timeout": _ASKED_S, **self._tls(tls),
            "retry": None,  # the next one is asked instead
        }  # fmt: skip
        return {"master_name": self.master_name, "sentinel_kwargs": asking}

    def _tls(self, tls: Tls) -> dict[str, Any]:
        return {"ssl": True, **tls.redis_options()} if is_tls(f"{self.scheme}:") else {}


def check_broker(url: str) -> None:
    """Raises Unusable when this cannot work as a broker's address."""
    if url.partition("://")[0] not in AMQP:
        redis_address(url)
        return
    parts = _parts(url, AMQP)
    if any(part.query for part in parts):
        raise Unusable(_PARAMETERS)
    _the_one("virtual hosts", (unquote(part.path[1:]) or "/" for part in parts))


def redis_address(url: str) -> RedisAddress:
    """Raises Unusable when this is no address of a Redis that can work."""
    parts = _parts(url, REDIS)
    scheme = parts[0].scheme
    if len(parts) > 1 and scheme not in _SENTINELS:
        raise Unusable(_SERVERS)
    parameters = dict(parse_qsl(parts[-1].query, keep_blank_values=True))
    allowed = _OF_SENTINEL if scheme in _SENTINELS else frozenset()
    if any(part.query for part in parts[:-1]) or not parameters.keys() <= allowed:
        raise Unusable(_PARAMETERS)
    if allowed and not parameters.get("master_name"):
        raise Unusable("it does not say what the sentinels call the server: end it with ?master_name=…")
    return RedisAddress(
        scheme,
        tuple((part.hostname or "", part.port or _PORTS[scheme]) for part in parts),
        _the_one("users", (unquote(part.username) for part in parts if part.username)),
        _the_one("passwords", (unquote(part.password) for part in parts if part.password)),
        _the_one("databases", (_number(part.path) for part in parts if part.path not in ("", "/"))) or 0,
        **parameters,
    )


def kombu_url(url: str) -> str:
    """The URL as kombu writes it; what else it needs for sentinels is in `sentinel_options`."""
    return _listed(url, secret_in_each=True)  # kombu takes the password of the part that it is at


def result_backend_url(url: str) -> str:
    """The URL as Celery writes it for a result backend; the rest is in `sentinel_options` again."""
    return _listed(url, secret_in_each=False)  # Celery takes that of the first part, and masks no other


def _listed(url: str, *, secret_in_each: bool) -> str:
    if urlsplit(url).scheme not in _SENTINELS:
        return url
    address = redis_address(url)
    secret = f":{quote(address.password, safe='')}" if address.password else ""
    user = f"{quote(address.username or '', safe='')}{secret}@" if address.username or secret else ""
    hosts = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.hosts]
    users = [user] * len(hosts) if secret_in_each else [user, *[""] * (len(hosts) - 1)]
    return ";".join(f"sentinel://{user}{host}/{address.db}" for user, host in zip(users, hosts, strict=True))


def socket_options(timeout_s: float, connect_timeout_s: float | None = None) -> dict[str, Any]:
    """How a connection to Redis notices that nobody is there any more. redis-py and kombu call these options alike."""
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s if connect_timeout_s is None else connect_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 10,  # seconds
    }


def sentinel_options(url: str, tls: Tls) -> dict[str, Any]:
    """Options that belong to the two above; none where there are no sentinels."""
    return redis_address(url).sentinel_options(tls) if urlsplit(url).scheme in _SENTINELS else {}


def _parts(url: str, schemes: tuple[str, ...]) -> list[SplitResult]:
    """The URLs of a list, each with a host and a port that can be."""
    if re.search(r"[\s\x00-\x1f]", url):
        raise Unusable("there is white space in it")
    try:
        parts = [urlsplit(part) for part in url.split(";")]
    except ValueError:  # brackets around what is no IPv6 address
        raise Unusable from None
    if not all(part.scheme in (*REDIS, *AMQP) for part in parts) or parts[0].scheme not in schemes:
        raise Unusable
    _the_one("kinds of server", (part.scheme for part in parts))
    for part in parts:
        if part.fragment:
            raise Unusable("there is a # in it: write it as %23, and in passwords / as %2F, ? as %3F, ; as %3B")
        if not part.hostname:
            raise Unusable
        if "," in part.netloc.rpartition("@")[2]:
            raise Unusable(_SERVERS if part.scheme in REDIS else _NODES)
        if not _HOST.fullmatch(part.hostname):
            raise Unusable("its host is no name and no address of a machine")
        if not _has_usable_port(part):
            raise Unusable("a port is a number from 1 to 65535")
    return parts


def _has_usable_port(part: SplitResult) -> bool:
    try:
        return part.port != 0
    except ValueError:
        return False


def _number(path: str) -> int:
    number = path.removeprefix("/")
    if not re.fullmatch("[0-9]+", number) or int(number) >= _DATABASES:
        raise Unusable("what follows the host is the number of a database: /0")
    return int(number)


def _the_one(what: str, named: Iterable[T]) -> T | None:
    found = set(named)
    if len(found) > 1:
        raise Unusable(f"its parts name different {what}: write the same in each")
    return found.pop() if found else None
