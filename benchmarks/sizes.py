"""How much of everything one run takes: the full run, and the quick one that only shows that all of it works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts are jobs, accounts, entries or wallets; times are seconds."""

    repetitions: int
    more_repetitions: int  # of latency (one in a hundred jobs is a dozen), hot row and growth (processor against disk)
    accounts: int  # of the throughput and latency parts
    jobs: int  # of one drain by our workers
    bound_jobs: int  # of one drain beside the bound, which is through with them in a second
    plain_jobs: int  # of one drain by the plain ones: fewer, because they take longer for each
    floor_s: float  # how long pgbench runs
    latency_s: float  # how long jobs are published at `latency_rate` a second
    latency_rate: int
    published: int  # jobs of one measurement of publishing
    client_rounds: int  # of 200 jobs, of each way to publish them
    client_answered: int  # jobs whose outcomes are awaited
    http_requests: int  # of one measurement of the door
    small_accounts: int  # of the growth part
    grown_accounts: int
    entries_each: int  # entries that every account of the growth part has before it begins
    growth_jobs: int
    small_policies: int
    grown_policies: int
    due: int  # wallets that one scan finds
    scans: int  # repetitions of the scan, which is short
    charges: int  # that fall due at once
    storms: int
    storm_s: float  # how long jobs are published before the storm, and from its beginning
    memory_jobs: int
    every_contender: bool  # False: the quick run leaves out what differs only in degree
    latest_start_s: float  # a part that would begin later is left out: the run ends in time on a slow machine too


FULL: Final = Sizes(
    repetitions=3,
    more_repetitions=5,
    accounts=10_000,
    jobs=12_000,
    bound_jobs=20_000,
    plain_jobs=1_000,
    floor_s=4.0,
    latency_s=12.0,
    latency_rate=100,
    published=10_000,
    client_rounds=40,
    client_answered=10_000,
    http_requests=10_000,
    small_accounts=10_000,
    grown_accounts=1_000_000,
    entries_each=10,
    growth_jobs=24_000,
    small_policies=10_000,
    grown_policies=1_000_000,
    due=100,
    scans=9,
    charges=1_000,
    storms=3,
    storm_s=15.0,
    memory_jobs=500_000,
    every_contender=True,
    latest_start_s=1_800.0,
)
QUICK: Final = Sizes(
    repetitions=1,
    more_repetitions=1,
    accounts=2_000,
    jobs=4_000,
    bound_jobs=4_000,
    plain_jobs=200,
    floor_s=1.0,
    latency_s=2.0,
    latency_rate=100,
    published=2_000,
    client_rounds=10,
    client_answered=1_000,
    http_requests=1_000,
    small_accounts=1_000,
    grown_accounts=20_000,
    entries_each=10,
    growth_jobs=4_000,
    small_policies=1_000,
    grown_policies=20_000,
    due=100,
    scans=3,
    charges=100,
    storms=1,
    storm_s=7.0,
    memory_jobs=6_000,
    every_contender=False,
    latest_start_s=150.0,
)
