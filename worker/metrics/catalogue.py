"""Every metric that workers and beat have: its name, its labels and what it means. docs/metrics.md is held to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WAITS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True)
class Metric:
    """`by`: which processes tell it. A counter's name ends in _total."""

    name: str
    kind: Kind
    by: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


JOBS: Final = Metric(
    "balance_jobs_total", "counter", "workers",
    "Messages that were settled: their answer is committed. `code` is that of the outcome, or `parked`; `job` is "
    "`unknown` for a name that is no job's, `producer` is `other` beyond the known ones",
    ("job", "code", "producer", "replayed"),
)  # fmt: skip
APPLY: Final = Metric(
    "balance_apply_seconds", "histogram", "workers",
    "From taking a batch in hand to its answers, waits for faults included", buckets=SECONDS,
)  # fmt: skip
PUBLISHED: Final = Metric(
    "balance_publish_to_commit_seconds", "histogram", "workers",
    "From when a message says that it was published to its commit, by the database's clock. Counted are messages of "
    "our clients, to the millisecond, and others with AMQP's `timestamp` or a signature, which are of whole seconds; "
    "what stock Celery publishes is not", buckets=WAITS,
)  # fmt: skip
BATCH: Final = Metric(
    "balance_batch_size", "histogram", "workers", "Messages that were settled together", buckets=SIZES
)
FAULTS: Final = Metric(
    "balance_faults_total", "counter", "workers",
    "Faults around jobs: what came of it (`waiting`, `isolating`, `undecided`, `failed`), and whose it is "
    "(`deployment`, `passing`, `doubtful`, `other`)", ("event", "reason"),
)  # fmt: skip
LETTERS: Final = Metric(
    "balance_dead_letters_total", "counter", "workers",
    "Messages that were kept as [dead letters](operations.md#dead-letters)", ("reason",),
)  # fmt: skip
FORWARDED: Final = Metric(
    "balance_jobs_forwarded_total", "counter", "workers of shards",
    "Jobs of other shards that were sent on to the queue of their partition", ("queue",),
)  # fmt: skip
SYSTEM_JOBS: Final = Metric(
    "balance_system_jobs_total", "counter", "I/O workers",
    "Jobs of our own that were settled: expiry, looks, settlements of charges", ("job", "code", "replayed"),
)  # fmt: skip
EVALUATIONS: Final = Metric(
    "balance_top_up_evaluations_total", "counter", "I/O workers",
    "Looks at accounts that may be due for an auto top-up, by what was decided and why", ("reason",),
)  # fmt: skip
CHARGES: Final = Metric(
    "balance_charges_total", "counter", "I/O workers", "What providers said of charges", ("status",)
)
DELIVERIES: Final = Metric(
    "balance_webhook_deliveries_total", "counter", "I/O workers",
    "Attempts to deliver a webhook: `delivered`, `waiting` (it is tried again) or `exhausted`", ("status",),
)  # fmt: skip
HELD: Final = Metric(
    "balance_messages_unacknowledged", "gauge", "workers", "Money messages that this worker holds: waiting, or in hand"
)
SETTLED: Final = Metric(
    "balance_messages_settled_unacknowledged", "gauge", "workers",
    "Of these, those that are settled and wait for their follow-ups or for the broker",
)  # fmt: skip
DEPTH: Final = Metric(
    "balance_queue_messages", "gauge", "workers", "Messages that wait in a queue, in nobody's hand", ("queue",)
)
OLDEST: Final = Metric(
    "balance_queue_oldest_seconds", "gauge", "workers",
    "Redis: since when the first message of the queue waits: since it says that it was published, or since it was "
    "first seen there; 0 for an empty queue. RabbitMQ: unknown, and left out: it shows nobody a message that it does "
    "not hand over", ("queue",),
)  # fmt: skip
OUTBOX: Final = Metric("balance_outbox_events", "gauge", "I/O workers", "Events that have not left the outbox")
BACKLOG: Final = Metric(
    "balance_stream_backlog_events", "gauge", "I/O workers", "Events that wait for the stream alone"
)
LAG: Final = Metric(
    "balance_outbox_lag_seconds", "gauge", "I/O workers", "The age of the oldest event that has not left; 0: none waits"
)
WAITING_CHARGES: Final = Metric(
    "balance_charges_waiting", "gauge", "I/O workers",
    "Charges that wait: for a `provider`, for a `payer`, or for an `operator` who has to decide", ("of",),
)  # fmt: skip
UNMEASURED: Final = Metric(
    "balance_unmeasured_total", "counter", "workers",
    "Times that the `broker` or the `database` could not be asked; what it would have said is left out", ("of",),
)  # fmt: skip
BEAT_TICK: Final = Metric(
    "balance_beat_last_tick_seconds", "gauge", "beat, I/O workers",
    "Since the broker last took a tick (beat); since a tick of any beat last came in (I/O worker)",
)  # fmt: skip
BEAT_CLOCK: Final = Metric(
    "balance_beat_clock_offset_seconds", "gauge", "I/O workers",
    "How far the clock of a beat is ahead of this machine's: that of the beat which is furthest off",
)  # fmt: skip
DATABASE_CLOCK: Final = Metric(
    "balance_database_clock_offset_seconds",
    "gauge",
    "workers",
    "How far the database's clock is ahead of this machine's",
)
READY: Final = Metric("balance_ready", "gauge", "workers, beat", "1 while `/readyz` says 200")
TROUBLE: Final = Metric(
    "balance_trouble", "gauge", "workers, beat", "1 for each kind of trouble that `/readyz` tells of", ("kind",)
)
INFO: Final = Metric(
    "balance_process_info", "gauge", "workers, beat, the door", "1; which version this is", ("version",)
)  # fmt: skip
VERIFY_OK: Final = Metric(
    "balance_verify_ok", "gauge", "`verify --textfile`", "1 when the last `balance-worker verify` found nothing"
)
VERIFY_FINDINGS: Final = Metric(
    "balance_verify_findings", "gauge", "`verify --textfile`", "What the last `balance-worker verify` found"
)
VERIFY_ENTRIES: Final = Metric(
    "balance_verify_entries", "gauge", "`verify --textfile`", "Entries that it computed again"
)
VERIFY_AT: Final = Metric(
    "balance_verify_timestamp_seconds", "gauge", "`verify --textfile`", "When it ended, in Unix time"
)

METRICS: Final[dict[str, Metric]] = {
    each.name: each
    for each in (
        JOBS, APPLY, PUBLISHED, BATCH, FAULTS, LETTERS, FORWARDED, SYSTEM_JOBS, EVALUATIONS, CHARGES, DELIVERIES, HELD,
        SETTLED, DEPTH, OLDEST, OUTBOX, BACKLOG, LAG, WAITING_CHARGES, UNMEASURED, BEAT_TICK, BEAT_CLOCK,
        DATABASE_CLOCK, READY, TROUBLE, INFO, VERIFY_OK, VERIFY_FINDINGS, VERIFY_ENTRIES, VERIFY_AT,
    )
}  # fmt: skip
