"""Addresses of brokers and result backends: what cannot work is refused with a reason, the rest means one thing."""

from __future__ import annotations

from inspect import signature
from typing import Any
from urllib.parse import quote

import pytest
from amqp.connection import Connection as AmqpConnection
from amqp.transport import SSLTransport
from kombu import Connection
from redis import Redis
from redis.connection import Connection as RedisConnection
from redis.connection import SSLConnection
from redis.sentinel import Sentinel

from balance_client import BalanceClient
from balance_client.brokers.addresses import (
    Unusable,
    check_broker,
    kombu_url,
    redis_address,
    result_backend_url,
    sentinel_options,
)
from balance_client.brokers.tls import Tls
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings, SettingsError, load_settings

MASTER = "?master_name=m"
REFUSED = [
    # several servers
    ("redis://a,b/0", "names several servers"),
    ("redis://a:6379,b:6379/0", "names several servers"),
    ("redis://a;redis://b", "names several servers"),
    ("redis://a/0;redis://b/0", "names several servers"),
    ("rediss://a;rediss://b", "names several servers"),
    ("redis://a;redis://a", "names several servers"),
    ("sentinel://a,b/0?master_name=m", "sentinel://a:26379;sentinel://b:26379/0"),
    ("amqp://a,b//", "amqp://a/vhost;amqp://b/vhost"),
    # parts that disagree
    ("redis://a;amqp://b", "different kinds of server"),
    ("redis://a;rediss://b", "different kinds of server"),
    ("amqp://a//;amqps://b//", "different kinds of server"),
    ("sentinel://a;redis://b/0?master_name=m", "different kinds of server"),
    ("amqp://a/x;amqp://b/y", "different virtual hosts"),
    ("amqp://a;amqp://b/y", "different virtual hosts"),
    ("sentinel://a/1;sentinel://b/2?master_name=m", "different databases"),
    ("sentinel://:x@a;sentinel://:y@b/0?master_name=m", "different passwords"),
    ("sentinel://x:p@a;sentinel://y:p@b/0?master_name=m", "different users"),
    # numbers
    ("redis://h/-1", "number of a database"),
    ("redis://h/abc", "number of a database"),
    ("redis://h/0/1", "number of a database"),
    ("redis://h//", "number of a database"),
    ("redis://h/1.5", "number of a database"),
    ("redis://h/%31", "number of a database"),
    ("redis://h/\u0661", "number of a database"),
    ("redis://h/2147483648", "number of a database"),
    ("redis://h:0/0", "from 1 to 65535"),
    ("redis://h:65536/0", "from 1 to 65535"),
    ("redis://h:-1/0", "from 1 to 65535"),
    ("redis://h:port/0", "from 1 to 65535"),
    ("amqp://u:p@h:99999//", "from 1 to 65535"),
    # parameters would override settings, or the address itself
    ("redis://h/0?visibility_timeout=1", "override settings"),
    ("redis://h/0?virtual_host=3", "override settings"),
    ("redis://h/0?hostname=elsewhere", "override settings"),
    ("redis://h/0?db=3", "override settings"),
    ("redis://h/0?master_name=m", "override settings"),
    ("rediss://h/0?ssl_cert_reqs=none", "BALANCE_BROKER_TLS_CA"),
    ("rediss://h/0?ssl_cert_reqs=CERT_REQUIRED", "BALANCE_BROKER_TLS_CA"),
    ("sentinels://a/0?master_name=m&ssl_cert_reqs=none", "BALANCE_BROKER_TLS_CA"),
    ("sentinels://a;sentinels://b/0?ssl_check_hostname=0&master_name=m", "BALANCE_BROKER_TLS_CA"),
    ("amqps://h//?ssl_cert_reqs=none", "BALANCE_BROKER_TLS_CA"),
    ("amqps://h//?cert_reqs=0", "BALANCE_BROKER_TLS_CA"),
    ("amqp://h//?heartbeat=0", "override settings"),
    ("amqp://h//?hostname=elsewhere", "override settings"),
    ("sentinel://a?master_name=m;sentinel://b", "override settings"),
    ("sentinel://a/0?master_name=m&visibility_timeout=1", "override settings"),
    # sentinels
    ("sentinel://a:26379/0", "master_name"),
    ("sentinel://a:26379/0?master_name=", "master_name"),
    # what is no host, or no URL
    ("redis://h/0#1", "%23"),
    ("redis://:p#w@h/0", "%23"),
    ("redis://:p w@h/0", "white space"),
    ("redis://h/0\n", "white space"),
    ("redis://h h/0", "white space"),
    ("redis://[h]/0", ""),
    ("redis://h%2Fx/0", "no name"),
    ("redis://", ""),
    ("redis:///0", ""),
    ("redis:h", ""),
    ("h:6379", ""),
    ("", ""),
    ("unix:///run/redis.sock", ""),
    ("redis+socket:///run/redis.sock", ""),
    ("redis-sentinel://h", ""),
    ("memory://", ""),
    ("sqs://", ""),
]  # fmt: skip


@pytest.mark.parametrize(("url", "reason"), REFUSED)
def test_what_cannot_work_is_refused_with_what_to_write(url: str, reason: str) -> None:
    with pytest.raises(Unusable) as refused:
        check_broker(url)
    assert reason in str(refused.value)
    assert bool(reason) == bool(str(refused.value))


