"""What a run leaves behind: who did what when, what each process said, and the ledger."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final

from tests.chaos.report import Report
from tests.chaos.site import Site
from worker.local.servers.embedded import _postgres_programs

_LOGS: Final = "logs"


class Timeline:
    """All that is told of a run, with the time, in `directory`/logs/timeline.txt."""

    def __init__(self, directory: Path, tell: Callable[[str], None]) -> None:
        (directory / _LOGS).mkdir(parents=True, exist_ok=True)
        self._tell, self._began, self._lock = tell, monotonic(), Lock()
        self._path = directory / _LOGS / "timeline.txt"

    def tell(self, line: str) -> None:
        """To whoever watches, too."""
        self.note(line)
        self._tell(line)

    def note(self, line: str) -> None:
        at = datetime.now(UTC).isoformat(sep=" ", timespec="milliseconds")
        with self._lock, self._path.open("a") as file:
            file.write(f"{at} {monotonic() - self._began:7.1f} s  {line}\n")


def dump(site: Site) -> None:
    """The whole database, for pg_restore."""
    node = site.postgres.primary
    program = str(_postgres_programs(node.directory / "data") / "pg_dump")
    target = site.directory / _LOGS / "ledger.dump"
    subprocess.run(
        [program, "--format=custom", f"--file={target}", f"--dbname={node.url.replace('+psycopg', '', 1)}"],
        env={**os.environ, "PGPASSWORD": node.password}, check=True, timeout=120,
    )  # fmt: skip


def keep(directory: Path, target: Path, report: Report | None) -> Path:
    """Copies what a run in `directory` has left, before that is removed. Returns where it is."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(directory / _LOGS, target)
    for log in directory.glob("**/*.log"):
        place = log.relative_to(directory)
        if place.parts[0] != _LOGS:
            shutil.copy(log, target / "-".join(place.parts))
    if report is not None:
        (target / "report.json").write_text(json.dumps(report.document(), indent=2) + "\n")
    return target
