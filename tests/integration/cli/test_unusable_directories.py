"""`up` and `demo` with a data directory that they cannot use: one sentence with what to do, at once, no traceback."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.integration.cli.conftest import Cli, told
from tests.support.servers import forks, servers
from worker.cli.main import main
from worker.local.data_directory import hold

NOBODY: Final = 65_534
ANOTHER: Final = "choose another directory with --data-dir"
AWAY: Final = f"move what is there away, or {ANOTHER}"
IS_ROOT: Final = os.geteuid() == 0


@pytest.fixture
def place() -> Iterator[Path]:
    with servers.server_directory() as directory:
        directory.chmod(0o755)
        yield directory


def _with(data_dir: Path, name: str, content: str | None = None) -> Path:
    """The directory with a file in it; without content with a directory of that name."""
    path = data_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for parent in (data_dir, path.parent):
        parent.chmod(0o711)
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    return data_dir


def _file(path: Path) -> Path:
    path.write_text("")
    return path


def _link(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


# By what is wrong: what makes the directory, given a new path, and what is said; `{}` is the directory.
CASES: Final[dict[str, tuple[Callable[[Path], Path], str]]] = {
    "a file": (_file, f"{{}} cannot be used: it is no directory: {AWAY}"),
    "below a file": (lambda path: _file(path) / "data", rf"{{}} cannot be used: it is no directory \(\S+\): {AWAY}"),
    "a link to itself": (lambda path: _link(path, path), f"{{}} cannot be used: it is no directory: {AWAY}"),
    "a link to nothing": (
        lambda path: _link(path, path.with_name("gone")), f"{{}} cannot be used: it is no directory: {AWAY}",
    ),
    "a name too long": (
        lambda path: path / ("x" * 300), "{} cannot be used: file name too long: choose a shorter one with --data-dir",
    ),
    "a path too long": (
        lambda path: path.joinpath(*["x" * 100] * 9), "{} cannot be used: choose a path of at most 800 bytes .*",
    ),
    "a line break in the name": (lambda path: path / "a\nb", ".* cannot be used: choose a name in UTF-8, without .*"),
    "bytes that are no text": (
        lambda path: path / os.fsdecode(b"\xff"), "the argument .* is not UTF-8: .*",
    ),
    "nobody's home": (lambda _: Path("~nosuchuser/data"), ".*leads nowhere .*: choose a whole path with --data-dir"),
    "postgres is a file": (
        lambda path: _with(path, "postgres", ""), f"{{}}/postgres cannot be used: it is no directory: {AWAY}",
    ),
    "the lock is a directory": (
        lambda path: _with(path, "lock"), rf"{{}} cannot be used: is a directory \(\S+lock\): {AWAY}",
    ),
    "the password is a directory": (
        lambda path: _with(path, "postgres/password"),
        rf"{{}}/postgres cannot be used: is a directory \(\S+password\): {AWAY}",
    ),
    "PostgreSQL of another time": (
        lambda path: _with(path, "postgres/data/PG_VERSION", "9\n"),
        rf"{{}}/postgres/data was made by PostgreSQL '9'; installed are [\d, ]+: install the version .*{ANOTHER}",
    ),
    "PostgreSQL of no time": (
        lambda path: _with(path, "postgres/data/PG_VERSION", "x"), ".* was made by PostgreSQL 'x'; installed are .*",
    ),
    "no cluster": (
        lambda path: _with(path, "postgres/data/more", "x"), f"{{}}/postgres/data is no PostgreSQL cluster: {AWAY}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_says_what_is_wrong_and_what_to_do(place: Path, case: str) -> None:
    make, says = CASES[case]
    directory = make(place / "data")
    said = told(Cli()("up", "--data-dir", str(directory)))
    assert re.fullmatch("balance-worker: " + says.replace("{}", re.escape(str(directory))), said), said


def test_demo_says_the_same(place: Path) -> None:
    directory = _file(place / "data")
    said = Cli()("demo", "--data-dir", str(directory))
    assert (said.returncode, "Traceback" in said.stderr) == (2, False)
    assert said.stderr == f"balance-worker: {directory} cannot be used: it is no directory: {AWAY}\n"


def test_one_directory_has_one_owner_whatever_servers_it_uses(place: Path) -> None:
    with hold(place / "data"):
        given = {"broker_url": "redis://127.0.0.1:1/0", "database_url": "postgresql://127.0.0.1:1/balance"}
        said = told(Cli(given)("up", "--data-dir", str(place / "data")))
    assert said == f"balance-worker: {place}/data is in use by process {os.getpid()}: stop that one, or {ANOTHER}"


def _forked(logs: Path, run: Callable[[str], None], directory: Path | str) -> str:
    """What `up` says in a process that `run` prepares."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BALANCE_")}
    out, err = logs / "out", logs / "err"
    process = forks.start(run, str(directory), environment=environment, stdout=out, stderr=err)
    assert forks.exit_code(process) == 2, err.read_text()
    assert "Traceback" not in err.read_text()
    return err.read_text().strip().removeprefix("balance-worker: ")