@pytest.mark.parametrize("url", [url for url, _ in REFUSED])
def test_neither_a_worker_nor_a_client_starts_with_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANCE_BROKER_URL", url or ";")
    load_settings.cache_clear()
    with pytest.raises(SettingsError, match=r"^BALANCE_BROKER_URL is "):
        load_settings()
    with pytest.raises(ValueError, match=r"^broker_url is "):
        BalanceClient(url)
    if not url.startswith("amqp"):
        monkeypatch.delenv("BALANCE_BROKER_URL")
        monkeypatch.setenv("BALANCE_RESULT_URL", url or ";")
        with pytest.raises(SettingsError, match=r"^BALANCE_RESULT_URL is "):
            load_settings()
        with pytest.raises(ValueError, match=r"^result_url is "):
            BalanceClient("redis://h", result_url=url)


def _parameters() -> set[str]:
    """Every name that redis-py, py-amqp and kombu take for a connection; what they read of a URL is among them."""
    kinds: tuple[Any, ...] = (SSLConnection, RedisConnection, Redis, Sentinel, AmqpConnection, SSLTransport, Connection)
    named = {name for kind in kinds for each in kind.__mro__ for name in signature(each.__init__).parameters}
    return named | {
        "cert_reqs",
        "ca_certs",
        "certfile",
        "keyfile",
        "server_hostname",
        "context",
        "ciphers",
        "ssl_version",
    }


def test_no_parameter_of_a_url_weakens_what_is_verified() -> None:
    names = _parameters() - {"self", "args", "kwargs", "master_name"}
    assert names >= {"ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_min_version", "ssl", "cert_reqs"}
    for name in {*names, *map(str.upper, names)}:
        for url in (f"rediss://h/0?{name}=none", f"sentinels://a/0?master_name=m&{name}=0", f"amqps://h//?{name}"):
            for check in (check_broker, redis_address)[: 1 if url.startswith("amqp") else 2]:
                with pytest.raises(
                    Unusable, match="whom to trust over TLS is BALANCE_BROKER_TLS_CA, of clients tls_ca"
                ):
                    check(url)


@pytest.mark.parametrize("character", [*"#/?;@:%&= \"'\\\n", "é"])
def test_a_refusal_shows_no_part_of_a_password(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    password = f"hunter{character}2hunter"
    for url in (f"redis://:{password}@h/x", f"redis://u:{password}@a,b", f"sentinel://:{password}@a;sentinel://b"):
        monkeypatch.setenv("BALANCE_BROKER_URL", url)
        load_settings.cache_clear()
        with pytest.raises(SettingsError) as refused:
            load_settings()
        assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(
    "password", ["pw", "a@b", "a/b", "a:b", "a#b", "a?b", "a;b", "a%b", "a b", "p\u00e4\u00df", "%40"]
)
@pytest.mark.parametrize("scheme", ["redis", "rediss", "sentinel", "sentinels"])
def test_kombu_and_redis_py_are_given_the_same_server_and_secret(scheme: str, password: str) -> None:
    sentinel = scheme.startswith("sentinel")
    url = f"{scheme}://user:{quote(password, safe='')}@h:7000/3{MASTER if sentinel else ''}"
    check_broker(url)
    made: Any = redis_address(url).client(Tls(), 5).connection_pool
    given = made.connection_kwargs
    assert (given["username"], given["password"], given["db"]) == ("user", password, 3)
    kombu = Connection(kombu_url(url), ssl=Tls().options(url))
    assert (kombu.hostname, kombu.port, kombu.userid, kombu.password) == ("h", 7000, "user", password)
    assert kombu.virtual_host == "3"
    if not sentinel:
        assert (given["host"], given["port"]) == ("h", 7000)
    assert password not in mask_url(url) or len(password) < 3


def test_the_sentinels_of_an_address_and_what_they_are_asked_with() -> None:
    url = "sentinels://:pw@a;sentinels://b:7000;sentinels://[::1]/2?master_name=m&sentinel_password=se%2Fcret"
    address = redis_address(url)
    assert address.hosts == (("a", 26379), ("b", 7000), ("::1", 26379))
    assert kombu_url(url) == "sentinel://:pw@a:26379/2;sentinel://:pw@b:7000/2;sentinel://:pw@[::1]:26379/2"
    assert result_backend_url(url) == "sentinel://:pw@a:26379/2;sentinel://b:7000/2;sentinel://[::1]:26379/2"
    options = sentinel_options(url, Tls(ca="ca.pem"))
    assert options["master_name"] == "m"
    asked_with = options["sentinel_kwargs"]
    assert (asked_with["password"], asked_with["ssl"], asked_with["ssl_ca_certs"]) == ("se/cret", True, "ca.pem")
    assert "ssl" not in sentinel_options("sentinel://a/0?master_name=m", Tls())["sentinel_kwargs"]
    assert sentinel_options("redis://a/0", Tls()) == {}
    shown = mask_url(url)
    assert "pw" not in shown
    assert "cret" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "redis://h", "redis://h/", "redis://h/15", "redis://user@h", "redis://redis_1:6379/0", "redis://[::1]:6379/0",
        "rediss://:p@h.example.:6380/0", "amqp://h", "amqp://u:p@h//", "amqp://u:p@h/%2F;amqp://v:q@i//",
        "amqps://u:p@a/x;amqps://u:p@b/x", "amqp://u:p@h/a/b", f"sentinel://a/0{MASTER}",
    ],
)  # fmt: skip
def test_what_can_work_is_taken(url: str) -> None:
    check_broker(url)
    settings = Settings(broker_url=url)
    assert settings.broker_url == url
    assert settings.broker_kind == ("rabbitmq" if url.startswith("amqp") else "redis")
    BalanceClient(url).close()
