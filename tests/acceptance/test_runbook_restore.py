"""docs/runbook.md, "Back up and restore": a dump of a running system; then its database is gone, and all comes back."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import psycopg
import pytest
from sqlalchemy import create_engine, make_url

from tests.acceptance.system import System, wait_until
from tests.acceptance.under_load import PRODUCER, Load, all_settled, load_on
from tests.support import command
from tests.support.documents import block
from tests.support.servers.servers import create_database, drop_database
from worker.local.servers.embedded import EmbeddedPostgres, _postgres_programs

pytestmark = pytest.mark.slow

DUMP: Final = block("docs/runbook.md", "pg_dump")
RESTORE: Final = block("docs/runbook.md", "createdb")
RECONCILE: Final = block("docs/runbook.md", "balance-worker verify\nbalance-worker jobs reconcile")


class Shell:
    """An operator's, beside the server: its programs, and the settings of the workers."""

    def __init__(self, postgres: EmbeddedPostgres, directory: Path) -> None:
        self.directory = directory
        programs = _postgres_programs(postgres.directory / "data")
        ours = Path(command.SCRIPT).parent
        self.environment = {
            **os.environ, "PATH": f"{programs}:{ours}:{os.environ['PATH']}", "PGHOST": "127.0.0.1",
            "PGPORT": str(postgres.port), "PGUSER": "balance", "PGPASSWORD": postgres.password,
        }  # fmt: skip

    def run(self, script: str, settings: Mapping[str, str] | None = None, code: int = 0) -> str:
        environment = {**self.environment, **(settings or {})}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.directory, env=environment, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, (script, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def restored_url(postgres: EmbeddedPostgres, unique_queue: str) -> Iterator[str]:
    """Of the database that the runbook's commands make."""
    name = f"restored_{unique_queue.replace('.', '_').replace('-', '_')}"
    yield postgres.url.rpartition("/")[0] + f"/{name}"
    drop_database(postgres.url, name)
    with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"drop role if exists {name}")  # the workers', called as the database is


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_nothing_is_lost_when_publishers_send_again_what_is_missing(
    request: pytest.FixtureRequest,
    postgres: EmbeddedPostgres,
    template_database: str,
    restored_url: str,
    unique_queue: str,
    tmp_path: Path,
    broker: str,
) -> None:
    broker_url: str = request.getfixturevalue(f"{broker}_url")
    name = restored_url.rpartition("/")[2]
    source = create_database(postgres.url, f"source_{name}", template_database)
    shell = Shell(postgres, tmp_path)
    engine = create_engine(source)
    system = System(broker_url, source, engine, unique_queue, tmp_path)
    try:
        worker = system.money_worker("before")
        with load_on(system) as load:
            load.more()
            shell.run(DUMP.script.replace("dump balance", f"dump source_{name}"))
            load.more()
            wait_until("jobs after the dump", lambda: system.count("entries") > 300)
            worker.send_signal(signal.SIGKILL)  # with what it held
            worker.wait(60)
            load.more(50)  # the broker takes jobs all the while
        lost = system.count("entries")
    finally:
        engine.dispose()
    drop_database(postgres.url, f"source_{name}")
    _restore(shell, system, load, restored_url, lost)


def _restore(shell: Shell, system: System, load: Load, restored_url: str, lost: int) -> None:
    name = restored_url.rpartition("/")[2]
    workers = make_url(restored_url).set(username=name, password="restored").render_as_string(hide_password=False)
    settings = {each: system.environment[each] for each in ("BALANCE_BROKER_URL", "BALANCE_QUEUE")}
    settings |= {"BALANCE_DATABASE_URL": workers}
    script = RESTORE.script.replace("balance_restored", name)
    assert f"{name} may do what workers need" in shell.run(script, settings | {"BALANCE_OWNER_URL": restored_url})
    system.engine = create_engine(restored_url)
    system.environment |= settings
    try:
        kept = system.count("entries")
        assert 0 < kept < lost, "the dump is of an earlier moment"
        assert "verify: ok" in shell.run("balance-worker verify", settings)
        system.money_worker("after")
        # The broker delivers what was not acknowledged, and what came after.
        wait_until("what the broker still had", lambda: _waiting(system) == 0, 120)
        (shell.directory / "published.txt").write_text("\n".join([*load.accepted, ""]))
        reconcile = RECONCILE.script.replace("--producer billing", f"--producer {PRODUCER}")
        said = shell.run(reconcile, settings, code=1)
        missing = [line.split(": ")[1] for line in said.splitlines() if ": missing: " in line]
        assert missing
        assert len(load.accepted) - len(missing) == system.count("entries")
        again = Load(system)
        for key in missing:
            again.publish(key)
        again.publish(load.accepted[0])  # what is there already is answered, and not applied again
        again.close()
        all_settled(system, load)
        assert "0 missing" in shell.run(reconcile, settings)
    finally:
        system.stop()
        system.engine.dispose()


def _waiting(system: System) -> int:
    """Messages in the queue, and on Redis with workers too, as the doctor counts them."""
    done = command.run("doctor", "--json", environment=system.environment)
    [found] = [each["found"] for each in json.loads(done.stdout)["findings"] if each["check"] == "broker.backlog"]
    return sum(map(int, re.findall(r"\d+", found)))
