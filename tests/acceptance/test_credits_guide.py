"""The example in docs/credits.md does what the page says, taken from the page as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.acceptance.system import System
from tests.support.builders import done, entries

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "credits.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    found = re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)
    assert found, f"docs/credits.md has no example marked {name!r}"
    return found[1]


def run(system: System, ride: str) -> dict[str, Any]:
    """The page's own lines, for this ride; what they name."""
    names: dict[str, Any] = {}
    code = example("hold").replace("redis://localhost:6379/0", system.broker_url).replace("ride-771", ride)
    exec(code, names)
    return names


def test_a_hold_is_captured_and_a_part_is_given_back(system: System, engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w_1", scale=2)
    system.money_worker()
    with pytest.raises(SystemExit, match="insufficient_funds"):
        run(system, "ride-771")
    done(engine, "wallets.top_up", wallet_id="w_1", credits_to_add=10, transaction_reason="PURCHASED_CREDIT_DIRECT")
    names = run(system, "ride-772")
    assert [names[name].code for name in ("hold", "paid", "back")] == ["applied"] * 3
    assert [(entry["kind"], entry["amount"]) for entry in entries(engine, "wallet:w_1")] == [
        ("credit", 1000),
        ("hold", 0),
        ("capture", -640),
        ("reversal", 140),
    ]
    assert (names["back"].response["credit_balance"], names["back"].response["held"]) == (5, 0)
