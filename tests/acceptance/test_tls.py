"""TLS to the broker, for results and to the database: it works, and nobody else than the right server is believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from balance_client import BalanceClient, PublishFailed
from tests.acceptance.system import System, wait_until
from tests.support.command import run
from tests.support.servers.tls import Authority, authority, encrypted


@pytest.fixture
def known(tmp_path: Path) -> Authority:
    return authority(tmp_path, "known")


@pytest.fixture
def tls_url(either_system: System, known: Authority) -> Iterator[str]:
    """The system's broker behind TLS; it asks for a certificate."""
    scheme = "rediss" if either_system.broker_url.startswith("redis") else "amqps"
    with encrypted(either_system.broker_url, scheme, known, ask=True) as url:
        yield url


def test_jobs_and_results_travel_encrypted_and_so_do_rows(
    either_system: System, tls_url: str, known: Authority, tmp_path: Path
) -> None:
    other = authority(tmp_path, "other")
    queue = either_system.queue
    with encrypted(either_system.environment["BALANCE_DATABASE_URL"], "postgresql", known) as database:
        trusted = f"{database}?sslmode=verify-full&sslrootcert="
        settings = {
            "BALANCE_BROKER_URL": tls_url,
            "BALANCE_BROKER_TLS_CA": known.ca,
            "BALANCE_BROKER_TLS_CERT": known.cert,
            "BALANCE_BROKER_TLS_KEY": known.key,
            "BALANCE_DATABASE_URL": trusted + known.ca,
        }
        either_system.money_worker(**settings)
        with BalanceClient(tls_url, queue=queue, tls_ca=known.ca, tls_cert=known.cert, tls_key=known.key) as client:
            assert client.users_upsert(user_id=1, idempotency_key="u").get(60).applied
            one = {"user_id": 1, "amount_kopeks": 1}
            many = [("users.update_balance", {**one, "idempotency_key": f"k{number}"}) for number in range(300)]
            for handle in client.submit_many(many):
                assert handle.get(60).applied
        with (
            BalanceClient(tls_url, queue=queue, tls_ca=other.ca, timeout_s=5) as misled,
            pytest.raises(
                PublishFailed, match=r"(?i)certificate.*must come from an authority in BALANCE_BROKER_TLS_CA"
            ),
        ):
            misled.users_upsert(user_id=2, idempotency_key="v")

        publish = ["publish", "users.upsert", "--arg", "user_id=2"]
        told = _cli(either_system, publish, {**settings, "BALANCE_BROKER_TLS_CA": other.ca})
        assert "BALANCE_BROKER_TLS_CA" in told
        told = _cli(either_system, ["verify"], {**settings, "BALANCE_DATABASE_URL": trusted + other.ca})
        assert "certificate" in told
        assert "sslrootcert" in told

        either_system.celery(
            "misled",
            ["worker", "--pool=solo", f"--queues={queue}", "--without-mingle"],
            {**settings, "BALANCE_BROKER_TLS_CA": other.ca},
        )
        wait_until("the worker to complain", lambda: "certificate" in either_system.log("misled").lower())
    assert either_system.count("entries") == 300


def test_a_certificate_for_another_host_is_not_accepted(either_system: System, tmp_path: Path) -> None:
    elsewhere = authority(tmp_path, "elsewhere", host="DNS:db.example")
    scheme = "rediss" if either_system.broker_url.startswith("redis") else "amqps"
    with (
        encrypted(either_system.broker_url, scheme, elsewhere) as url,
        BalanceClient(url, queue=either_system.queue, tls_ca=elsewhere.ca, timeout_s=5) as client,
        pytest.raises(PublishFailed, match=r"(?i)certificate"),
    ):
        client.users_upsert(user_id=1, idempotency_key="u")


def _cli(system: System, arguments: list[str], settings: dict[str, str]) -> str:
    """What a command that cannot do its work says."""
    done = run(*arguments, environment={**system.environment, **settings}, timeout_s=90)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
