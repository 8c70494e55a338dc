"""A run of chaos is asked for again by one command, which `make` hands on as it was."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.faults.deck import FAULTS
from tests.chaos.plan import Plan

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("plan", "brokers", "options"),
    [
        (Plan(600, "7"), ["redis", "rabbitmq"], "--duration 600 --broker both --seed 7"),
        (
            Plan(60, "8", rate=50, load=2, only=("Kill", "Promoted")),
            ["redis"],
            "--duration 60 --broker redis --seed 8 --load 2 --only Kill,Promoted --rate 50",
        ),
    ],
    ids=["as usual", "with all that can be said"],
)
def test_the_command_that_repeats_a_run(plan: Plan, brokers: list[str], options: str) -> None:
    make, *words = shlex.split(plan.again(brokers))
    place = sys.prefix
    argv = [make, "--dry-run", f"--old-file={place}/.installed", f"VENV={place}", *words]
    said = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    assert shlex.split(said.replace("\\\n", "")) == [f"{place}/bin/python", "-m", "tests.chaos", *options.split()]


def test_only_some_faults_are_dealt_and_unknown_ones_refused() -> None:
    assert {fault.__name__ for fault in Plan(60, "7", only=("Kill",)).deck} == {"Kill"}
    assert Plan(60, "7").deck == [*FAULTS]
    with pytest.raises(ValueError, match=r"there is no fault Kil; there are BeatClock, .*"):
        _ = Plan(60, "7", only=("Kil",)).deck
