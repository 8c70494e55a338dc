"""The database of a run: two nodes, and the workers under a role of their own, whose tables may come after them."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from models.store.schema import migrations as schema
from tests.chaos.nodes import Nodes
from tests.support.roles import ROLE, grants
from tests.support.servers.postgres_pair import run
from tests.support.servers.proxy import Proxy
from worker.local.ports import HOST

Tables = Literal["there", "missing", "of an older version"]
_PASSWORD: Final = "of-the-workers"
_OLD: Final = "0001"
_ONE_AT_A_TIME: Final = Lock()  # two runs share this process, and alembic knows one database at a time


class Database(Nodes):
    """`tables`: what the first worker finds."""

    def __init__(self, directory: Path, how: random.Random) -> None:
        super().__init__(directory)
        self.tables: Tables = how.choice(("there", "missing", "of an older version"))

    @property
    def conninfo(self) -> str:
        """Of the one that is written to, for libpq, as their owner."""
        ports = ",".join(map(str, self.ports))
        return (
            f"host={HOST},{HOST} port={ports} user=balance password={self.primary.password} dbname=balance"
            " target_session_attrs=read-write connect_timeout=2"
        )

    def start(self) -> None:
        super().start()
        run(self.primary, f"create role {ROLE} login password '{_PASSWORD}'")
        if self.tables == "there":
            self.migrate()
        elif self.tables == "of an older version":
            _upgrade(self.primary.url, _OLD)
            run(self.primary, f"grant all on all tables in schema public to {ROLE}")
            run(self.primary, f"grant all on all sequences in schema public to {ROLE}")

    def migrate(self) -> None:
        """As docs/deployment.md asks: the tables, then what the workers may do with them."""
        _upgrade(self.primary.url)
        for kind in ("tables", "sequences"):
            run(self.primary, f"revoke all on all {kind} in schema public from {ROLE}")
        for statement in grants():
            run(self.primary, statement)


def _upgrade(url: str, revision: str = "head") -> None:
    with _ONE_AT_A_TIME:
        schema.upgrade(url, revision)


def workers_url(links: tuple[Proxy, ...]) -> str:
    """How a worker names the database: one name, or both nodes."""
    hosts = "&".join(f"host={HOST}:{link.port}" for link in links)
    writable = "&target_session_attrs=read-write" if len(links) > 1 else ""
    return f"postgresql+psycopg://{ROLE}:{_PASSWORD}@/balance?{hosts}{writable}"
