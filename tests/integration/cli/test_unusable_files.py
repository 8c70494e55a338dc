"""Each command that opens a file, with one that it cannot use: a sentence with what to do, code 2, no traceback.

Directories of `up` and `demo`: test_unusable_directories.py.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from socket import create_server
from typing import Final

import pytest

from tests.integration.cli.conftest import Cli, told
from tests.support.servers import forks
from tests.support.servers.servers import server_directory
from worker.anchors.keys import make_keys
from worker.cli.main import main


def _below_a_file(place: Path) -> Path:
    (place / "file").write_text("")
    return place / "file" / "x"


def _circle(place: Path) -> Path:
    (place / "circle").symlink_to("circle")
    return place / "circle"


def _directory(place: Path) -> Path:
    (place / "directory").mkdir()
    return place / "directory"


def _full(place: Path) -> Path:
    """By a link: what writes beside a file and renames would replace the device itself."""
    (place / "full").symlink_to("/dev/full")
    return place / "full"


UNREADABLE: Final[dict[str, Callable[[Path], Path]]] = {
    "nowhere": lambda place: place / "gone" / "x",
    "below a file": _below_a_file,
    "a directory": _directory,
    "a circle": _circle,
    "a name too long": lambda place: place / ("x" * 300),
    "a device that fails": lambda _: Path("/proc/self/mem"),
}
UNWRITABLE: Final[dict[str, Callable[[Path], Path]]] = {
    **{name: make for name, make in UNREADABLE.items() if name != "a device that fails"},
    "a disk that is full": _full,
    "no rights, for root neither": lambda _: Path("/proc/sys/kernel/ostype"),
    "where nothing can be made": lambda _: Path("/proc/x"),
}
LINE: Final = json.dumps({"job": "users.upsert", "idempotency_key": "k", "user_id": 1})
READ: Final = [
    "publish --jsonl {path} --wait 0",
    "publish users.upsert --csv {path} --wait 0",
    "jobs reconcile {path}",
    "verify --against {anchors} --public-key {path}",
    "verify --against {path} --public-key {public}",
]
WRITTEN: Final = [
    "asyncapi --output {path}",
    "verify --textfile {path}",
    "verify --progress-file {path}",
    "publish --jsonl {jobs} --wait 0 --results {path}",
    "anchor --to {path}",
    "anchor-keys {path}/keys",
]
SETTINGS: Final = ["BALANCE_HTTP_KEYS", "BALANCE_PRODUCERS", "BALANCE_ANCHOR_KEY", "BALANCE_BROKER_TLS_CA"]
# A file of anchors that is not there has no anchors in it; directories for keys are made.
FINE: Final = {
    ("verify --against {path} --public-key {public}", "nowhere"),
    ("anchor-keys {path}/keys", "nowhere"),
    ("anchor-keys {path}/keys", "a directory"),
}


def cases(commands: list[str], kinds: dict[str, Callable[[Path], Path]], whole: list[str]) -> list[tuple[str, str]]:
    """`whole`: who is tried with all that can be wrong; for the others one place says it, and two will do."""
    found = [(command, kind) for command in commands for kind in ("below a file", "a directory")]
    found += [(command, kind) for command in whole for kind in kinds]
    return [case for case in dict.fromkeys(found) if case not in FINE]


CASES: Final = [
    *cases(READ, UNREADABLE, ["jobs reconcile {path}"]),
    *cases(
        WRITTEN,
        UNWRITABLE,
        ["asyncapi --output {path}", "verify --textfile {path}", "verify --progress-file {path}", "anchor --to {path}"],
    ),
]


def run(cli: Cli, command: str, path: Path, place: Path) -> str:
    private, public = make_keys(place / "keys")
    (place / "jobs").write_text(f"{LINE}\n")
    (place / "anchors").write_text("")
    given = {"path": path, "public": public, "jobs": place / "jobs", "anchors": place / "anchors"}
    done = cli(*(word.format(**given) for word in command.split()), anchor_key=str(private))
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize(("command", "kind"), CASES)
def test_says_what_is_wrong_and_what_to_do(cli: Cli, tmp_path: Path, command: str, kind: str) -> None:
    path = {**UNREADABLE, **UNWRITABLE}[kind](tmp_path)
    [said] = run(cli, command, path, tmp_path).splitlines()
    assert str(path) in said or "the place" in said  # of anchors: what is there is none
    problem, _, remedy = said.rpartition(": ")
    assert problem
    assert any(word in remedy for word in ("name", "choose", "give", "let", "compare")), said


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", ["nowhere", "a directory"])
def test_a_setting_that_is_a_file(cli: Cli, tmp_path: Path, setting: str, kind: str) -> None:
    path = UNREADABLE[kind](tmp_path)
    [said] = told(
        cli("http" if setting == "BALANCE_HTTP_KEYS" else "config", **{setting[8:].lower(): str(path)})
    ).splitlines()
    assert setting in said


@pytest.mark.parametrize("command", ["--help", "config", "asyncapi", "accounts list --json", "report --csv"])
def test_a_disk_that_is_full_behind_stdout(cli: Cli, tmp_path: Path, command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BALANCE_")}
    environment |= {f"BALANCE_{name.upper()}": value for name, value in cli.settings.items()}
    errors = tmp_path / "err"
    process = forks.start(_main, command.split(), environment=environment, stdout=Path("/dev/full"), stderr=errors)
    assert forks.exit_code(process) == 2, errors.read_text()
    [said] = errors.read_text().splitlines()
    assert said.startswith("balance-worker: what this command writes cannot be used: no space left on device: free ")


def _main(words: list[str]) -> None:
    sys.argv = ["balance-worker", *words]
    main()


# Ports.


@pytest.mark.parametrize(("command", "port"), [("up", "flower_port"), ("up", "http_port"), ("http", "http_port")])
def test_a_port_that_is_taken_is_named_with_its_setting(command: str, port: str) -> None:
    keys = {"http_keys": '{"k": {"hashes": ["sha256:' + "0" * 64 + '"], "producer": "p"}}'}
    with server_directory() as place, closing(create_server(("127.0.0.1", 0))) as taken:
        number = str(taken.getsockname()[1])
        words = [command, *(["--data-dir", str(place / "data")] if command == "up" else [])]
        [said] = told(Cli(keys)(*words, **{port: number})).splitlines()
    assert f"127.0.0.1 port {number}: address already in use: set BALANCE_{port.upper()}" in said
