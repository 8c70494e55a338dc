"""Shards on Citus: each a ledger in a schema of its own, which one node has as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from models.store.connection.session import make_engine
from tasks.apply.path import apply, apply_uncontended
from tests.support.builders import LIMITS, balance, done, events, job, rows, settle
from tests.support.coherence import assert_ledger_is_coherent
from tests.support.servers import citus
from tests.support.servers.citus import Shard, shard

_TOLD = "client_min_messages=notice -ccitus.log_remote_commands=on -ccitus.log_local_commands=on"


@dataclass
class Commands:
    """What a session's server had other nodes do, by node, and what it did itself."""

    elsewhere: dict[str, list[str]] = field(default_factory=dict)
    here: list[str] = field(default_factory=list)

    def note(self, said: psycopg.errors.Diagnostic) -> None:
        what, command = (said.message_primary or "").partition(" ")[::2]
        if what == "issuing":
            self.elsewhere.setdefault(said.message_detail or "", []).append(command)
        elif what == "executing":
            self.here.append(command.removeprefix("the command locally: "))


@contextmanager
def ledger_at(url: str) -> Iterator[Engine]:
    """An engine as workers have it; the ledger is coherent afterwards."""
    engine = make_engine(url)
    try:
        yield engine
        assert_ledger_is_coherent(engine)
    finally:
        engine.dispose()


@contextmanager
def watched(url: str) -> Iterator[tuple[Engine, Commands]]:
    """The same, with what its sessions cause from now on."""
    commands = Commands()
    engine = make_engine(f"{url} -c{_TOLD}")

    def watch(connection: Any, _: object) -> None:
        connection.add_notice_handler(commands.note)

    event.listen(engine, "connect", watch)
    try:
        with engine.connect() as connection:  # the planner's own look at the other nodes belongs to no batch
            connection.exec_driver_sql("select count(*) from jobs")
        commands.elsewhere.clear()
        commands.here.clear()
        yield engine, commands
    finally:
        engine.dispose()


def batch(count: int, users: int = 5) -> list[Any]:
    return [job("users.update_balance", user_id=1 + n % users, amount_kopeks=1 + n) for n in range(count)]


@pytest.fixture
def one(coordinator: str) -> Iterator[Shard]:
    with shard(coordinator) as made:
        with ledger_at(made.node) as engine:
            for number in range(1, 6):
                done(engine, "users.upsert", user_id=number, telegram_id=100 + number)
        yield made


@pytest.mark.parametrize("way", [apply, apply_uncontended])
def test_a_batch_on_the_node_that_has_the_schema_is_one_plain_commit_there(one: Shard, way: Any) -> None:
    with watched(one.node) as (engine, commands):
        assert {outcome.code for outcome in way(engine, batch(200), LIMITS)} == {"applied"}
        by_name = job("users.update_balance", telegram_id=101, amount_kopeks=1)
        refused = job("users.update_balance", user_id=77, amount_kopeks=1)
        settle(engine, by_name, refused)
    assert commands.elsewhere == {}, "nothing is asked of another node, nor prepared"
    assert any("accounts" in command for command in commands.here), "it was done, and here"


def test_a_batch_through_the_coordinator_is_one_transaction_of_one_node(one: Shard) -> None:
    with watched(one.coordinator) as (engine, commands):
        assert {outcome.code for outcome in apply(engine, batch(200), LIMITS)} == {"applied"}
    [(_, there)] = commands.elsewhere.items()
    assert sum(command.startswith("BEGIN") for command in there) == 1
    assert [command.split("'")[0].strip() for command in there[-2:]] == ["PREPARE TRANSACTION", "COMMIT PREPARED"]
    with ledger_at(one.node) as engine:
        assert len(rows(engine, "select from entries")) == 200


def test_two_shards_on_two_nodes_have_their_own_accounts_and_keys(coordinator: str) -> None:
    first, second = citus.nodes(coordinator)[:2]
    with shard(coordinator, first) as left, shard(coordinator, second) as right:
        assert (citus.node_of(coordinator, left.schema), citus.node_of(coordinator, right.schema)) == (first, second)
        with ledger_at(left.node) as on_left, ledger_at(right.node) as on_right:
            for engine, amount in ((on_left, 5), (on_right, 7)):
                done(engine, "users.upsert", user_id=1, telegram_id=9)
                done(engine, "users.update_balance", idempotency_key="same", user_id=1, amount_kopeks=amount)
            assert (balance(on_left, "user:1"), balance(on_right, "user:1")) == (5, 7)
        for made, amount in ((left, 5), (right, 7)):
            with ledger_at(made.coordinator) as engine:
                assert balance(engine, "user:1") == amount


def test_a_shard_that_moved_goes_on_for_those_who_knew_its_place_and_those_who_learn_it(
    coordinator: str, one: Shard
) -> None:
    was = citus.node_of(coordinator, one.schema)
    other = next(node for node in citus.nodes(coordinator) if node != was)
    with ledger_at(one.node) as before:
        settle(before, *batch(10))
        citus.run(coordinator, "select citus_schema_move(%s, %s, %s, 'block_writes')", one.schema, *other)
        settle(before, *batch(10))
        with ledger_at(citus.ledger_url(coordinator, one.schema, other)) as after:
            settle(after, *batch(10))
            done(after, "users.upsert", user_id=6)
            done(before, "users.upsert", user_id=7)
            assert len(rows(after, "select from entries")) == 30
            assert len(events(after)) == 30, "no number twice"
