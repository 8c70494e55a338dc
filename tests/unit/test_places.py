"""The places that workers tell and the doctor compares: the same for the same broker, however its URL is written."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection

from balance_client.brokers.addresses import kombu_url, sentinel_options
from balance_client.brokers.tls import Tls
from worker.doctor.finding import Level
from worker.doctor.workers import Report, examine_workers, placed
from worker.encoding.places import broker_places, connected_place, database_place
from worker.settings.settings import Settings

BROKERS = [
    ("redis://u:pw@h", ["redis://h:6379/0"]),
    ("redis://h:6379/0", ["redis://h:6379/0"]),
    ("rediss://[::1]:1/3", ["rediss://[::1]:1/3"]),
    ("amqp://u:pw@h", ["amqp://h:5672/%2F"]),
    ("amqp://u:pw@h//", ["amqp://h:5672/%2F"]),
    ("amqps://h/%2F", ["amqps://h:5671/%2F"]),
    ("amqp://u:pw@a/v;amqp://u:pw@b:1/v", ["amqp://a:5672/v", "amqp://b:1/v"]),
    ("sentinel://:pw@b;sentinel://a:1/2?master_name=m", ["sentinel://a:1;b:26379/2?master_name=m"]),
    ("sentinels://:pw@a?master_name=m", ["sentinels://a:26379/0?master_name=m"]),
]


@pytest.mark.parametrize(("url", "places"), BROKERS)
def test_what_a_worker_tells_is_one_of_the_places_that_its_url_means(url: str, places: list[str]) -> None:
    assert broker_places(url) == places
    tls = Tls()
    connection = Connection(kombu_url(url), ssl=tls.options(url), transport_options=sentinel_options(url, tls))
    assert connected_place(connection) == places[0]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql+psycopg://u:pw@db/ledger?sslmode=require", "postgresql://db:5432/ledger"),
        ("postgresql+psycopg://u:pw@db:5433/ledger", "postgresql://db:5433/ledger"),
        ("postgresql+psycopg://u:pw@/ledger?host=a,b&port=5432,5433", "postgresql://a,b:5432,5433/ledger"),
        ("postgresql+psycopg:///ledger?host=/var/run/postgresql", "postgresql:///var/run/postgresql:5432/ledger"),
    ],
)
def test_a_database_without_its_secrets(url: str, place: str) -> None:
    assert database_place(url) == place


def report(**told: Any) -> Report:
    queues = {"queue": "balance", "io_queue": "balance.io", "queues": ["balance"], "now": 0.0}
    return Report("money@h", {**queues, **told}, 0.0)


def test_the_doctor_says_where_a_worker_is_and_warns_when_the_command_is_elsewhere() -> None:
    settings = Settings(broker_url="redis://:pw@h/3", database_url="postgresql://u:pw@db/ledger")
    servers = {"broker_server": "10.0.0.1:6379", "database_server": "10.0.0.2:5432"}
    here = {"broker": "redis://h:6379/3", "database": "postgresql://db:5432/ledger", **servers}
    [finding] = placed(report(**here), settings)
    assert (finding.check, finding.level) == ("worker.place.money@h", Level.OK)
    assert finding.found == (
        "broker redis://h:6379/3 (10.0.0.1:6379), database postgresql://db:5432/ledger (10.0.0.2:5432)"
    )
    [finding] = placed(report(**here | {"database": "postgresql://staging:5432/ledger"}), settings)
    assert finding.level is Level.WARNING
    assert finding.found == "database postgresql://staging:5432/ledger, here postgresql://db:5432/ledger"
    [finding] = placed(report(**here | {"broker": "redis://h:6379/0"}), settings)
    assert finding.found == "broker redis://h:6379/0, here redis://h:6379/3"
    assert not [*placed(report(), settings)], "an earlier version does not say"


def test_a_worker_of_another_version_that_cannot_be_understood_is_a_finding_of_its_own() -> None:
    findings = {each.check: each for each in examine_workers([report()], Settings())}
    assert findings["workers.balance"].level is Level.OK
    assert findings["worker.money@h"].found == "could not be examined: KeyError: 'version'"
