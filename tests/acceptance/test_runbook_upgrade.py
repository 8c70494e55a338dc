"""docs/runbook.md, "Upgrade": the version before and this one side by side, under load, replaced one by one."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import create_engine

from models.store.schema.migrations import current, head, upgrade
from tests.acceptance.system import System, replies, wait_until
from tests.acceptance.under_load import all_settled, load_on, longest_pause_s
from tests.support.distributions import ROOT

pytestmark = pytest.mark.slow

REVISION: Final = "0008"
SINCE: Final = "models/migrations/versions/0009_what_the_audit_says_instead.py"  # what that version has not yet


@pytest.fixture(scope="module")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of that version, out of the repository's history."""
    added = ["git", "log", "--diff-filter=A", "--format=%H", "-1", "--", SINCE]
    commit = subprocess.run(added, cwd=ROOT, capture_output=True, check=False, text=True).stdout.strip()
    made = subprocess.run(["git", "archive", f"{commit}^"], cwd=ROOT, capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("the repository's history is not here: the version before cannot be run")
    place = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=BytesIO(made.stdout)) as archive:
        archive.extractall(place, filter="data")
    return place


class OldWorker:
    """A money worker of the version before: its own code, from its own directory."""

    def __init__(self, system: System, code: Path, name: str) -> None:
        self.name, self._system = name, system
        path = f"{code}:{code / 'clients' / 'python' / 'src'}"
        words = ["-m", "celery", "-A", "worker.app", "worker", f"--hostname={name}@{system.queue}", "--without-mingle"]
        with (system.logs / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words, "--pool=solo", f"--queues={system.queue}"],
                cwd=code, env={**system.environment, "PYTHONPATH": path}, stdout=log, stderr=log,
            )  # fmt: skip
        node = f"{name}@{system.queue}"
        wait_until(f"{node} to answer", lambda: replies(system.client, "ping", destination=[node], timeout=0.5))

    def end(self) -> None:
        self._system.end(self.name, self.process)


def test_one_by_one_under_load(
    version_before: Path, redis_url: str, empty_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade(empty_database_url, REVISION)
    engine = create_engine(empty_database_url)
    system = System(redis_url, empty_database_url, engine, "balance", tmp_path)
    old = []
    try:
        old = [OldWorker(system, version_before, f"old-{number}") for number in (1, 2)]
        with load_on(system) as load:
            load.more()
            upgrade(empty_database_url)
            assert current(engine) == head() != REVISION
            load.more()  # they go on, on the connections that they have
            for number, each in enumerate(old, start=1):
                system.money_worker(f"new-{number}")
                each.end()
                load.more()
        all_settled(system, load)
        for name in ("old-1", "old-2", "new-1", "new-2"):
            assert "jobs.settled" in system.log(name), name
        with capsys.disabled():
            print(f"\nrolling upgrade: {len(load.accepted)} jobs, longest pause {longest_pause_s(engine)} s")  # noqa: T201
    finally:
        for each in old:
            each.process.kill()
            each.process.wait()
        system.stop()
        engine.dispose()


def test_an_old_worker_that_connects_anew_holds_its_jobs_and_says_so(
    version_before: Path, redis_url: str, database_url: str, tmp_path: Path
) -> None:
    engine = create_engine(database_url)
    system = System(redis_url, database_url, engine, "balance", tmp_path)
    late: OldWorker | None = None
    try:
        late = OldWorker(system, version_before, "late")
        sent = system.send("users.upsert", idempotency_key="u", user_id=1)
        wait_until("it to hold the job", lambda: "jobs.held" in system.log("late"))
        assert f"{REVISION} is needed" in system.log("late")
        system.money_worker("new")
        late.end()
        assert sent.get()["code"] == "applied"
    finally:
        if late is not None:
            late.process.kill()
            late.process.wait()
        system.stop()
        engine.dispose()
