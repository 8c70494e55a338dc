"""What every test of the client for asyncio starts from: both brokers, and short pauses between attempts."""

from collections.abc import Iterator

import pytest

from tests.support.answered import Answer, answering


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def answer(broker_url: str, unique_queue: str) -> Iterator[Answer]:
    with answering(broker_url, unique_queue) as store:
        yield store


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balance_client.publishing.confirmed.PAUSE_S", 0.01)
    monkeypatch.setattr("balance_client.aio.answers.PAUSE_S", 0.02)
