"""What is made of a process's last word about itself, and where that is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tasks.apply.progress import Progress
from worker.observability.health import SILENT_MAX_S, Trouble, Word, judge
from worker.observability.pulse import Pulse
from worker.observability.readiness import _held
from worker.settings.settings import Settings

CANCELLED = Trouble("queues", "it takes nothing", "add it")


@pytest.mark.parametrize(
    ("troubles", "age_s", "alive", "kinds"),
    [
        ((), 0.0, True, []),
        ((), SILENT_MAX_S, True, []),
        ((), SILENT_MAX_S + 0.1, True, ["loop"]),
        ((), -1.0, True, ["loop"]),  # the machine has been started anew since
        ((), 0.0, False, ["process"]),
        ((CANCELLED,), 1.0, True, ["queues"]),
        ((CANCELLED,), 99.0, True, ["loop", "queues"]),
        ((CANCELLED,), 99.0, False, ["process"]),
    ],
)
def test_ready_is_who_lives_speaks_and_has_no_trouble(
    troubles: tuple[Trouble, ...], age_s: float, alive: bool, kinds: list[str]
) -> None:
    found = judge(Word("n", 1, at=100.0, troubles=troubles), 100.0 + age_s, alive=alive)
    assert [each.kind for each in found] == kinds
    assert all(each.next for each in found)


@pytest.mark.parametrize(
    ("events", "held"),
    [
        ([], False),
        ([(0, "failed"), (2.9, "failed")], False),  # a deadlock
        ([(0, "failed"), (3.0, "failed")], True),
        ([(0, "failed"), (3.0, "failed"), (3.1, "passed")], False),
        ([(0, "failed"), (3.0, "passed"), (4.0, "failed"), (6.0, "failed")], False),
        ([(0, "failed"), (40.0, "failed"), (60.0, "looked")], True),
        ([(0, "failed"), (5.0, "failed"), (36.0, "looked")], False),  # its jobs have gone back
    ],
)
def test_held_is_who_meets_the_same_fault_again_and_again(events: list[tuple[float, str]], held: bool) -> None:
    at = [0.0]
    progress = Progress(lambda: at[0])
    for at[0], event in events:
        if event == "failed":
            progress.failed("no table", "make it")
        elif event == "passed":
            progress.passed()
    found = _held(progress.held, at[0], over_s=30.0)
    assert (found is not None) == held
    if found is not None:
        assert (found.what, found.next) == ("jobs are held: no table", "make it")


def _pulse(directory: Path, **given: Any) -> Pulse:
    return Pulse(Settings.model_validate({"run_dir": directory, **given}))


def test_words_of_another_deployment_on_the_same_machine_are_not_ours(tmp_path: Path) -> None:
    ours, theirs = _pulse(tmp_path), _pulse(tmp_path, database_url="postgresql://h/other")
    ours.write(Word("money@h", 1, 5.0, (CANCELLED,)))
    ours.write(Word("a/../b c@h", 2, 6.0))
    theirs.write(Word("money@h", 3, 7.0))
    assert {word.node: word.pid for word in ours.read()} == {"money@h": 1, "a/../b c@h": 2}
    assert [*ours.read("money@h")] == [Word("money@h", 1, 5.0, (CANCELLED,))]
    assert [word.pid for word in theirs.read()] == [3]
    ours.write(Word("money@h", 4, 8.0))
    assert [word.pid for word in ours.read("money@h")] == [4]
    ours.remove("money@h")
    ours.remove("money@h")
    assert [*ours.read("money@h")] == []
    assert [word.pid for word in theirs.read()] == [3]
    assert len([*tmp_path.iterdir()]) == 2


def test_a_password_does_not_change_the_place_and_is_not_in_it(tmp_path: Path) -> None:
    old, new = (_pulse(tmp_path, broker_url=f"redis://:{password}@h/0") for password in ("old", "new"))
    old.write(Word("n", 1, 5.0))
    assert [word.pid for word in new.read()] == [1]


def test_the_usual_directory_is_refused_when_it_is_somebody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pulse = Pulse(Settings())
    assert [*pulse.read()] == []
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pulse.directory.symlink_to(elsewhere)
    for use in (lambda: pulse.write(Word("n", 1, 5.0)), lambda: [*pulse.read()]):
        with pytest.raises(PermissionError, match="BALANCE_RUN_DIR"):
            use()
    pulse.directory.unlink()
    pulse.write(Word("n", 1, 5.0))
    assert pulse.directory.stat().st_mode & 0o777 == 0o700
    assert pulse.directory.name == f"balance-worker-{os.geteuid()}"
