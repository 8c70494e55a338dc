"""The figures of docs/performance.md are those of the benchmark run that is in the tree."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(\w+)` \| ([\d.]+) \|", re.MULTILINE)


def test_the_page_shows_the_figures_of_the_latest_run() -> None:
    latest = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_text())
    shown = ROW.findall((ROOT / "docs" / "performance.md").read_text())
    assert len(shown) >= 10
    assert [(name, f"{latest['ratios'][name]:.2f}") for name, _ in shown] == shown


def test_the_latest_run_is_a_whole_one() -> None:
    run = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_text())["run"]
    assert not run["quick"]
    assert {"uniform", "hot", "latency", "growth", "scan", "memory"} <= set(run["parts"])
