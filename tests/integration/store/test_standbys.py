"""The doctor calls durability ok when neither a crash nor a failover loses what was acknowledged, and not else."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import make_url

from models.domain.errors import TransientFault
from models.store.connection.session import make_engine, snapshot
from models.store.schema.migrations import upgrade
from tests.support.servers.postgres_pair import NAME, Standby, configure, pair, run, wait_for
from worker.doctor.database import examine_database
from worker.doctor.finding import Finding
from worker.local.servers.embedded import EmbeddedPostgres
from worker.settings.database_urls import canonical
from worker.settings.settings import Settings

NOWHERE = "127.0.0.1:1"
PLAIN = "plain"  # a role that may not see who is synchronous, as the workers' is
FOLLOWS = "select count(*) = 1 from pg_stat_replication where state = 'streaming'"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[EmbeddedPostgres, Standby]]:
    with pair() as (primary, standby):
        upgrade(primary.url)
        run(
            primary,
            f"create role {PLAIN} login password 'p'",
            f"grant select on all tables in schema public to {PLAIN}",
        )
        yield primary, standby


def findings(server: EmbeddedPostgres, role: str = "") -> dict[str, Finding]:
    url = make_url(server.url)
    if role:
        url = url.set(username=role, password="p")
    settings = Settings(database_url=url.render_as_string(hide_password=False))
    return {finding.check: finding for finding in examine_database(settings)}


@dataclass(frozen=True)
class Case:
    names: str  # synchronous_standby_names
    level: str
    says: str
    role: str = ""
    overrides: Sequence[str] = ()  # what `alter` is followed by, and what is reset afterwards


SYNCHRONOUS = "synchronous_commit"
CASES = [
    Case("", "warning", "1, none of them synchronous"),
    Case("", "warning", "1, none of them synchronous", PLAIN),
    Case(NAME, "ok", "1 of 1 synchronous"),
    Case("*", "ok", "1 of 1 synchronous"),
    Case(f"FIRST 1 (other, {NAME})", "ok", "1 of 1 synchronous"),
    Case(f"any 1 ({NAME}, other)", "ok", "1 of 1 synchronous"),
    Case(f"2 ({NAME}, other)", "failure", "1 of 2 synchronous"),
    Case("ANY 2 (*)", "failure", "1 of 2 synchronous"),
    Case("nobody", "failure", "0 of 1 synchronous"),
    Case(NAME, "warning", "this role may not see", PLAIN),
    Case("2 (*)", "failure", "1 of 2 synchronous", PLAIN),
    *(
        Case(NAME, level, value, "", [f"{what} set {SYNCHRONOUS} = {value}"])
        for what in ("role balance", "database balance")
        for value, level in (("local", "failure"), ("off", "failure"), ("remote_write", "warning"))
    ),
    Case(NAME, "ok", "1 of 1", "", [f"role balance set {SYNCHRONOUS} = remote_apply"]),
    Case(NAME, "ok", "1 of 1", "", [f"role {PLAIN} set {SYNCHRONOUS} = off"]),
    Case("", "warning", "none of them", "", [f"role balance set {SYNCHRONOUS} = local"]),
]


@contextmanager
def altered(server: EmbeddedPostgres, overrides: Sequence[str]) -> Iterator[None]:
    run(server, *(f"alter {override}" for override in overrides), "select 1")
    yield
    run(server, *(f"alter {override.partition(' set ')[0]} reset {SYNCHRONOUS}" for override in overrides), "select 1")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_failover_that_would_lose_something_is_named(servers: tuple[EmbeddedPostgres, Standby], case: Case) -> None:
    primary, _ = servers
    # Altered while no commit waits: it would wait for nobody.
    with altered(primary, case.overrides), ExitStack() as after:
        configure(primary, synchronous_standby_names=case.names)
        after.callback(configure, primary, synchronous_standby_names="")
        if case.level == "ok":
            wait_for(primary, "select count(*) = 1 from pg_stat_replication where sync_state in ('sync', 'quorum')")
        finding = findings(primary, case.role)["database.standbys"]
    assert (finding.level, case.says in finding.found) == (case.level, True), finding
    assert bool(finding.action) == (case.level != "ok")


def test_a_role_that_may_see_who_is_synchronous_is_told_so(servers: tuple[EmbeddedPostgres, Standby]) -> None:
    primary, _ = servers
    run(primary, f"grant pg_read_all_stats to {PLAIN}")
    configure(primary, synchronous_standby_names=NAME)
    try:
        assert findings(primary, PLAIN)["database.standbys"].level == "ok"
    finally:
        configure(primary, synchronous_standby_names="")
        run(primary, f"revoke pg_read_all_stats from {PLAIN}")


def test_a_commit_that_waits_is_seen_by_its_own_role(servers: tuple[EmbeddedPostgres, Standby]) -> None:
    primary, _ = servers
    run(primary, "create table of_plain (n integer)", f"grant insert on of_plain to {PLAIN}")
    url = make_url(primary.url).set(drivername="postgresql", username=PLAIN, password="p")
    configure(primary, synchronous_standby_names="nobody")
    with closing(psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)) as connection:
        try:
            connection.pgconn.send_query(b"insert into of_plain values (1)")
            connection.pgconn.flush()
            wait_for(primary, "select count(*) = 1 from pg_stat_activity where wait_event = 'SyncRep'"
                              " and query_start < clock_timestamp() - interval '2 seconds'")  # fmt: skip
            finding = findings(primary, PLAIN)["database.standbys"]
            assert (finding.level, finding.found) == ("failure", "1 of 1 synchronous, 1 commits waiting")
        finally:
            configure(primary, synchronous_standby_names="")


def test_standbys_that_have_stopped_answering_are_not_called_away(servers: tuple[EmbeddedPostgres, Standby]) -> None:
    """As behind a network that swallows everything: their connections stay for `wal_sender_timeout`."""
    primary, standby = servers
    configure(primary, synchronous_standby_names=NAME)
    wait_for(primary, "select count(*) = 1 from pg_stat_replication where sync_state = 'sync'")
    receivers = [pid for (pid,) in run(standby, "select pid from pg_stat_wal_receiver")]
    for pid in receivers:
        os.kill(pid, signal.SIGSTOP)
    try:
        with closing(psycopg.connect(primary.url.replace("+psycopg", "", 1), autocommit=True)) as connection:
            connection.pgconn.send_query(b"create table unheard (n integer)")
            connection.pgconn.flush()
            wait_for(primary, "select count(*) = 1 from pg_stat_activity where wait_event = 'SyncRep'"
                              " and query_start < clock_timestamp() - interval '2 seconds'")  # fmt: skip
            finding = findings(primary)["database.standbys"]
    finally:
        for pid in receivers:
            os.kill(pid, signal.SIGCONT)
        configure(primary, synchronous_standby_names="")
    assert (finding.level, finding.found) == ("failure", "1 of 1 synchronous, 1 commits waiting")
    assert ("does not answer" in finding.meaning, "reply_time" in finding.action) == (True, True)


def test_of_several_servers_it_is_said_why_each_cannot_be_used(servers: tuple[EmbeddedPostgres, Standby]) -> None:
    """The last one, which is all that the driver's first line is about, may be a standby that is well."""
    _, standby = servers
    url = make_url(standby.url)
    both = canonical(f"postgresql://{url.username}:{url.password}@{NOWHERE},127.0.0.1:{standby.port}/balance")
    each = rf"none of 2 servers can be used: {NOWHERE}: Connection refused.*; 127.0.0.1:{standby.port}: session is read"
    engine = make_engine(both)
    with pytest.raises(TransientFault, match=f"database out of reach: {each}"), snapshot(engine):
        raise AssertionError("there is no session to be had")
    engine.dispose()
    assert re.search(each, next(examine_database(Settings(database_url=both))).found)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_what_a_crash_would_lose_is_named(servers: tuple[EmbeddedPostgres, Standby], name: str) -> None:
    primary, _ = servers
    assert findings(primary)["database.durability"].level == "ok"
    configure(primary, **{name: "off"})
    try:
        finding = findings(primary)["database.durability"]
    finally:
        configure(primary, **{name: "on"})
    assert (finding.level, f"{name} off" in finding.found, f"{name} = on" in finding.action) == ("failure", True, True)


