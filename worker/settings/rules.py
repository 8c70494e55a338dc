"""Settings that are right one by one and wrong together."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

from balance_client.brokers.tls import is_tls
from balance_client.routing import PARTITIONS_MAX
from models.domain.sharding.buckets import BUCKETS
from models.domain.webhooks.secrets import KEY_BYTES_MIN
from worker.settings.derived import DerivedSettings

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def broken_rules(settings: DerivedSettings) -> list[str]:
    """A sentence for each rule that these settings break together."""
    rules = {
        "BALANCE_IO_QUEUE must differ from BALANCE_QUEUE": settings.io_queue != settings.queue,
        "BALANCE_IO_QUEUE must not be one of the BALANCE_PARTITIONS": (
            {settings.io_queue, settings.tick_queue}.isdisjoint(settings.every_partition_queue)
        ),
        # A partition is taken from under a lease, which kombu's own transport does not know.
        "BALANCE_PARTITIONS must be 0 on Redis when BALANCE_REDIS_TRANSPORT is stock": (
            settings.partitions == 0 or settings.broker_kind == "rabbitmq" or settings.redis_transport == "atomic"
        ),
        "BALANCE_LOCK_TIMEOUT_MS must be less than BALANCE_STATEMENT_TIMEOUT_MS": (
            settings.lock_timeout_ms < settings.statement_timeout_ms
        ),
        "BALANCE_RETRY_BASE_S must not exceed BALANCE_RETRY_CAP_S": settings.retry_base_s <= settings.retry_cap_s,
        # A worker that waits for a lock cannot say that it is alive: a second one would get its jobs in vain.
        "BALANCE_VISIBILITY_TIMEOUT_S must be at least twice BALANCE_LOCK_TIMEOUT_MS": (
            settings.broker_kind == "rabbitmq" or settings.visibility_timeout_s >= 2 * settings.lock_timeout_ms / 1000
        ),
        # kombu's own transport never says it.
        "BALANCE_VISIBILITY_TIMEOUT_S must exceed BALANCE_STATEMENT_TIMEOUT_MS and BALANCE_RETRY_CAP_S together "
        "when BALANCE_REDIS_TRANSPORT is stock": (
            settings.broker_kind == "rabbitmq"
            or settings.redis_transport == "atomic"
            or settings.visibility_timeout_s > settings.statement_timeout_ms / 1000 + settings.retry_cap_s
        ),
        "BALANCE_VISIBILITY_TIMEOUT_S must exceed BALANCE_BROKER_SOCKET_TIMEOUT_S": (
            settings.visibility_timeout_s > settings.broker_socket_timeout_s
        ),
        "BALANCE_RESULT_URL can be rpc:// only when BALANCE_BROKER_URL is RabbitMQ": (
            settings.result_url != "rpc://" or settings.broker_kind == "rabbitmq"
        ),
        "BALANCE_BROKER_TLS_CA, _CERT and _KEY need a rediss://, sentinels:// or amqps:// BALANCE_BROKER_URL": (
            not (settings.broker_tls_ca or settings.broker_tls_cert or settings.broker_tls_key)
            or is_tls(settings.broker_url)
            or is_tls(settings.result_backend)
            or is_tls(settings.event_stream_url or "")
        ),
        "BALANCE_BROKER_TLS_KEY needs BALANCE_BROKER_TLS_CERT": (
            settings.broker_tls_key is None or settings.broker_tls_cert is not None
        ),
        "BALANCE_TRACES needs OpenTelemetry: pip install 'balance-worker[otel]'": (
            not settings.traces or find_spec("opentelemetry") is not None
        ),
        "BALANCE_ANCHOR_TO needs BALANCE_ANCHOR_KEY": settings.anchor_to is None or settings.anchor_key is not None,
        "BALANCE_WEBHOOK_KEY_FORMER needs BALANCE_WEBHOOK_KEY": (
            settings.webhook_key_former is None or settings.webhook_key is not None
        ),
        # Whoever guesses it signs for every endpoint.
        f"BALANCE_WEBHOOK_KEY and BALANCE_WEBHOOK_KEY_FORMER must have at least {KEY_BYTES_MIN} characters": all(
            key is None or len(key.get_secret_value()) >= KEY_BYTES_MIN
            for key in (settings.webhook_key, settings.webhook_key_former)
        ),
        "BALANCE_WEBHOOK_RETRY_BASE_S must not exceed BALANCE_WEBHOOK_RETRY_CAP_S": (
            settings.webhook_retry_base_s <= settings.webhook_retry_cap_s
        ),
        "BALANCE_SIGNATURE_MAX_AGE_S needs BALANCE_PRODUCERS": (
            not settings.signature_max_age_s or settings.producers is not None
        ),
        # Whoever reaches Flower can stop workers.
        "BALANCE_FLOWER_BASIC_AUTH must be set when BALANCE_FLOWER_ADDRESS is not this machine's loopback": (
            settings.flower_basic_auth is not None or settings.flower_address in _LOOPBACK
        ),
    }
    return [*(rule for rule, holds in rules.items() if not holds), *_of_shards(settings)]


def _of_shards(settings: DerivedSettings) -> Iterator[str]:
    """What is wrong with partitions, shards and brokers together."""
    shard, partitions = settings.shard, settings.partitions
    if shard is not None and (not partitions or partitions % shard.count or BUCKETS % partitions):
        allowed = [str(each) for each in range(shard.count, PARTITIONS_MAX + 1, shard.count) if not BUCKETS % each]
        yield (
            f"BALANCE_PARTITIONS is {partitions}; with BALANCE_SHARD {shard} it must be a multiple of {shard.count} "
            f"that divides {BUCKETS}, so that each partition is of one shard: {', '.join(allowed)}"
        )
    if settings.brokers is not None:
        try:
            settings.broker_of_partition  # noqa: B018  # a wrong one is known now
        except ValueError as error:
            yield f"BALANCE_BROKERS: {error}"
