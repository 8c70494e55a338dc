"""The figures of docs/performance.md are those of the benchmark runs that are in the tree."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
ROW = re.compile(r"^\| `(\w+)` \| ([\d.]+) \|", re.MULTILINE)
COST = re.compile(
    r"^\| (\w+, \d process\w*) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", re.MULTILINE
)
WHO = {
    "ours, 1 process": "redis_1",
    "ours, 2 processes": "redis_2",
    "bound, 1 process": "bound_1",
    "bound, 2 processes": "bound_2",
    "pgqueuer, 1 process": "peer",
}


def test_the_page_shows_the_figures_of_the_latest_run() -> None:
    known = run()["ratios"]
    shown = ROW.findall(page())
    assert len(shown) >= 10
    assert {"redis_2_vs_plain", "redis_2_vs_fastest_peer", "redis_2_vs_bound_2", "cpu_vs_bound"} <= {*dict(shown)}
    assert [(name, f"{known[name]:.2f}") for name, _ in shown] == shown


def test_the_page_shows_what_a_job_costs() -> None:
    figures = run()["figures"]
    shown = COST.findall(page())
    assert [who for who, *_ in shown] == [*WHO]
    assert shown == [
        (
            who,
            *(
                f"{figures['cpu_us_per_job'][f'{name}_{part}']['median']:.0f}"
                for part in ("worker", "postgresql", "broker")
            ),
            f"{figures['wal_bytes_per_job'][name]['median']:,.0f}",
            f"{figures['bound'][name]['median']:,.0f}",
        )
        for who, name in WHO.items()
    ]


def test_the_latest_run_is_a_whole_one() -> None:
    latest = run()["run"]
    assert not latest["quick"]
    assert {"bound", "uniform", "hot", "latency", "growth", "scan", "memory"} <= set(latest["parts"])


def page() -> str:
    return (ROOT / "docs" / "performance.md").read_text()


def run() -> dict[str, Any]:
    return dict(json.loads((RESULTS / "latest.json").read_text()))
