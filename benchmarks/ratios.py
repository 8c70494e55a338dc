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
    Ratio("submit_many_vs_apply_async", ("publishing", "submit_many"), ("publishing", "apply_async"), "higher",
          "jobs published a second: 500 at a time to one by one"),
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
