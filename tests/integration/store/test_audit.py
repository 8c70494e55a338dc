"""The audit finds what was changed behind the ledger's back, and names the account and the entry."""

from collections.abc import Iterator, Mapping

import pytest
from sqlalchemy import Connection, Engine

from models.domain.accounts import AccountKey, Kind
from models.domain.evidence.finding import Finding
from models.store.audit import entries as store
from models.store.audit.ledger import audit
from tests.support.builders import ask, done, execute, expire_job, let_expire, rows, settle
from tests.support.coherence import assert_ledger_is_coherent

WALLET = AccountKey(Kind.WALLET, "w")
OF_USER = "account_id = (select id from accounts where ref = '1')"
OF_WALLET = "account_id = (select id from accounts where ref = 'w')"


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied


@pytest.fixture
def ledger(engine: Engine) -> Engine:
    """User 1 with five entries, one with metadata; wallet w with grants drawn on, restored, expired; a refusal."""
    done(engine, "users.upsert", user_id=1)
    for amount in (100, -30, 5, 7):
        done(engine, "users.update_balance", user_id=1, amount_kopeks=amount, metadata={"a": "1"})
    last = done(engine, "users.update_balance", user_id=1, amount_kopeks=-2)
    done(engine, "entries.reverse", job_id=last["job_id"])
    done(engine, "wallets.create", wallet_id="w", scale=0)
    common = {"wallet_id": "w", "transaction_reason": "INVOICE_REFUND"}
    done(engine, "wallets.top_up", credits_to_add=10, priority=1, **common)
    over = done(engine, "wallets.top_up", credits_to_add=10, expiry_date_utc="2999-01-01", **common)
    done(engine, "wallets.top_up", credits_to_add=10, **common)
    spent = done(engine, "wallets.debit", wallet_id="w", credits=12)
    done(engine, "entries.reverse", job_id=spent["job_id"])
    done(engine, "wallets.debit", wallet_id="w", credits=3)
    let_expire(engine, over["job_id"])
    settle(engine, expire_job(WALLET, over["job_id"]))
    done(engine, "wallets.hold", wallet_id="w", credits=4)
    ask(engine, "wallets.debit", wallet_id="none", credits=3)
    assert_ledger_is_coherent(engine)
    return engine


def findings(engine: Engine) -> list[tuple[str, int | None]]:
    return [(finding.account, finding.seq) for finding in audit(engine).findings]


def test_counts_what_it_read_and_finds_nothing_in_a_good_ledger(ledger: Engine) -> None:
    report = audit(ledger)
    assert (report.accounts, report.entries, report.grants, report.coherent) == (2, 14, 2, True)


TAMPERED = {
    "an amount": (f"update entries set amount = amount + 1 where seq = 2 and {OF_USER}", ("user:1", 2)),
    "an amount, with its balance": (
        f"update entries set amount = amount + 1, balance_after = balance_after + 1 where seq = 2 and {OF_USER}",
        ("user:1", 2),
    ),
    "a balance_after": (f"update entries set balance_after = 0 where seq = 3 and {OF_USER}", ("user:1", 3)),
    "a description": (f"update entries set description = 'x' where seq = 4 and {OF_USER}", ("user:1", 4)),
    "metadata": ("""update entries set metadata = '{"a":"2"}' where seq = 4 and """ + OF_USER, ("user:1", 4)),
    "metadata left out": (f"update entries set metadata = null where seq = 4 and {OF_USER}", ("user:1", 4)),
    "a kind": (f"update entries set kind = 'credit' where seq = 1 and {OF_USER}", ("user:1", 1)),
    "a reason": (f"update entries set reason = 'INVOICE_PAYMENT' where seq = 1 and {OF_WALLET}", ("wallet:w", 1)),
    "a listing": (f"update entries set listed = false where seq = 1 and {OF_USER}", ("user:1", 1)),
    "a time": (
        f"update entries set created_at = created_at + interval '1 microsecond' where seq = 2 and {OF_USER}",
        ("user:1", 2),
    ),
    "what a reversal takes back": (f"update entries set reverses = 4 where reverses = 5 and {OF_USER}", ("user:1", 6)),
    "draws": (f"update entries set draws = null where seq = 6 and {OF_WALLET}", ("wallet:w", 6)),
    "a hash": (f"update entries set hash = sha256(hash) where seq = 3 and {OF_USER}", ("user:1", 3)),
    "two hashes swapped": (
        "update entries e set hash ="
        " (select o.hash from entries o where o.account_id = e.account_id and o.seq = 5 - e.seq)"
        f" where seq in (2, 3) and {OF_USER}",
        ("user:1", 2),
    ),
    "a link of the chain": (
        f"update entries set prev_hash = sha256(prev_hash) where seq = 3 and {OF_USER}",
        ("user:1", 3),
    ),
    "an entry removed from the middle": (f"delete from entries where seq = 2 and {OF_USER}", ("user:1", 3)),
    "the first entry removed": (f"delete from entries where seq = 1 and {OF_USER}", ("user:1", 2)),
    "the last entry removed": (f"delete from entries where seq = 6 and {OF_USER}", ("user:1", 6)),
    "a balance": ("update accounts set balance = balance + 1 where ref = '1'", ("user:1", None)),
    "a number of entries": ("update accounts set seq = seq + 1 where ref = '1'", ("user:1", None)),
    "a head": ("update accounts set head = sha256(head) where ref = 'w'", ("wallet:w", None)),
    "what is left of a grant": (f"update grants set remaining = remaining - 1 where remaining > 0 and {OF_WALLET}",
                                ("wallet:w", None)),
    "what was granted": (f"update grants set amount = amount + 1 where {OF_WALLET}", ("wallet:w", None)),
    "a grant's end put off": (f"update grants set expires_at = '2999-01-01' where expired > 0 and {OF_WALLET}",
                              ("wallet:w", 7)),
    "units reversed made up": (f"update grants set reversed = 1 where expired = 0 and {OF_WALLET}",
                               ("wallet:w", None)),
    "the sum of grants": ("update accounts set granted = granted + 1 where ref = 'w'", ("wallet:w", None)),
    "what a hold reserves": ("update holds set remaining = remaining - 1", ("wallet:w", None)),
    "a floor under which holds are": ("update accounts set floor = 1000 where ref = 'w'", ("wallet:w", None)),
    "a hold removed": ("delete from holds", ("wallet:w", None)),
    "what an entry says of a hold": (f"update entries set holds = null where kind = 'hold' and {OF_WALLET}",
                                     ("wallet:w", 8)),
    "which of a job's entries it is": (f"update entries set part = 1 where seq = 1 and {OF_WALLET}", ("wallet:w", 1)),
    "a grant removed": (f"delete from grants where {OF_WALLET}", ("wallet:w", None)),
    "an answer": (
        "update jobs set outcome = jsonb_set(outcome::jsonb, '{entry,amount}', '1')::json"
        f" where id = (select job_id from entries where seq = 2 and {OF_USER})",
        ("user:1", 2),
    ),
    "an answer without its entry": (
        "update jobs set outcome = jsonb_set(outcome::jsonb, '{entry}', 'null')::json"
        f" where id = (select job_id from entries where seq = 2 and {OF_USER})",
        ("user:1", 2),
    ),
    "a refused job that wrote an entry": (
        "update jobs set status = 'rejected', code = 'amount_zero'"
        f" where id = (select job_id from entries where seq = 2 and {OF_USER})",
        ("user:1", 2),
    ),
}  # fmt: skip


