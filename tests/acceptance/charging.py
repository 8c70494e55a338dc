"""What tests of charging have in common: a payment service as a process, accounts that are due, and how it must end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from tests.support.builders import job, rows, settle
from tests.support.servers.child import running

SERVICE: Final = "examples/payment_service/server.py"
SECRET: Final = "whsec_" + "c2hhcmVkIHdpdGggdGhlIHBheW1lbnQgc2VydmljZQ=="
THRESHOLD: Final = 10
AMOUNT: Final = 50
_AUDITED: Final = """
    select c.id, a.kind || ':' || a.ref as account, c.status, c.units, c.credited_by,
           (select count(*) from entries e where e.job_id = c.credited_by and e.amount = c.units) as credits,
           (select count(*) from entries e where e.account_id = c.account_id) as entries
    from charges c join accounts a on a.id = c.account_id order by c.id
"""


class PaymentService:
    """The example's service, and what its journal says of it."""

    def __init__(self, url: str, journal: Path) -> None:
        self.url, self._journal = url, journal
        self._from = 0

    def settings(self, **more: str) -> dict[str, str]:
        """Of the I/O workers that charge there."""
        return {
            "BALANCE_CHARGE_HTTP_URL": f"{self.url}/charges",
            "BALANCE_CHARGE_HTTP_SECRET": SECRET,
            "BALANCE_CHARGE_RETRY_BASE_S": "0.05",
            "BALANCE_CHARGE_RETRY_CAP_S": "0.5",
            **more,
        }

    def forget(self) -> None:
        """What it was asked until now belongs to another test."""
        self._from = len(self._lines(0))

    def asked(self) -> list[dict[str, Any]]:
        """What it was asked, refused or not, in its order."""
        return self._lines(self._from)

    def charged(self) -> Counter[str]:
        """How often money was taken, by the charge's id."""
        return Counter(line["id"] for line in self.asked() if line["charged_now"])

    def _lines(self, first: int) -> list[dict[str, Any]]:
        whole = self._journal.read_text().split("\n")[first:-1]  # the last one is being written, or empty
        return [json.loads(line) for line in whole]


@contextmanager
def payment_service(directory: Path, *options: str, port: int = 0) -> Iterator[PaymentService]:
    """The service while the block runs. It knows what was charged there before."""
    journal = directory / "charges.jsonl"
    words = [SERVICE, "--secret", SECRET, "--port", str(port), "--journal", str(journal), *options]
    with running(words, directory / "service.log") as child:
        yield PaymentService(child.url, journal)


def fall_due(engine: Engine, accounts: Sequence[str], **terms: Any) -> None:
    """Makes wallets and users, named like wallet:w_1, that are below their threshold; one charge each is enough."""
    agreed = {
        "trigger": "balance_below_threshold",
        "threshold": THRESHOLD,
        "amount": AMOUNT,
        "cooldown_s": 0,
        "provider": "http",
        **terms,
    }
    made = [
        job("wallets.create", wallet_id=ref) if kind == "wallet" else job("users.upsert", user_id=int(ref))
        for kind, _, ref in (account.partition(":") for account in accounts)
    ]
    for jobs in (made, [job("auto_topup.set_policy", account=account, **agreed) for account in accounts]):
        for document in settle(engine, *jobs):
            assert document["status"] == "applied", document


def statuses(engine: Engine) -> Counter[str]:
    """How many charges there are, by their status."""
    return Counter(row["status"] for row in rows(engine, "select status from charges"))


def assert_charged_once(engine: Engine, service: PaymentService, decided: Counter[str]) -> None:
    """`decided`: how many top-ups each account was to get. Each was charged once and credited once, and nothing else.

    That the ledger adds up is looked at after every test.
    """
    found = rows(engine, _AUDITED)
    assert Counter(row["account"] for row in found) == decided, "one charge for each decision"
    assert {row["status"] for row in found} == {"succeeded"}
    assert service.charged() == Counter(str(row["id"]) for row in found), "money was taken once for each charge"
    assert all(row["credits"] == 1 for row in found), "each is credited once"
    assert all(row["entries"] == decided[row["account"]] for row in found), "and nothing else is"
    assert rows(engine, "select 1 from policies where due_at is not null or open_charge is not null") == []
