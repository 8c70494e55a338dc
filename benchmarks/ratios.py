"""The ratios: what a run is about. Figures change with the machine, ratios of figures from one run much less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.figures import Figures

Place = tuple[str, str]
"""(part, name) of a figure"""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of `of` divided by the median of `to`."""

    name: str
    of: Place
    to: Place
    better: Literal["higher", "lower"]
    meaning: str


RATIOS: Final = (
    Ratio("redis_1_vs_plain", ("uniform", "redis_1"), ("uniform", "plain"), "higher",
          "throughput of one process of ours to four of the plain worker"),
    Ratio("redis_2_vs_plain", ("uniform", "redis_2"), ("uniform", "plain"), "higher",
          "throughput of two processes of ours to four of the plain worker"),
    Ratio("redis_1_events_vs_plain", ("uniform", "redis_1_events"), ("uniform", "plain"), "higher",
          "the same with events for Flower, which the plain worker does not send"),
    Ratio("redis_2_events_vs_plain", ("uniform", "redis_2_events"), ("uniform", "plain"), "higher",
          "the same with two processes"),
    Ratio("redis_2_vs_redis_1", ("uniform", "redis_2"), ("uniform", "redis_1"), "higher",
          "what a second process brings"),
    Ratio("redis_1_vs_floor", ("uniform", "redis_1"), ("uniform", "floor"), "higher",
          "one process of ours to 16 pgbench clients that commit job by job"),
    Ratio("redis_2_vs_floor", ("uniform", "redis_2"), ("uniform", "floor"), "higher",
          "two processes of ours to 16 pgbench clients that commit job by job"),
    Ratio("redis_2_vs_lean_floor", ("uniform", "redis_2"), ("uniform", "lean_floor"), "higher",
          "the same, each job a single statement"),
    Ratio("hot_1_vs_hot_plain", ("hot", "redis_1"), ("hot", "plain"), "higher",
          "all jobs on one account: one process of ours to four of the plain worker"),
    Ratio("hot_1_vs_hot_floor", ("hot", "redis_1"), ("hot", "floor"), "higher",
          "all jobs on one account: one process of ours to 16 pgbench clients"),
    Ratio("hot_2_vs_hot_floor", ("hot", "redis_2"), ("hot", "floor"), "higher",
          "the same with two processes"),
    Ratio("hot_1_vs_hot_lean_floor", ("hot", "redis_1"), ("hot", "lean_floor"), "higher",
          "one process of ours to 16 pgbench clients, each job a single statement"),
    Ratio("duplicates_1_vs_duplicates_plain", ("duplicates", "redis_1"), ("duplicates", "plain"), "higher",
          "one message in a hundred sent twice"),
    Ratio("mixed_1_vs_mixed_plain", ("mixed", "redis_1"), ("mixed", "plain"), "higher",
          "users, wallets and apps by turns"),
    Ratio("rabbitmq_1_vs_plain", ("uniform", "rabbitmq_1"), ("uniform", "rabbitmq_plain"), "higher",
          "on RabbitMQ: one process of ours to four of the plain worker"),
    Ratio("rabbitmq_2_vs_plain", ("uniform", "rabbitmq_2"), ("uniform", "rabbitmq_plain"), "higher",
          "on RabbitMQ: two processes of ours to four of the plain worker"),
    Ratio("rabbitmq_1_events_vs_plain", ("uniform", "rabbitmq_1_events"), ("uniform", "rabbitmq_plain"), "higher",
          "on RabbitMQ, with events: one process of ours to four of the plain worker"),
    Ratio("rabbitmq_2_events_vs_plain", ("uniform", "rabbitmq_2_events"), ("uniform", "rabbitmq_plain"), "higher",
          "the same with two processes"),
    Ratio("rabbitmq_hot_1_vs_hot_plain", ("hot", "rabbitmq_1"), ("hot", "rabbitmq_plain"), "higher",
          "on RabbitMQ, all jobs on one account"),
    Ratio("rabbitmq_2_vs_redis_2", ("uniform", "rabbitmq_2"), ("uniform", "redis_2"), "higher",
          "two processes of ours on RabbitMQ to two on Redis"),
    Ratio("redis_2_events_vs_redis_2", ("uniform", "redis_2_events"), ("uniform", "redis_2"), "higher",
          "two processes of ours with events for Flower to two without"),
    Ratio("redis_1_vs_bound_1", ("bound", "redis_1"), ("bound", "bound_1"), "higher",
          "one process of ours to one of the bound, the least program that writes the same rows"),
    Ratio("redis_2_vs_bound_2", ("bound", "redis_2"), ("bound", "bound_2"), "higher",
          "two processes of ours to two of the bound"),
    Ratio("hot_1_vs_hot_bound_1", ("bound", "hot_redis_1"), ("bound", "hot_bound_1"), "higher",
          "all jobs on one wallet: one process of ours to one of the bound"),
    Ratio("cpu_vs_bound", ("cpu_us_per_job", "redis_1"), ("cpu_us_per_job", "bound_1"), "lower",
          "processor time a job, worker and PostgreSQL, one process: ours to the bound"),
    Ratio("redis_2_vs_fastest_peer", ("bound", "redis_2"), ("bound", "peer"), "higher",
          "two processes of ours to pgqueuer, the fastest of the workers off the shelf that were tried"),
    Ratio("submit_many_vs_apply_async", ("publishing", "submit_many"), ("publishing", "apply_async"), "higher",
          "jobs published a second: 500 at a time to one by one"),
    Ratio("client_async_vs_submit_many", ("client", "async"), ("client", "submit_many"), "lower",
          "time until the broker has 200 jobs that are awaited at once to that of one submit_many; at most 1.2"),
    Ratio("client_async_vs_apply_async", ("client", "async"), ("client", "apply_async"), "lower",
          "the same to 200 times apply_async"),
    Ratio("client_rabbitmq_async_vs_submit_many", ("client", "rabbitmq_async"), ("client", "rabbitmq_submit_many"),
          "lower", "on RabbitMQ: 200 jobs awaited at once to one submit_many; at most 1.2"),
    Ratio("http_vs_redis_1", ("http", "door"), ("uniform", "redis_1"), "higher",
          "requests answered by one door, to the jobs that a worker alone applies from a full queue"),
    Ratio("http_p99_vs_client", ("http", "door_p99"), ("http", "client_p99"), "lower",
          "100 requests a second, from due to answered, to jobs awaited straight over the queue; at most 2"),
    Ratio("p50_vs_plain", ("latency", "redis_1_p50"), ("latency", "plain_p50"), "lower",
          "publish to committed at 100 jobs a second, the middle one"),
    Ratio("p99_vs_plain", ("latency", "redis_1_p99"), ("latency", "plain_p99"), "lower",
          "publish to committed at 100 jobs a second, one in a hundred takes longer"),
    Ratio("grown_vs_small", ("growth", "small"), ("growth", "grown"), "lower",
          "time for a job in the large ledger to that in the small one"),
    Ratio("scan_vs_small", ("scan", "grown_scan"), ("scan", "small_scan"), "lower",
          "time to find and fill 100 due wallets among many to that among few"),
    Ratio("find_vs_small", ("scan", "grown_find"), ("scan", "small_find"), "lower",
          "time to find them"),
    Ratio("storm_p50_vs_quiet", ("charging", "storm_p50"), ("charging", "quiet_p50"), "lower",
          "publish to committed while 1,000 charges are made, the middle one, to that in peace"),
    Ratio("storm_p99_vs_quiet", ("charging", "storm_p99"), ("charging", "quiet_p99"), "lower",
          "the same, one in a hundred takes longer"),
    Ratio("beside_relay_vs_alone", ("events", "beside"), ("events", "alone"), "higher",
          "jobs applied a second by one process while an I/O worker relays what they tell, to when nobody does"),
    Ratio("relay_2_vs_alone", ("events", "relay_2"), ("events", "alone"), "higher",
          "events a second that two relays take out of a backlog, to the jobs of one process that tell them"),
    Ratio("memory_last_vs_first", ("memory", "last"), ("memory", "first"), "lower",
          "resident memory at the end to that after a twentieth of the jobs"),
)  # fmt: skip


def ratios(figures: Figures) -> dict[str, float]:
    """Those of which both sides were measured."""
    found = {}
    for ratio in RATIOS:
        above, below = figures.median(*ratio.of), figures.median(*ratio.to)
        if above is not None and below:
            found[ratio.name] = round(above / below, 3)
    return found
