"""docs/high-availability.md: its settings are what the text says of them, and such as workers take."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from sqlalchemy import make_url

from tests.support.documents import block
from worker.settings.settings import Settings

PAGE: Final = "docs/high-availability.md"


def configuration() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(block(PAGE, "scope: balance").text)
    return found


def keys_of(tree: object, above: str = "") -> set[str]:
    if not isinstance(tree, dict):
        return {above}
    return {key for name, value in tree.items() for key in keys_of(value, f"{above}.{name}" if above else str(name))}


def test_no_commit_is_acknowledged_on_one_machine_alone() -> None:
    dcs = configuration()["bootstrap"]["dcs"]
    assert (dcs["synchronous_mode"], dcs["synchronous_mode_strict"], dcs["synchronous_node_count"]) == (
        "quorum",
        True,
        1,
    )
    assert dcs["postgresql"]["parameters"]["synchronous_commit"] == "on"  # unquoted, YAML has it a truth value


def test_patroni_would_take_the_times_as_they_are() -> None:
    """It sets them right by itself otherwise, and the pause is another than the page says."""
    dcs = configuration()["bootstrap"]["dcs"]
    assert dcs["ttl"] >= 20
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"]


def test_it_has_the_keys_of_the_trial_and_no_password() -> None:
    """Another key is to be tried first."""
    assert keys_of(configuration()) == {
        "scope",
        "name",
        *(f"restapi.{name}" for name in ("listen", "connect_address")),
        "etcd3.hosts",
        *(f"bootstrap.dcs.{name}" for name in ("ttl", "loop_wait", "retry_timeout", "failsafe_mode")),
        *(f"bootstrap.dcs.synchronous_{name}" for name in ("mode", "mode_strict", "node_count")),
        *(f"bootstrap.dcs.postgresql.{name}" for name in ("use_pg_rewind", "use_slots")),
        *(
            f"bootstrap.dcs.postgresql.parameters.{name}"
            for name in (
                "synchronous_commit", "wal_log_hints", "max_connections", "max_wal_size", "max_slot_wal_keep_size"
            )
        ),
        "bootstrap.initdb",
        *(f"postgresql.{name}" for name in ("listen", "connect_address", "data_dir", "bin_dir", "pg_hba")),
        *(f"postgresql.authentication.{role}.username" for role in ("superuser", "replication", "rewind")),
        "watchdog.mode",
    }  # fmt: skip


def test_workers_are_led_to_whichever_of_its_nodes_can_be_written_to() -> None:
    exports = dict(re.findall(r"export BALANCE_(\w+)='?([^'\s]*)", block(PAGE, "export BALANCE_DATABASE_URL").text))
    settings = Settings(**{name.lower(): value for name, value in exports.items()})
    query = make_url(settings.database_url).query
    nodes = [each.partition(":")[0] for each in configuration()["etcd3"]["hosts"]]
    assert (query["host"], query["target_session_attrs"]) == (",".join(nodes), "read-write")
    assert settings.connect_timeout_s == 2