@pytest.mark.tampered_ledger
@pytest.mark.parametrize("what", TAMPERED)
def test_names_the_account_and_the_entry(ledger: Engine, what: str) -> None:
    statement, named = TAMPERED[what]
    assert execute(ledger, statement) > 0
    assert named in findings(ledger)
    others = {"user:1": "wallet:w", "wallet:w": "user:1"}
    assert others[named[0]] not in {account for account, _ in findings(ledger)}, "the other account is well"


@pytest.mark.tampered_ledger
def test_the_last_entry_taken_away_with_all_that_shows_it_is_found_by_its_job(ledger: Engine) -> None:
    # Whoever can remove entries and set heads still has to remove what publishers were told.
    [job] = rows(ledger, f"select job_id from entries where seq = 6 and {OF_USER}")
    execute(ledger, f"delete from entries where seq = 6 and {OF_USER}")
    execute(
        ledger,
        "update accounts a set seq = 5, balance = e.balance_after, head = e.hash, updated_at = e.created_at"
        " from entries e where a.ref = '1' and e.account_id = a.id and e.seq = 5",
    )
    assert findings(ledger) == [("user:1", 6), (f"job:{job['job_id']}", None)]


@pytest.mark.tampered_ledger
@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (f"delete from entries where seq = 2 and {OF_USER}", "user:1 entry 3: follows entry 1: there is a gap"),
        (f"update entries set amount = 1 where seq = 2 and {OF_USER}", "balance_after is 70, but 100 and 1 make 101"),
        (f"update entries set prev_hash = sha256('') where seq = 3 and {OF_USER}", "not chained to the entry before"),
        (f"update entries set reason = 'x' where seq = 3 and {OF_USER}", "its content does not match its hash"),
    ],
)
def test_says_what_is_wrong(ledger: Engine, statement: str, problem: str) -> None:
    execute(ledger, statement)
    assert problem in str(audit(ledger).findings[0])


@pytest.mark.tampered_ledger
def test_after_the_first_wrong_entry_an_account_is_not_named_again(ledger: Engine) -> None:
    execute(ledger, f"update entries set description = 'x' where {OF_USER}")
    assert findings(ledger) == [("user:1", 1)]


@pytest.mark.tampered_ledger
def test_the_assertion_shows_what_is_wrong(ledger: Engine) -> None:
    execute(ledger, "update accounts set balance = 7 where ref = '1'")
    with pytest.raises(AssertionError, match="user:1: balance is 7, its entries make 82"):
        assert_ledger_is_coherent(ledger)
    assert str(Finding("user:1", 3, "is wrong")) == "user:1 entry 3: is wrong"


def test_reads_the_ledger_as_of_one_moment(ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # A job settled between two of its queries must not look like tampering.
    read_reversed = store._reversed

    def settle_between(connection: Connection, between: Mapping[str, int]) -> Iterator[Finding]:
        done(ledger, "users.update_balance", user_id=1, amount_kopeks=1)
        return read_reversed(connection, between)

    monkeypatch.setattr(store, "_reversed", settle_between)
    assert audit(ledger).findings == []
    assert len(rows(ledger, f"select 1 from entries where {OF_USER}")) == 7


def test_progress_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PROGRESS_EVERY", 2)
    done(engine, "users.upsert", user_id=1)
    for _ in range(5):
        done(engine, "users.update_balance", user_id=1, amount_kopeks=1)
    told: list[int] = []
    report = audit(engine, lambda progress: told.append(progress.report.entries))
    assert (told, report.entries) == ([2, 4], 5)
