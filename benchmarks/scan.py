"""The scan: what beat starts to find and fill due wallets, with many policies against few, and as many of them due."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from time import perf_counter
from typing import Any, Final

from sqlalchemy import text

from benchmarks import population
from benchmarks.bench import OURS, Bench
from benchmarks.contender import Incoherent
from benchmarks.servers import engine_of
from models.domain.deciding.decision import Limits
from models.domain.retry import RetryPolicy
from models.store.connection.session import snapshot
from models.store.write.top_ups.policies import due
from tasks.apply.retries import RetryingApplier
from tasks.auto_topup.scan import scan as top_up_due

_LIMIT: Final = 500  # wallets a transaction: the worker's default
# Every so many-th wallet, others in each repetition; all of them are below their minimum.
_FALL_DUE: Final = text("""
    update policies set due_at = clock_timestamp(), crossing = crossing + 1
    where account_id in (
        select account_id from policies order by account_id offset :skipped limit :due
    )
""")


def scan(bench: Bench) -> None:
    """Measures both in turn: finding alone, and the whole scan with the top-ups."""
    sizes = bench.sizes
    with _wallets(bench, sizes.small_policies) as small, _wallets(bench, sizes.grown_policies) as grown:
        marks = [OURS.mark(applier.engine) for applier in (small, grown)]
        appliers = [("small", small), ("grown", grown)]
        for repetition in range(sizes.scans):
            for name, applier in appliers[repetition % 2 :] + appliers[: repetition % 2]:
                find_ms, scan_ms = _measure(bench, applier, repetition)
                bench.figures.add("scan", f"{name}_find", find_ms, "ms")
                bench.figures.add("scan", f"{name}_scan", scan_ms, "ms")
                turn = f"{repetition + 1}/{sizes.scans}"
                bench.say(f"scan       {name:<17} {turn}  find {find_ms:.1f} ms, find and fill {scan_ms:.1f} ms")
        for applier, mark in zip((small, grown), marks, strict=True):
            bench.figures.checked(OURS.check(applier.engine, mark, whole=False))


def _measure(bench: Bench, applier: RetryingApplier, repetition: int) -> tuple[float, float]:
    wanted = bench.sizes.due
    with applier.engine.begin() as connection:
        skipped = repetition % (bench.sizes.small_policies // wanted) * wanted
        connection.execute(_FALL_DUE, {"skipped": skipped, "due": wanted})
    bench.servers.checkpoint()
    began = perf_counter()
    with snapshot(applier.engine) as connection:
        found = len(due(connection, _LIMIT))
    found_at = perf_counter()
    filled = top_up_due(applier, _LIMIT)
    done_at = perf_counter()
    if not found == filled == wanted:
        raise Incoherent(f"{wanted} wallets were due, {found} found, {filled} filled")
    return (found_at - began) * 1000, (done_at - found_at) * 1000


@contextmanager
def _wallets(bench: Bench, count: int) -> Iterator[RetryingApplier]:
    with bench.servers.database(f"policies_{count}") as url:
        OURS.create(url)
        with engine_of(url) as engine:
            population.add_accounts(engine, "wallet", count, policy=True, recorded=False)
            population.tidy(engine)
            bench.say(f"scan       {count:,} policies made")
            wait: Any = Event().wait
            yield RetryingApplier(engine, Limits(), RetryPolicy(0.1, 5.0, 5), wait, random.random)
