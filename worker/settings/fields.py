"""Every setting that there is, with its default and what it says of itself."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic.config import JsonDict
from pydantic_settings import SettingsConfigDict

from balance_client.routing import PARTITIONS_MAX, QueueType
from worker.settings import types
from worker.settings.parts.charge_fields import ChargeFields
from worker.settings.parts.event_fields import EventFields
from worker.settings.parts.flower_fields import FlowerFields
from worker.settings.parts.http_fields import HttpFields
from worker.settings.parts.metrics_fields import MetricsFields
from worker.settings.parts.trace_fields import TraceFields
from worker.settings.parts.webhook_fields import WebhookFields
from worker.settings.texts import PREFIX
from worker.settings.types import BrokerUrl, DatabaseUrl, LogLevel, PemFile, ProducersText, ResultUrl, ShardText


def _unit(name: str) -> JsonDict:
    return {"unit": name}


class Fields(ChargeFields, EventFields, FlowerFields, HttpFields, MetricsFields, TraceFields, WebhookFields):
    """Each is the environment variable BALANCE_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        env_ignore_empty=True,
        validate_default=True,
        extra="ignore",
        allow_inf_nan=False,
    )

    broker_url: BrokerUrl = Field(
        "redis://127.0.0.1:6379/0",
        json_schema_extra=types.BROKERS,
        description="Where jobs wait: Redis/Valkey, also behind Redis Sentinel, or RabbitMQ.",
    )
    database_url: DatabaseUrl = Field(
        "postgresql+psycopg://127.0.0.1:5432/balance",
        json_schema_extra=types.DATABASES,
        description="The PostgreSQL database, as the role of the workers.",
    )
    owner_url: DatabaseUrl | None = Field(
        None,
        json_schema_extra=types.DATABASES,
        description="The same database as the owner of its tables, for `migrate` and `grants` alone: keep it from the "
        "workers. `migrate` then also makes the role of BALANCE_DATABASE_URL and grants it what workers need. Unset: "
        "`migrate` uses BALANCE_DATABASE_URL.",
    )
    result_url: ResultUrl | None = Field(
        None,
        json_schema_extra=types.RESULTS,
        description="Where results go that a producer asked for. Unset: the broker when it is Redis, rpc:// when it is "
        "RabbitMQ. Results are a convenience: the outcome is in the database.",
    )
    broker_tls_ca: PemFile | None = Field(
        None,
        json_schema_extra=types.PEM_FILES,
        description="Whom to trust over TLS (rediss://, sentinels://, amqps://): certificates of authorities, in PEM "
        "form. Unset: those that the system trusts.",
    )
    broker_tls_cert: PemFile | None = Field(
        None,
        json_schema_extra=types.PEM_FILES,
        description="The certificate that this side shows to the broker, where it asks for one.",
    )
    broker_tls_key: PemFile | None = Field(
        None,
        json_schema_extra=types.PEM_FILES,
        description="The private key of BALANCE_BROKER_TLS_CERT, when it is not in the same file.",
    )
    result_expires_s: int = Field(86_400, ge=1, le=30 * 86_400, description="How long a result can be fetched.")
    queue: str = Field(
        "balance", pattern=types.NAME, json_schema_extra=types.NAMES, description="The queue of money jobs."
    )
    io_queue: str = Field(
        "balance.io",
        pattern=types.NAME,
        json_schema_extra=types.NAMES,
        description="The queue of scheduled work: top-ups, expiry, pruning.",
    )
    partitions: int = Field(
        0,
        ge=0,
        le=PARTITIONS_MAX,
        json_schema_extra=_unit("queues"),
        description="Queues beside the queue of money jobs, for strict order per account. Clients must be told the "
        "same number.",
    )
    shard: ShardText = Field(
        None,
        json_schema_extra=types.SHARDS,
        description="Which shard of the ledger this process is of (docs/scale.md): its schema and its queues. "
        "BALANCE_PARTITIONS is then a multiple of the number of shards. Unset: the ledger is one.",
    )
    brokers: SecretStr | None = Field(
        None,
        json_schema_extra=types.BROKER_MAPS,
        description="Where each partition's jobs are published, when the partitions have brokers of their own "
        "(docs/scale.md). Unset: all of them at BALANCE_BROKER_URL.",
    )
    partition_lease_s: float = Field(
        10.0,
        ge=1,
        le=600,
        description="Redis: how long a partition waits for its consumer before another may take over.",
    )
    batch_limit: int = Field(
        200,
        ge=1,
        le=5_000,
        json_schema_extra=_unit("jobs"),
        description="How many jobs that are ready at once share a transaction, and how many a worker holds.",
    )
    lock_timeout_ms: int = Field(
        5_000,
        ge=10,
        le=600_000,
        description="How long a transaction waits for another's lock before it is tried again.",
    )
    statement_timeout_ms: int = Field(
        30_000, ge=100, le=600_000, description="How long one SQL statement may take before it is tried again."
    )
    connect_timeout_s: int = Field(5, ge=1, le=120, description="How long connecting to the database may take.")
    pool_size: int = Field(
        2,
        ge=1,
        le=100,
        json_schema_extra=_unit("connections"),
        description="Database connections a process keeps open.",
    )
    retry_base_s: float = Field(
        0.1, gt=0, le=60, description="The first wait after a passing fault; it doubles from there, with jitter."
    )
    retry_cap_s: float = Field(5.0, gt=0, le=300, description="The longest wait between two attempts.")
    retry_limit: int = Field(
        5,
        ge=1,
        le=100,
        json_schema_extra=_unit("attempts"),
        description="How often a job may fail by a fault that is not passing before it is parked as a dead letter.",
    )
    visibility_timeout_s: int = Field(
        15,
        ge=2,
        le=86_400,
        description="Redis: how long a worker may be silent before its jobs are given to another. A living one says "
        "every third of it that it still has them.",
    )
    broker_socket_timeout_s: float = Field(
        10.0, ge=1, le=120, description="How long the broker may be silent before the connection is given up."
    )
    redis_transport: Literal["atomic", "stock"] = Field(
        "atomic",
        description="Redis: how jobs are taken. atomic: none is lost when a worker dies; stock: kombu's own transport, "
        "which loses one now and then.",
    )
    rabbitmq_queue_type: QueueType = Field(
        "quorum",
        description="RabbitMQ: how the queue of money jobs is made when it is not there. quorum: replicated, and "
        "publishers must not declare it; classic: on one node, and plain publishers may.",
    )
    max_message_bytes: int = Field(
        1_048_576,
        ge=16_384,
        le=134_217_728,
        json_schema_extra=_unit("bytes"),
        description="The largest body of a message; a larger one is parked unread. The largest job there can be has "
        "about 700,000.",
    )
    producers: ProducersText | None = Field(
        None,
        json_schema_extra=types.PRODUCERS,
        description="Who may publish which jobs and reverse whose, with the secrets that sign them (docs/security.md). "
        "Unset: whoever reaches the broker may publish all jobs, under any name.",
    )
    remote_commands: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether workers do what `celery control` and Flower's buttons say; they answer `inspect` always. "
        "auto: as long as BALANCE_PRODUCERS names nobody, since remote control is not signed.",
    )
    signature_max_age_s: float = Field(
        0,
        ge=0,
        le=366 * 86_400,
        description="The age at which a signature is no longer accepted. 0: never; jobs may wait out an outage, and "
        "their keys make a repetition harmless.",
    )
    max_amount_kopeks: int = Field(
        100_000_000, ge=1, le=10**15, description="The largest amount of one users.update_balance, in either direction."
    )
    future_tolerance_s: float = Field(
        30.0,
        ge=0,
        le=3_600,
        description="How far ahead of the database's clock `occurred_at` may be; a job that is further is refused.",
    )
    expiry_grace_s: float = Field(
        900.0,
        ge=0,
        le=7 * 86_400,
        description="How long after their expiry credits can be used by a job that happened before it (`occurred_at`). "
        "They count as expired at once; they are written off after it.",
    )
    expiry_notice_s: float = Field(
        7 * 86_400.0,
        ge=0,
        le=365 * 86_400,
        description="How long before credits expire it is told that they will (`grant.will_expire`); 0: never.",
    )
    topup_cooldown_s: float = Field(
        60.0,
        ge=0,
        le=30 * 86_400,
        description="The least time between two auto top-ups of an account, unless its policy says.",
    )
    topup_scan_every_s: float = Field(
        5.0, ge=0.1, le=86_400, description="How often due auto top-ups are looked for, and providers are asked."
    )
    expire_every_s: float = Field(5.0, ge=0.1, le=86_400, description="How often expired credits are written off.")
    prune_every_s: float = Field(
        3_600.0, ge=1, le=7 * 86_400, description="How often the bodies of old jobs are dropped."
    )
    prune_after_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="The age at which the bodies of settled jobs are dropped, by whole days (UTC): one may be kept a "
        "day longer. Keys, fingerprints and answers stay for ever, and so does the ledger.",
    )
    sweep_limit: int = Field(
        500, ge=1, le=10_000, json_schema_extra=_unit("rows"), description="How many rows a sweep takes at a time."
    )
    anchor_to: types.Text | None = Field(
        None,
        json_schema_extra=types.ANCHOR_PLACES,
        description="Where beat has anchors of the ledger written (docs/security.md, Anchors): outside the database. "
        "Unset: nowhere.",
    )
    anchor_key: PemFile | None = Field(
        None,
        json_schema_extra=types.PEM_FILES,
        description="The private key that signs anchors: `balance-worker anchor-keys`. The I/O workers need it.",
    )
    anchor_every_s: float = Field(3_600.0, ge=1, le=7 * 86_400, description="How often an anchor is written.")
    anchor_files: bool = Field(
        True,
        json_schema_extra={"allowed": "true or false"},
        description="Whether the ends of all histories and the jobs are kept beside each anchor, so that what was "
        "changed can be named: some 46 bytes for each account and 60 for each job.",
    )
    embedded_appendfsync: Literal["always", "everysec"] = Field(
        "always",
        description="When the Valkey of `up` and `demo` syncs its file: before each answer, or once a second.",
    )
    run_dir: types.Directory | None = Field(
        None, json_schema_extra=types.DIRECTORIES, description="Where workers say how they are: `balance-worker ready`."
    )
    log_level: LogLevel = Field("info", description="The least severe messages that are logged.")
    log_format: Literal["console", "json"] = Field("console", description="How log lines are written to stderr.")
