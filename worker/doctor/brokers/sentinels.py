"""The sentinels that a broker's address names: whether they would replace the primary when it dies."""

from __future__ import annotations

from typing import Any

from redis.exceptions import RedisError

from balance_client.brokers.addresses import RedisAddress
from worker.doctor.finding import Finding, failure, ok, warning
from worker.doctor.steps import told
from worker.settings.settings import Settings


def examine_sentinels(address: RedisAddress, settings: Settings) -> Finding:
    """Asks each of them."""
    silent: list[str] = []
    quorum, primary = "", ""
    for asked in address.sentinel(settings.tls).sentinels:
        try:
            state = asked.sentinel_master(address.master_name)
            quorum = _quorum(asked, address)
            primary = f"{state['ip']}:{state['port']}"
        except RedisError as error:
            named: Any = asked.connection_pool.connection_kwargs
            silent.append(f"{named['host']}:{named['port']} ({told(error)})")
    found = f"{len(address.hosts) - len(silent)} of {len(address.hosts)} answer, the primary is {primary}"
    if quorum:
        return failure(
            "broker.sentinels", f"{found}; {quorum}", "Nobody takes over when the primary dies.",
            "start the sentinels and replicas that are missing, three sentinels at least",
        )  # fmt: skip
    if silent:
        return warning(
            "broker.sentinels", f"{found}; not {', '.join(silent)}", "Fewer can fail than were set up for it.",
            "start them, or take them out of BALANCE_BROKER_URL",
        )  # fmt: skip
    return ok("broker.sentinels", found)


def _quorum(asked: Any, address: RedisAddress) -> str:
    """Why no failover could be agreed on; empty when one could."""
    try:
        asked.execute_command("SENTINEL CKQUORUM", address.master_name)
    except RedisError as error:
        return str(error)
    return ""
