"""PostgreSQL against docs/guarantees.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from models.store.schema.revision import fault
from models.store.server.diagnosis import Diagnosis
from models.store.server.roles import role_of
from models.store.server.server import Server, examine
from worker.clock import now
from worker.database import engine_for
from worker.doctor.clocks import clock
from worker.doctor.durability import durability, standbys
from worker.doctor.finding import Finding, failure, ok, warning
from worker.doctor.steps import examined
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings

_VERSION_MIN: Final = 15
_FULL: Final = 0.8  # of max_connections
_AHEAD: Final = timedelta(days=2)  # of fourteen that are made beforehand
_REST_MAX: Final = 16 << 20  # bytes without a day, up to which days are made: migration 0010


def examine_database(settings: Settings) -> Iterator[Finding]:
    """Connects once, reads, and changes nothing."""
    engine = engine_for(settings, any_tables=True)
    try:
        before = now()
        server = examine(engine)
        after = now()
    finally:
        engine.dispose()
    where = mask_url(settings.database_url)
    if isinstance(server, Diagnosis):
        yield failure(
            "database.reachable", f"{server.trouble}: {server.detail}",
            "Workers hold their jobs, unacknowledged, until the database answers.",
            server.remedy or f"see that PostgreSQL runs and that BALANCE_DATABASE_URL names it; now it is {where}",
        )  # fmt: skip
        return
    yield ok("database.reachable", f"{where}, through a pooler in session mode" if server.pooled else where)
    took = (after - before).total_seconds()
    ours = before.timestamp() + took / 2
    yield from examined(
        ("database.version", lambda: _version(server)),
        ("database.migrations", lambda: _migrations(server)),
        ("database.durability", lambda: durability(server)),
        ("database.standbys", lambda: standbys(server)),
        ("database.primary", lambda: _primary(server)),
        ("database.session", lambda: _session(server, settings)),
        ("database.privileges", lambda: _privileges(server, settings)),
        ("database.connections", lambda: _connections(server)),
        ("database.clock", lambda: clock("database.clock", "the database", server.at.timestamp(), ours, took / 2)),
        ("database.dead_letters", lambda: _dead_letters(server)),
        ("database.days", lambda: _days(server)),
    )


def _version(server: Server) -> Finding:
    found = server.settings["server_version"]
    if int(server.settings["server_version_num"]) // 10_000 >= _VERSION_MIN:
        return ok("database.version", found)
    return failure(
        "database.version", found, "No test has run on a PostgreSQL as old as this one.",
        f"upgrade to PostgreSQL {_VERSION_MIN} or newer",
    )  # fmt: skip


def _migrations(server: Server) -> Finding:
    wrong = None if server.tables is None else fault(server.tables)
    if server.tables is not None and wrong is None:
        return ok("database.migrations", f"at {server.tables.revision}")
    return failure(
        "database.migrations", "this role may not look" if wrong is None else str(wrong),
        "Workers hold all jobs until the tables are those that they need.",
        "grant what database.privileges names" if wrong is None else wrong.remedy,
    )  # fmt: skip


def _primary(server: Server) -> Finding:
    read_only = server.settings["default_transaction_read_only"] == "on"
    if not server.standby and not read_only:
        return ok("database.primary", "writable")
    return failure(
        "database.primary", "read-only: a standby" if server.standby else "default_transaction_read_only on",
        "Nothing can be applied there; workers hold their jobs.",
        "let BALANCE_DATABASE_URL name the primary, or promote this server"
        if server.standby else "set it off for this role and this database",
    )  # fmt: skip


def _session(server: Server, settings: Settings) -> Finding:
    """They were set when the connection was made; a pooler in between may have given us another session since."""
    wanted = {
        "default_transaction_isolation": "read committed",
        "lock_timeout": str(settings.lock_timeout_ms),
        "statement_timeout": str(settings.statement_timeout_ms),
    }
    wrong = {name: server.settings[name] for name, value in wanted.items() if server.settings[name] != value}
    found = ", ".join(f"{name} {server.settings[name]}" for name in wanted)
    if not wrong:
        return ok("database.session", found)
    return failure(
        "database.session", found,
        "The session has not the settings that were asked for: a statement could wait for ever, or see another "
        "isolation than the path is written for.",
        "connect to PostgreSQL itself; a pooler in between must be in session mode",
    )  # fmt: skip


def _privileges(server: Server, settings: Settings) -> Iterator[Finding]:
    reader = settings.flower_database_url
    if reader is not None and role_of(reader) == role_of(settings.database_url):
        found = "asked as the role that only reads; what workers may do is told where they run"
        yield ok("database.privileges", found)
    elif server.missing:
        yield failure(
            "database.privileges", f"missing: {', '.join(server.missing)}",
            "Jobs that need them are held, as with a database that is away.",
            "grant them: `balance-worker grants` says how",
        )  # fmt: skip
    elif server.tables is None or fault(server.tables) is not None:
        return  # what there is is not what the privileges are of
    elif server.beyond:
        yield warning(
            "database.privileges", f"this role {'; '.join(server.beyond)}",
            "Whoever has the workers' password can do more to the ledger than a worker does: "
            "docs/security.md, Who notices what.",
            "run the workers under a role of their own, with what `balance-worker grants` grants and no more",
        )  # fmt: skip
    else:
        yield ok("database.privileges", "what workers need, and no more")


def _connections(server: Server) -> Finding:
    most = int(server.settings["max_connections"]) - int(server.settings["superuser_reserved_connections"])
    found = f"{server.connections} of {most} in use"
    if server.connections <= _FULL * most:
        return ok("database.connections", found)
    return warning(
        "database.connections", found,
        "A worker that starts, or connects anew, may find no connection; it then holds its jobs.",
        "raise max_connections, or lower BALANCE_POOL_SIZE or the number of other clients",
    )  # fmt: skip


def _dead_letters(server: Server) -> Iterator[Finding]:
    if server.dead_letters:
        yield warning(
            "database.dead_letters", f"{server.dead_letters} waiting",
            "These messages could not become a job; nothing was applied for them.",
            "`balance-worker dead-letters list` says why; then replay or discard them",
        )  # fmt: skip
    elif server.dead_letters == 0:
        yield ok("database.dead_letters", "none")


def _days(server: Server) -> Iterator[Finding]:
    days = server.days
    if days is None:
        return
    until = "no day has a partition" if days.last is None else f"partitions up to {days.last}"
    if days.rest_bytes > _REST_MAX:
        yield warning(
            "database.days", f"{until}; {days.rest_bytes >> 20} MB of bodies are in none",
            "No day is made while that is so, since it would keep jobs waiting: bodies are pruned one by one.",
            "give them their days: docs/runbook.md, bodies without a day",
        )  # fmt: skip
    elif days.last is None or days.last < server.at.date() + _AHEAD:
        yield warning(
            "database.days", until,
            "What comes after that is kept all the same, and pruned row by row instead of by the day.",
            "see that beat runs and that an I/O worker serves its queue: `jobs.prune` makes them, fourteen days ahead",
        )  # fmt: skip
    else:
        yield ok("database.days", until)
