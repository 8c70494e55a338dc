"""balance-worker accounts repair: ledgers of earlier versions, each with a rule broken, come to the right end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from models.store.audit.ledger import audit
from models.store.connection.session import snapshot
from models.store.read import accounts as history
from models.store.read.credits import credits_of
from tasks.scheduled.repair import repair_job
from tests.integration.cli.conftest import Cli, told
from tests.support.builders import done, entries, execute, rows, settle
from tests.support.old_ledger import OldWallet
from tests.support.resealed import execute_resealed

REPAIR = ("accounts", "repair", "wallet:w", "--reason", "ticket 17", "--operator", "olga")
SOON, LATER = timedelta(minutes=1), timedelta(days=365)


def expired_after_paying_a_debt(wallet: OldWallet) -> None:
    wallet.debit(50)
    wallet.expire(wallet.top_up(100, expires_in=SOON))


def revived_by_a_reversal(wallet: OldWallet) -> None:
    grant = wallet.top_up(100, expires_in=LATER)
    wallet.debit(60, (grant, 60))
    wallet.reverse(1, -100, (grant, 40))
    wallet.reverse(2, 60, (grant, -60))


def taken_by_time_and_by_a_reversal(wallet: OldWallet) -> None:
    wallet.expire(wallet.top_up(100, expires_in=SOON))
    wallet.reverse(1, -100)


def debt_beside_open_credits(wallet: OldWallet) -> None:
    wallet.debit(50)
    wallet.top_up(100, expires_in=LATER)


# What earlier versions did: (the entry that breaks a rule, why, balance, right balance, right credits left in grants)
CASES: list[tuple[Callable[[OldWallet], None], int, str, int, int, int]] = [
    (expired_after_paying_a_debt, 2, "leaves a debt of 50 beside 100 of open grants", -50, 0, 0),
    (revived_by_a_reversal, 4, "puts 60 back into grant", 0, 0, 0),
    (taken_by_time_and_by_a_reversal, 3, "takes 100 back of grant", -100, 0, 0),
    (debt_beside_open_credits, 2, "leaves a debt of 50 beside 100 of open grants", 50, 50, 50),
]


@pytest.mark.parametrize(
    ("breaks", "seq", "problem", "balance", "right", "left"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_a_ledger_that_broke_a_rule_is_named_and_set_right(
    cli: Cli,
    engine: Engine,
    breaks: Callable[[OldWallet], None],
    seq: int,
    problem: str,
    balance: int,
    right: int,
    left: int,
) -> None:
    breaks(OldWallet(engine, floor=-100))
    before = entries(engine, "wallet:w")
    [finding] = cli.json("verify", code=1)["findings"]
    assert (finding["account"], finding["seq"]) == ("wallet:w", seq)
    assert finding["problem"].startswith(problem)
    assert finding["problem"].endswith("set it right with `balance-worker accounts repair wallet:w`")

    planned = cli.json(*REPAIR, "--dry-run")
    assert (planned["right"], planned["ledger_balance"], planned["right_ledger_balance"]) == (False, balance, right)
    assert [each["seq"] for each in planned["findings"]] == [seq]
    assert planned["outcome"] is None
    assert entries(engine, "wallet:w") == before, "a dry run posts nothing"

    posted = cli.json(*REPAIR)["outcome"]
    assert (posted["code"], posted["entry"]["amount"], posted["entry"]["balance_after"]) == (
        "applied",
        right - balance,
        right,
    )
    *unchanged, correction = entries(engine, "wallet:w")
    assert unchanged == before, "no entry is edited"
    assert (correction["kind"], correction["reason"], correction["description"]) == (
        "correction",
        "LEDGER_CORRECTION",
        "ticket 17",
    )
    assert correction["metadata"] == {"operator": "olga"}
    assert sum(row["remaining"] for row in rows(engine, "select remaining from grants")) == left
    assert audit(engine).findings == []
    assert cli.text(*REPAIR) == "wallet:w: nothing to repair\n"
    assert cli.json(*REPAIR)["right"] is True


def test_what_is_wrong_and_what_is_posted_is_said_in_words(cli: Cli, engine: Engine) -> None:
    expired_after_paying_a_debt(OldWallet(engine, floor=-100))
    planned = cli.text(*REPAIR, "--dry-run")
    assert "would be posted  +50, as a correction" in planned
    posted = dict(line.split("  ", 1) for line in cli.text(*REPAIR).split("\n\n")[0].splitlines())
    assert posted["account"].strip() == "wallet:w"
    assert posted["wrong"].strip().startswith("entry 2: leaves a debt of 50 beside 100 of open grants")
    assert posted["in the ledger"].strip() == "-50"
    assert posted["right"].strip() == "0"
    assert posted["posted"].strip() == "+50, as a correction"
    [correction] = rows(engine, "select job_id from entries where kind = 'correction'")
    assert posted["by job"].strip() == str(correction["job_id"])


@pytest.mark.tampered_ledger
def test_the_grants_that_differ_are_shown(cli: Cli, engine: Engine) -> None:
    revived_by_a_reversal(OldWallet(engine, floor=-100))
    table = cli.text(*REPAIR, "--dry-run").partition("\nGrants\n")[2].splitlines()
    assert [line.split()[1:] for line in table[1:]] == [["remaining", "60", "0"], ["reversed", "40", "100"]]


def test_the_wallet_goes_on_from_what_is_right(cli: Cli, engine: Engine) -> None:
    debt_beside_open_credits(OldWallet(engine, floor=-100))
    cli.text(*REPAIR)
    done(engine, "wallets.debit", wallet_id="w", credits=150)
    assert cli.json("accounts", "show", "wallet:w")["balance"] == -100


def test_a_wallet_that_a_later_move_has_healed_is_told_to_be_right(cli: Cli, engine: Engine) -> None:
    """Any move pays the debt that an earlier version left beside open credits: once, for the audit too."""
    debt_beside_open_credits(OldWallet(engine, floor=-100))
    done(engine, "wallets.hold", wallet_id="w", credits=30)
    planned = cli.json(*REPAIR, "--dry-run")
    assert [each["seq"] for each in planned["findings"]] == [2]
    assert (planned["ledger_balance"], planned["right_ledger_balance"], planned["grants"]) == (50, 50, [])
    assert cli.json(*REPAIR)["outcome"]["entry"]["amount"] == 0
    assert audit(engine).findings == []


def test_what_time_has_brought_is_brought_to_what_is_right(cli: Cli, engine: Engine) -> None:
    """A hold that has run out, and that no sweep has looked at, gives back in the same entry."""
    wallet = OldWallet(engine, floor=-100)
    expired_after_paying_a_debt(wallet)
    done(engine, "wallets.hold", wallet_id="w", credits=30, expires_in_s=60)
    execute_resealed(engine, "update holds set expires_at = now()")
    assert cli.json(*REPAIR)["outcome"]["entry"]["amount"] == 50
    assert rows(engine, "select remaining, ended from holds") == [{"remaining": 0, "ended": "expired"}]
    assert cli.json("accounts", "show", "wallet:w")["spendable"] == 0
    assert audit(engine).findings == []


def test_a_reversal_of_credits_that_had_expired_unswept_broke_nothing(cli: Cli, engine: Engine) -> None:
    wallet = OldWallet(engine)
    grant = wallet.top_up(100, expires_in=timedelta(seconds=1))
    wallet.reverse(1, -100, (grant, 100))
    assert cli.text(*REPAIR) == "wallet:w: nothing to repair\n"


def test_a_wallet_that_is_right_and_one_that_is_not_there(cli: Cli, engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w")
    assert cli.text(*REPAIR) == "wallet:w: nothing to repair\n"
    assert "there is no account wallet:v" in told(cli(*REPAIR[:2], "wallet:v", *REPAIR[3:]), 1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("user:42", "--reason", "r", "--operator", "o"), "only wallets have credits that can break a rule"),
        (("wallet:w", "--reason", " ", "--operator", "o"), "--reason"),
        (("wallet:w", "--reason", "r", "--operator", ""), "--operator"),
        (("wallet:w", "--operator", "o"), "Missing option '--reason'"),
    ],
)
def test_what_cannot_be_asked(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    assert says in told(cli("accounts", "repair", *arguments))


@pytest.mark.tampered_ledger
def test_a_row_that_was_changed_by_hand_is_not_for_an_entry_to_repair(cli: Cli, engine: Engine) -> None:
    expired_after_paying_a_debt(OldWallet(engine, floor=-100))
    execute(engine, "update accounts set balance = 7")
    assert "is not what its last entry left" in told(cli(*REPAIR))


@pytest.mark.tampered_ledger
def test_a_hold_that_was_changed_by_hand_is_not_for_an_entry_to_repair(cli: Cli, engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w", floor=-5)
    done(engine, "wallets.hold", wallet_id="w", credits=2)
    execute(engine, "update holds set remaining = 1")
    finished = cli(*REPAIR)
    assert finished.returncode == 1
    assert "no entry can set that right" in finished.stdout
    assert cli.json(*REPAIR, code=1)["right"] is False


@pytest.mark.tampered_ledger
def test_the_row_of_a_grant_that_was_changed_by_hand_is_set_right(cli: Cli, engine: Engine) -> None:
    """What an entry says of grants is what their rows have to say: it is posted, with nothing to move."""
    done(engine, "wallets.create", wallet_id="w", scale=0)
    done(engine, "wallets.top_up", wallet_id="w", credits_to_add=9, priority=1, transaction_reason="INVOICE_REFUND")
    execute(engine, "update grants set remaining = 5")
    assert cli.json(*REPAIR)["outcome"]["entry"]["amount"] == 0
    assert rows(engine, "select remaining from grants") == [{"remaining": 9}]
    assert audit(engine).findings == []


def test_entries_written_meanwhile_make_it_be_looked_at_again(cli: Cli, engine: Engine) -> None:
    wallet = OldWallet(engine, floor=-100)
    expired_after_paying_a_debt(wallet)
    with snapshot(engine) as connection:
        account = history.account(connection, wallet.key)
        assert account is not None
        found = repair_job(account, credits_of(connection, account.id, wallet.key), "ticket 17", "olga")
    assert found is not None
    done(engine, "wallets.top_up", wallet_id="w", credits_to_add=1, transaction_reason="INVOICE_REFUND")
    [refused] = settle(engine, found)
    assert (refused["status"], refused["code"]) == ("rejected", "superseded")
    cli.text(*REPAIR)
    assert entries(engine, "wallet:w")[-1]["balance_after"] == 1
