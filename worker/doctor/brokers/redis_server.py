"""Redis or Valkey as a broker against docs/guarantees.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from redis.exceptions import NoPermissionError, ResponseError

from balance_client.brokers.addresses import redis_address
from worker.brokers.refusals import next_step
from worker.clock import now
from worker.doctor.brokers.sentinels import examine_sentinels
from worker.doctor.clocks import clock
from worker.doctor.finding import Finding, failure, ok, warning
from worker.doctor.steps import examined, told
from worker.settings.settings import Settings

_VERSION_MIN: Final = (6, 2)  # BLMOVE
_FULL: Final = 0.8  # of maxmemory
_KEYS_LOOKED_AT: Final = 5_000
_ALONE: Final = "standalone"
_NO_KEY: Final = "balance.lease.none"
# What Celery, kombu and our transport keep beside the queues themselves.
_OURS: Final = re.compile(
    r"unacked.*|_kombu\.binding.*|celery-task-meta-.*|.*\.celery\.pidbox|celeryev.*|balance\.lease\..*|_balance\.garbage"
)


def examine(channel: Any, settings: Settings) -> Iterator[Finding]:
    """Reads alone: INFO, CONFIG GET where it is allowed, TIME, LLEN, HLEN, and SCAN over the first keys."""
    client = channel.client
    info: dict[str, Any] = {}

    def of_server() -> Iterator[Finding]:
        info.update(client.info())
        yield from _told_by(info, client) if _mode(info) == _ALONE else [_no_server(_mode(info))]

    yield from examined(("broker.server", of_server))
    if _mode(info) != _ALONE:
        return
    address = redis_address(settings.broker_url)
    if address.master_name is not None:
        yield from examined(("broker.sentinels", lambda: examine_sentinels(address, settings)))
    yield from examined(
        ("broker.writable", lambda: _writable(client, settings)),
        ("broker.database", lambda: _neighbours(client, settings)),
        ("broker.transport", lambda: _transport(settings)),
        ("broker.clock", lambda: _clock(client)),
        ("broker.backlog", lambda: _backlog(channel, settings)),
    )


def _mode(info: dict[str, Any]) -> str:
    return str(info.get("server_mode") or info.get("redis_mode") or _ALONE)  # Valkey's name, Redis's name


def _told_by(info: dict[str, Any], client: Any) -> Iterator[Finding]:
    yield from examined(
        ("broker.version", lambda: _version(info)),
        ("broker.eviction", lambda: _eviction(info)),
        ("broker.persistence", lambda: _persistence(client, info)),
        ("broker.memory", lambda: _memory(info)),
        ("broker.primary", lambda: _replication(info, client)),
    )


def _no_server(mode: str) -> Finding:
    if mode == "sentinel":
        return failure(
            "broker.server", "a Redis Sentinel", "It knows where the server is, and takes no jobs itself.",
            "write sentinel://host:26379;sentinel://host:26379/0?master_name=… as BALANCE_BROKER_URL",
        )  # fmt: skip
    return failure(
        "broker.server", f"a Redis {mode.title()}",
        "The queues of Celery do not work there: workers take nothing, and wait for another broker.",
        "use one Redis or Valkey, behind Redis Sentinel if it must fail over, or RabbitMQ",
    )  # fmt: skip


def _writable(client: Any, settings: Settings) -> Finding:
    """By a write that does nothing, since there is no such key."""
    try:
        client.set(_NO_KEY, "", xx=True)
    except NoPermissionError:
        raise
    except ResponseError as error:
        return failure(
            "broker.writable", told(error), "It takes no jobs and gives none: workers wait, publishers are told.",
            next_step(error, settings.broker_url),
        )  # fmt: skip
    return ok("broker.writable", "yes")


def _clock(client: Any) -> Finding:
    before = now().timestamp()
    seconds, microseconds = client.time()
    after = now().timestamp()
    theirs = seconds + microseconds / 1e6
    return clock("broker.clock", "the broker", theirs, (before + after) / 2, (after - before) / 2)


def _backlog(channel: Any, settings: Settings) -> Finding:
    queues = (settings.queue, settings.tick_queue, *settings.partition_queues)
    waiting = sum(channel._size(queue) for queue in queues)
    held = sum(
        channel.client.hlen(key)
        for key in ("unacked", *(f"unacked.{partition}" for partition in settings.partition_queues))
    )
    return ok("broker.backlog", f"{waiting} waiting, {held} with workers")


def _version(info: dict[str, Any]) -> Finding:
    # Valkey says for which Redis it passes.
    name, version = ("Valkey", info["valkey_version"]) if "valkey_version" in info else ("Redis", info["redis_version"])
    if tuple(map(int, str(version).split(".")[:2])) >= _VERSION_MIN:
        return ok("broker.version", f"{name} {version}")
    return failure(
        "broker.version", f"{name} {version}", "It lacks commands that the transport is made of.",
        "upgrade to Redis 6.2 or newer, or to Valkey",
    )  # fmt: skip


def _eviction(info: dict[str, Any]) -> Finding:
    policy = info["maxmemory_policy"]
    if policy == "noeviction":
        return ok("broker.eviction", "maxmemory-policy noeviction")
    return failure(
        "broker.eviction", f"maxmemory-policy {policy}",
        "When its memory is full the server throws accepted jobs away, and tells nobody.",
        "CONFIG SET maxmemory-policy noeviction, and in the server's configuration file",
    )  # fmt: skip


def _persistence(client: Any, info: dict[str, Any]) -> Finding:
    if not info["aof_enabled"]:
        return failure(
            "broker.persistence", "appendonly no",
            "All jobs accepted since the last snapshot are gone when the server stops.",
            "CONFIG SET appendonly yes, and in the server's configuration file; appendfsync always with it",
        )  # fmt: skip
    if info.get("aof_last_write_status") == "err":
        return failure(
            "broker.persistence", "the append-only file cannot be written", "Jobs are refused, or not on disk.",
            "look at the server's log and at its disk",
        )  # fmt: skip
    try:
        sync = client.config_get("appendfsync")["appendfsync"]
    except (ResponseError, KeyError):  # CONFIG is forbidden, or renamed: many hosted servers do that
        return warning(
            "broker.persistence", "appendonly yes, appendfsync not told",
            "When its file is synced decides what a power cut loses.", "see that appendfsync is always",
        )  # fmt: skip
    found = f"appendonly yes, appendfsync {sync}"
    if sync == "always":
        return ok("broker.persistence", found)
    lost = "up to a second" if sync == "everysec" else "as much as the system had not written by itself"
    finding = warning if sync == "everysec" else failure
    return finding(
        "broker.persistence", found, f"A power cut or a kernel crash loses {lost} of accepted jobs.",
        "CONFIG SET appendfsync always, and in the configuration file; or let publishers repeat what has no outcome",
    )  # fmt: skip


def _memory(info: dict[str, Any]) -> Finding:
    used, most = int(info["used_memory"]), int(info["maxmemory"])
    mib = f"{used / 2**20:.0f} MiB used"
    if not most:
        return ok("broker.memory", f"{mib}, no maxmemory")
    found = f"{mib} of {most / 2**20:.0f}"
    if used <= _FULL * most:
        return ok("broker.memory", found)
    return warning(
        "broker.memory", found, "When it is full, new jobs are refused and publishers are told.",
        "see why jobs wait, or raise maxmemory",
    )  # fmt: skip


def _replication(info: dict[str, Any], client: Any) -> Finding:
    if info["role"] != "master":
        return failure(
            "broker.primary", "a replica", "It takes no jobs.", "let BALANCE_BROKER_URL name the primary"
        )  # fmt: skip
    replicas = int(info["connected_slaves"])
    if not replicas:
        return ok("broker.primary", "no replicas")
    try:
        least = int(client.config_get("min-replicas-to-write")["min-replicas-to-write"])
    except (ResponseError, KeyError):
        least = 0
    if least:
        return ok("broker.primary", f"{replicas} replicas, min-replicas-to-write {least}")
    return warning(
        "broker.primary", f"{replicas} replicas, min-replicas-to-write 0",
        "Replication is asynchronous: a failover loses accepted jobs that no replica had yet, and a primary that is "
        "cut off goes on to accept more of them.",
        "CONFIG SET min-replicas-to-write 1; publishers repeat what has no outcome",
    )  # fmt: skip


def _neighbours(client: Any, settings: Settings) -> Finding:
    queues = (settings.queue, settings.tick_queue, *settings.partition_queues)
    keys = (key.decode("utf-8", "backslashreplace") for key in islice(client.scan_iter(count=1_000), _KEYS_LOOKED_AT))
    foreign = sorted(key for key in keys if not key.startswith(queues) and not _OURS.fullmatch(key))
    if not foreign:
        return ok("broker.database", "used by this deployment alone")
    shown = ", ".join(repr(key[:40]) for key in foreign[:3])
    return warning(
        "broker.database", f"{len(foreign)} foreign keys: {shown}{', …' * (len(foreign) > 3)}",
        "Somebody else uses this database number: their FLUSHDB is ours too, and among Celery applications the "
        "shortest visibility timeout counts for all: ours is given to their tasks, theirs to our jobs.",
        "give the broker a database number, better a server, of its own",
    )  # fmt: skip


def _transport(settings: Settings) -> Finding:
    if settings.redis_transport == "atomic":
        return ok("broker.transport", f"atomic, visibility timeout {settings.visibility_timeout_s} s")
    return failure(
        "broker.transport", "stock", "A worker that dies or loses its connection may take a job with it.",
        "unset BALANCE_REDIS_TRANSPORT",
    )  # fmt: skip
