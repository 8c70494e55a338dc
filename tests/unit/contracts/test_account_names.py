"""An account is named in every job by what it was opened as, whatever that is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import parse
from models.domain.outcome import Refusal

_IDS = st.text(min_size=1, max_size=255).filter(str.isprintable) | st.sampled_from(["ü", "a b", "a/b", "x" * 255, "😀"])
_BODIES: dict[str, dict[str, Any]] = {
    "accounts.set_alerts": {"thresholds": [1]},
    "auto_topup.set_policy": {"trigger": "balance_below_threshold", "threshold": 1, "amount": 10},
}
_BY_NAME = [name for name, contract in CATALOGUE.items() if "account" in contract.model_fields]


def _target(job: str, **fields: Any) -> Any:
    command = parse(job, {"idempotency_key": "k", **_BODIES.get(job, {}), **fields}).command
    return command if isinstance(command, Refusal) else command.target


@given(_IDS, _IDS)
def test_who_can_be_opened_can_be_named(first: str, second: str) -> None:
    wallet = _target("wallets.create", wallet_id=first)
    app = _target("apps.upsert", app_id=first.replace("/", "-"), store_id=second)
    assert {"accounts.set_alerts", "auto_topup.set_policy", "auto_topup.cancel"} <= set(_BY_NAME)
    for job in _BY_NAME:
        assert _target(job, account=str(wallet)) == wallet
    assert _target("accounts.set_alerts", account=str(app)) == app


def test_what_names_no_account_is_said_in_a_sentence() -> None:
    nobody = (
        "wallet:",
        "wallet:a\n",
        "wallet:" + "x" * 256,
        "user:0",
        "user:x",
        "user:12\n",
        "app:/y",
        "app:x",
        "w",
        "",
    )
    for job in _BY_NAME:
        for name in nobody:
            refused = _target(job, account=name)
            assert isinstance(refused, Refusal), (job, name)
            assert "pattern" not in refused.message
        apps = _target(job, account="app:7/42")
        assert isinstance(apps, Refusal) == (job != "accounts.set_alerts")
