"""The chart of a benchmark run: what was measured is in it, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.chart import chart

LATEST = Path(__file__).parents[2] / "benchmarks" / "results" / "latest.json"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return dict(json.loads(LATEST.read_text()))


def words(svg: str) -> list[str]:
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return [text.text or "" for text in texts]


def test_every_part_has_its_panel_and_every_bar_its_figure(report: dict[str, Any]) -> None:
    drawn = words(chart(report))
    assert {"balance-worker, measured", "Throughput over all accounts", "Resident memory of a process"} <= {*drawn}
    assert f"{report['figures']['uniform']['redis_2']['median']:,.0f}" in drawn
    assert drawn == words(LATEST.with_name("latest.svg").read_text()), "the chart in the tree is that of its figures"


def test_the_part_beside_the_bound_is_drawn_with_its_colours(report: dict[str, Any]) -> None:
    measured = {part: report["figures"][part] for part in ("bound", "cpu_us_per_job", "wal_bytes_per_job")}
    drawn = words(chart({**report, "figures": measured}))
    assert {"pgqueuer", "the bound", "Write-ahead log a job", "bound, 2 processes"} <= {*drawn}
    assert "plain Celery + ORM" not in drawn, "only who is drawn is in the legend"


def test_what_was_not_measured_is_left_out(report: dict[str, Any]) -> None:
    only = {**report, "figures": {"hot": {"redis_1": {"median": 12.34}}}}
    drawn = words(chart(only))
    assert {"Throughput on one hot account", "1 process", "12.3"} <= {*drawn}
    assert not {"Throughput over all accounts", "2 processes"} & {*drawn}


def test_the_same_figures_make_the_same_file(report: dict[str, Any]) -> None:
    assert chart(report) == chart(report)


def test_the_file_says_nothing_of_itself(report: dict[str, Any]) -> None:
    assert "metadata" not in chart(report)