def test_a_table_that_a_crash_empties_is_named(servers: tuple[EmbeddedPostgres, Standby]) -> None:
    primary, _ = servers
    run(primary, "alter table anchors set unlogged")
    finding = findings(primary)["database.durability"]
    run(primary, "alter table anchors set logged")
    assert (finding.level, finding.found) == ("failure", "unlogged: anchors")


def read_only_database(primary: EmbeddedPostgres, _: Standby) -> EmbeddedPostgres:
    run(primary, "alter database balance set default_transaction_read_only = on")
    return primary


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(lambda _, standby: standby, "a standby"), (read_only_database, "default_transaction_read_only on")],
)
def test_what_can_only_be_read_is_named(
    servers: tuple[EmbeddedPostgres, Standby],
    spoil: Callable[[EmbeddedPostgres, Standby], EmbeddedPostgres],
    says: str,
) -> None:
    primary, standby = servers
    wait_for(standby, "select to_regclass('alembic_version') is not null")
    found = findings(spoil(primary, standby))
    url = primary.url.replace("+psycopg", "", 1)
    with psycopg.connect(url, options="-c default_transaction_read_only=off", autocommit=True) as connection:
        connection.execute("alter database balance reset default_transaction_read_only")
    assert (found["database.primary"].level, says in found["database.primary"].found) == ("failure", True)
    assert ("database.standbys" in found) == (says != "a standby")


def test_a_synchronous_standby_that_goes_is_missed(servers: tuple[EmbeddedPostgres, Standby]) -> None:
    primary, standby = servers
    configure(primary, synchronous_standby_names=NAME)
    standby.stop()
    try:
        wait_for(primary, "select count(*) = 0 from pg_stat_replication")
        found = {role: findings(primary, role)["database.standbys"] for role in ("", PLAIN)}
    finally:
        standby.start()
        configure(primary, synchronous_standby_names="")
        wait_for(primary, FOLLOWS)
    for finding in found.values():
        assert (finding.level, finding.found) == ("failure", "0 of 1 synchronous, 0 commits waiting")
        assert "Commits wait" in finding.meaning
        assert "only where none can have been promoted" in finding.action, "this server may be the one that is cut off"
