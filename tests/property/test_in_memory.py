"""The worker in memory answers as the path does, word for word, whatever is asked: outcomes, events, entries."""

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine

from models.contracts.message import parse
from models.contracts.spec.examples import EXAMPLES
from models.domain.outcome import Code
from tests.property.drawn import histories
from tests.property.histories import History
from tests.property.lockstep import Pair
from tests.support.builders import reset
from tests.support.search import DRAWN

MAKES = {
    "wallets.hold": EXAMPLES["holds.capture"][0]["job_id"],
    "wallets.top_up": EXAMPLES["entries.reverse"][0]["job_id"],
    "auto_topup.run_now": EXAMPLES["charges.settle"][0]["charge_id"],
    "webhooks.add": EXAMPLES["webhooks.update"][0]["endpoint_id"],
}
"""What jobs make that others name, by the ids that the examples have for it."""


@settings(
    max_examples=DRAWN.examples(15, weight=20),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories())
def test_random_histories_are_answered_alike(engine: Engine, history: History) -> None:
    reset(engine)
    pair = Pair(engine)
    pair.play(history)
    pair.assert_equal()


MORE: dict[str, list[dict[str, Any]]] = {
    "wallets.create": [{"idempotency_key": "rate", "wallet_id": "w_3", "conversion_rate": "2.50"}],
    "wallets.update": [
        {"idempotency_key": "thawed", "wallet_id": "w_1", "wallet_status": "active", "config": {}},
        {"idempotency_key": "anew", "wallet_id": "w_1", "metadata": {"bb": "1", "c": "2"}},
        {"idempotency_key": "rated", "wallet_id": "w_3", "name": "x"},
    ],
    "users.upsert": [
        {"idempotency_key": "moved", "user_id": 42, "telegram_id": 7},
        {"idempotency_key": "taken", "user_id": 43, "telegram_id": 700000042, "floor_kopeks": -5000},
        {"idempotency_key": "not his", "user_id": 44, "telegram_id": 7},
    ],
    "users.update_balance": [
        {"idempotency_key": "his", "telegram_id": 7, "amount_kopeks": 7},
        {"idempotency_key": "nobody's", "telegram_id": 8, "amount_kopeks": 7},
    ],
}
"""What the examples leave out: values in other forms, names that change hands."""


def asked_of(name: str) -> Iterator[dict[str, Any]]:
    yield from EXAMPLES[name]
    yield from MORE.get(name, ())


def test_every_kind_of_job_is_answered_alike(engine: Engine) -> None:
    """The examples of the contracts, each naming what an earlier one made; repeated, and with another meaning."""
    pair = Pair(engine)
    made: dict[str, str] = {}
    codes = []
    for name in (*(each for each in EXAMPLES if each != "wallets.terminate"), "wallets.terminate"):
        for example in asked_of(name):
            asked = {
                field: made.get(value, value) if isinstance(value, str) else value for field, value in example.items()
            }
            [answer] = pair.settle([parse(name, asked)])
            [again] = pair.settle([parse(name, asked)])
            assert (again.job_id, again.replayed) == (answer.job_id, True)
            [other] = pair.settle([parse(name, {**asked, "occurred_at": "2020-01-01T00:00:00Z"})])
            codes += [answer.code, other.code]
            if name in MAKES:
                made.setdefault(MAKES[name], str(answer.job_id))
    pair.assert_equal()
    assert codes.count(Code.APPLIED) > len(EXAMPLES), "most of them do something"
    assert codes.count(Code.IDEMPOTENCY_CONFLICT) == len(codes) // 2
