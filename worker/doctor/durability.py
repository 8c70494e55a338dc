"""What is left of an acknowledged job when PostgreSQL's server, or its machine, is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.store.server.server import Server
from models.store.server.standbys import Standbys
from worker.doctor.finding import Finding, failure, ok, warning

_LOST: Final = (
    "A failover loses the last jobs that were applied and acknowledged: their publishers were told, and no key"
)
_UNHEARD: Final = (
    "Commits wait for a standby that has a connection and does not answer. All jobs are held with them, unacknowledged."
)
_WAIT: Final = "Commits wait for a standby that is not there. All jobs are held with them, unacknowledged."


def durability(server: Server) -> Finding:
    """Whether what was committed is on the disk of this server."""
    values = {name: server.settings[name] for name in ("fsync", "full_page_writes", "synchronous_commit")}
    found = ", ".join(f"{name} {value}" for name, value in values.items())
    off = [name for name, value in values.items() if value == "off"]
    if off:
        return failure(
            "database.durability", found,
            "A job is acknowledged when its commit is on disk. So it is not: after a crash of the server applied jobs "
            "are gone, and their messages too.",
            f"set {' and '.join(f'{name} = on' for name in off)} in postgresql.conf, and for the workers' role and "
            "database",
        )  # fmt: skip
    if server.unlogged:
        return failure(
            "database.durability", f"unlogged: {', '.join(server.unlogged)}",
            "After a crash of the server these tables are empty, and no standby has them.",
            "; ".join(f"alter table {name} set logged" for name in server.unlogged),
        )  # fmt: skip
    return ok("database.durability", found)


def standbys(server: Server) -> Iterator[Finding]:
    """Whether it is on the disk of another server too, before it is acknowledged."""
    found = server.standbys
    if found is None:
        return
    if not found.needed:
        yield _asynchronous(found)
    elif (level := server.settings["synchronous_commit"]) in {"off", "local"}:
        yield failure(
            "database.standbys", f"synchronous_commit {level}, although synchronous_standby_names is set",
            f"The commits of the workers wait for no standby. {_LOST}",
            "set synchronous_commit = on for the workers' role and database",
        )  # fmt: skip
    else:
        yield _synchronous(found, level)


def _asynchronous(found: Standbys) -> Finding:
    if not found.receivers:
        return ok("database.standbys", "none: what is on the disk of this server is all there is")
    return warning(
        "database.standbys", f"{found.receivers}, none of them synchronous",
        _LOST,
        "name them in synchronous_standby_names; without that, promote one only when the primary's disk is lost",
    )  # fmt: skip


def _synchronous(found: Standbys, level: str) -> Finding:
    there = found.receivers if found.synchronous is None else found.synchronous
    said = f"{there} of {found.needed} synchronous"
    if found.waiting and found.synchronous is not None and there >= found.needed:
        return failure(
            "database.standbys", f"{said}, {found.waiting} commits waiting", _UNHEARD,
            "see whether the standbys stand still and the network between them and this server passes anything: "
            "reply_time in pg_stat_replication is their last word",
        )  # fmt: skip
    if there < found.needed or found.waiting:
        return failure(
            "database.standbys", f"{said}, {found.waiting} commits waiting", _WAIT,
            "bring back a standby that synchronous_standby_names names; take its name out and reload only where none "
            "can have been promoted meanwhile: from then on a failover may lose what was acknowledged",
        )  # fmt: skip
    if found.synchronous is None:
        return warning(
            "database.standbys", f"{found.receivers} there; this role may not see which of them are synchronous",
            "When none of them is, commits wait, and all jobs with them.",
            "grant pg_read_all_stats to the workers' role",
        )  # fmt: skip
    if level == "remote_write":
        return warning(
            "database.standbys", f"{said}, synchronous_commit remote_write",
            "The standby has a commit in memory when it is acknowledged: a power cut of both machines loses it.",
            "set synchronous_commit = on for the workers' role and database",
        )  # fmt: skip
    return ok("database.standbys", said)
