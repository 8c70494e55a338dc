"""Whether a shard's jobs are published where its workers are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from balance_client.brokers.addresses import AMQP
from worker.doctor.finding import Finding, ok, warning
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings

_USUAL: Final = ((6379, "0"), (5672, "/"))  # Redis, RabbitMQ


def examine_partitions(settings: Settings) -> Iterator[Finding]:
    """Compares names of hosts: two names of one broker are two places."""
    shard, brokers = settings.shard, settings.broker_of_partition
    if shard is None or brokers is None:
        return  # whose partitions are whose is for queues of workers to say
    own = {number: url for number, url in enumerate(brokers) if number % shard.count == shard.number}
    elsewhere = {number: url for number, url in own.items() if _place(url) != _place(settings.broker_url)}
    found = f"{len(own) - len(elsewhere)} of the {len(own)} partitions of shard {shard} are published here"
    if not elsewhere:
        yield ok("broker.partitions", found)
        return
    places = ", ".join(sorted({mask_url(url) for url in elsewhere.values()}))
    yield warning(
        "broker.partitions", f"{found}; {', '.join(map(str, elsewhere))} at {places}",
        "What is published there is not worked on by workers that are connected here.",
        "let BALANCE_BROKERS lead them to BALANCE_BROKER_URL, or run workers of this shard there as well",
    )  # fmt: skip


def _place(url: str) -> tuple[str | None, int, str]:
    """Host, port, and database or virtual host, with what they are when the URL does not say."""
    parts = urlsplit(url)
    port, path = _USUAL[parts.scheme in AMQP]
    return parts.hostname, parts.port or port, unquote(parts.path[1:]) or path
