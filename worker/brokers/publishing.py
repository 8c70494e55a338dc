"""Publishing what is known byte by byte: to the queues of all shards, each at the broker that it is on."""

from __future__ import annotations

from balance_client.publishers import Publishers
from balance_client.publishing.confirmed import Publisher
from worker.settings.settings import Settings


def publisher_of(settings: Settings, timeout_s: float | None = None) -> Publisher | Publishers:
    """Opens its connections with the first message for each. `timeout_s`: for each answer of a broker."""
    wait_s = settings.broker_socket_timeout_s if timeout_s is None else timeout_s
    main, by_partition = settings.broker_url, settings.broker_of_partition
    by_url = {
        url: Publisher(url, settings.queue, "", wait_s, settings.partitions, settings.tls)
        for url in {main, *(by_partition or ())}
    }
    if by_partition is None:
        return by_url[main]
    queues = zip(settings.every_partition_queue, by_partition, strict=True)
    return Publishers(by_url[main], {queue: by_url[url] for queue, url in queues})