def _up(directory: str) -> None:
    sys.argv = ["balance-worker", "up", "--data-dir", directory]
    main()


def _up_in_a_directory_that_is_gone(directory: str) -> None:
    os.chdir(directory)
    os.rmdir(directory)
    _up("data")


def _up_as_an_ordinary_user(directory: str) -> None:
    if IS_ROOT:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    _up(directory)


def test_a_working_directory_that_is_gone(place: Path, tmp_path: Path) -> None:
    (gone := place / "gone").mkdir()
    said = _forked(tmp_path, _up_in_a_directory_that_is_gone, gone)
    assert re.fullmatch(r"data leads nowhere \(.*\): choose a whole path with --data-dir", said)


@pytest.mark.parametrize(("name", "where"), [("data", r" \(\S+/lock\)"), ("data/new", "")])
def test_a_directory_of_another_user(place: Path, tmp_path: Path, name: str, where: str) -> None:
    (place / "data").mkdir(mode=0o555)
    said = _forked(tmp_path, _up_as_an_ordinary_user, directory := place / name)
    user = pwd.getpwuid(NOBODY if IS_ROOT else os.geteuid()).pw_name
    remedy = f"let user {user} write there, or {ANOTHER}"
    assert re.fullmatch(f"{directory} cannot be used: permission denied{where}: {remedy}", said), said


@contextmanager
def _mounted(path: Path, options: str) -> Iterator[Path]:
    """A file system in memory."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    if not IS_ROOT or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing can be mounted here: that needs root")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_file_system_that_cannot_be_written_to(place: Path, tmp_path: Path) -> None:
    with _mounted(place / "data", "ro") as directory:
        said = _forked(tmp_path, _up, directory)
    remedy = "choose one that can be written to with --data-dir"
    assert said == f"{directory} cannot be used: read-only file system ({directory}/lock): {remedy}"


def test_a_disk_without_room_to_begin(place: Path, tmp_path: Path) -> None:
    with _mounted(place / "data", "size=8m,mode=711") as directory:
        said = _forked(tmp_path, _up, directory)
    needed = "8 MB are free there, and 60 MB are needed to begin"
    assert said == f"{directory}/postgres cannot be used: {needed}: free some space, or {ANOTHER}"


def test_a_disk_that_is_full(place: Path, tmp_path: Path) -> None:
    with _mounted(place / "data", "size=1m,mode=711") as directory:
        _with(directory, "postgres/password", "p")  # it has begun once
        with contextlib.suppress(OSError), (directory / "all").open("wb") as file:
            while True:
                file.write(bytes(65_536))
        said = _forked(tmp_path, _up, directory)
    assert re.fullmatch(
        f"{directory}\\S* cannot be used: no space left on device.*: free some space, or {ANOTHER}", said
    )
