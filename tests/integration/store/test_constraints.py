"""The database says what the code believes: each of these would be a bug of ours, and none can be written.

The statements run on a ledger made by jobs, so that only the constraint that is meant stands in their way.
"""

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, IntegrityError

from tests.integration.store.on_their_way import fill_events
from tests.support.builders import ask, done, execute, rows


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied


@pytest.fixture
def ledger(engine: Engine) -> None:
    """A user with two entries, a wallet with a grant and a hold, an app, a wallet with two charges, one open, and a
    refused job; an event that waits for the broker and for an endpoint."""
    done(engine, "users.upsert", user_id=1, telegram_id=77)
    done(engine, "users.upsert", user_id=2)
    done(engine, "users.update_balance", user_id=1, amount_kopeks=100)
    done(engine, "users.update_balance", user_id=1, amount_kopeks=-30)
    done(engine, "wallets.create", wallet_id="w")
    done(engine, "wallets.top_up", wallet_id="w", credits_to_add=5, priority=1, transaction_reason="INVOICE_REFUND")
    done(engine, "wallets.top_up", wallet_id="w", credits_to_add=5, transaction_reason="INVOICE_REFUND")
    done(engine, "wallets.hold", wallet_id="w", credits=7)
    done(engine, "apps.upsert", app_id="a", store_id=1)
    done(engine, "wallets.create", wallet_id="c")
    agreed = {"account": "wallet:c", "trigger": "balance_below_threshold", "threshold": 10, "amount": 5}
    done(engine, "auto_topup.set_policy", cooldown_s=0, **agreed)
    done(engine, "auto_topup.run_now", account="wallet:c")
    done(engine, "auto_topup.set_policy", cooldown_s=0, provider="http", **agreed)
    done(engine, "auto_topup.run_now", account="wallet:c")
    ask(engine, "users.update_balance", user_id=404, amount_kopeks=1, idempotency_key="refused")
    fill_events(engine)


def copy(table: str, where: str, **changes: str) -> str:
    """A statement that inserts a copy of a row, but for these columns."""
    record = "".join(f" || jsonb_build_object('{column}', {value})" for column, value in changes.items())
    return (
        f"insert into {table} select (jsonb_populate_record(null::{table}, to_jsonb(t){record})).*"
        f" from {table} t where {where}"
    )


def entry(**changes: str) -> str:
    """A third entry of user 1 by the refused job, but for these columns."""
    job = "(select id from jobs where idempotency_key = 'refused')"
    account = "(select id from accounts where kind = 'user' and ref = '1')"
    return copy("entries", f"seq = 2 and account_id = {account}", **{"seq": "3", "job_id": job, **changes})


CASES: dict[str, tuple[str, str]] = {
    "a key twice": (
        "uq_jobs_producer_idempotency_key",
        copy("jobs", "idempotency_key = 'refused'", id="gen_random_uuid()"),
    ),
    "a second entry of one job": ("uq_entries_job_id_part", entry(job_id="t.job_id")),
    "a third entry of one job": ("ck_entries_part", entry(job_id="t.job_id", part="2")),
    "an entry number twice": ("pk_entries", entry(seq="2")),
    "entry number zero": ("ck_entries_seq_from_one", entry(seq="0")),
    "an entry of nothing": ("ck_entries_amount_moves", entry(amount="0")),
    "an entry of an unknown kind": ("ck_entries_kind", entry(kind="'gift'")),
    "an entry without its hash": ("ck_entries_hash", entry(hash=r"'\x'")),
    "an entry that is chained to nothing": ("ck_entries_hash", entry(prev_hash=r"'\x'")),
    "a reversal of nothing": ("ck_entries_reversal_names_its_entry", entry(kind="'reversal'")),
    "a deposit that reverses": ("ck_entries_reversal_names_its_entry", entry(reverses="1")),
    "a reversal of itself": ("ck_entries_reverses_an_earlier_one", entry(kind="'reversal'", reverses="3")),
    "less than nothing left of a grant": ("ck_grants_remaining_of_amount", "update grants set remaining = -1"),
    "more left than was granted": ("ck_grants_remaining_of_amount", "update grants set remaining = amount + 1"),
    "a grant of nothing": ("ck_grants_remaining_of_amount", "update grants set amount = 0, remaining = 0"),
    "more left and held than was granted": (
        "ck_grants_remaining_of_amount",
        "update grants set remaining = 1, held = amount",
    ),
    "less than nothing held of a grant": ("ck_grants_remaining_of_amount", "update grants set held = -1"),
    "a grant taken twice": ("ck_grants_taken_once", "update grants set remaining = 0, reversed = amount, expired = 1"),
    "a reversed grant revived": (
        "ck_grants_taken_once",
        "update grants set remaining = 1, held = 0, reversed = amount",
    ),
    "less than nothing voided": ("ck_grants_taken_once", "update grants set voided = -1"),
    "a grant without terms": ("ck_grants_has_terms_of_its_own", "update grants set priority = null"),
    "a grant that waits for nothing": ("ck_grants_pending_until_it_begins", "update grants set pending = true"),
    "a hold of nothing": ("ck_holds_parts", "update holds set amount = 0, remaining = 0, ended = 'released'"),
    "more captured than held": ("ck_holds_parts", "update holds set captured = 1"),
    "an empty hold that goes on": ("ck_holds_ended_when_empty", "update holds set remaining = 0"),
    "a hold that ended with something left": ("ck_holds_ended_when_empty", "update holds set ended = 'released'"),
    "a hold that ended in no known way": ("ck_holds_ended", "update holds set remaining = 0, ended = 'lost'"),
    "a hold of no account": ("fk_holds_account_id_accounts", "update holds set account_id = -1"),
    "credits of a user": ("ck_accounts_credits", "update accounts set held = 1 where kind = 'user'"),
    "less than nothing granted": ("ck_accounts_credits", "update accounts set granted = -1 where ref = 'w'"),
    "a priority below zero": ("ck_grants_priority", "update grants set priority = -1"),
    "a grant of no account": ("fk_grants_account_id_accounts", "update grants set account_id = -1"),
    "an account twice": ("uq_accounts_kind_ref", copy("accounts", "ref = '2'", id="-1")),
    "an account of an unknown kind": ("ck_accounts_kind", "update accounts set kind = 'bank' where kind = 'user'"),
    "a scale past eighteen": ("ck_accounts_scale", "update accounts set scale = 19"),
    "a balance without entries": (
        "ck_accounts_no_balance_without_entries",
        "update accounts set balance = 1 where seq = 0",
    ),
    "a chain without its head": ("ck_accounts_head_of_chain", r"update accounts set head = '\x' where seq > 0"),
    "a head without a chain": ("ck_accounts_head_of_chain", r"update accounts set head = '\x01' where seq = 0"),
    "a telegram id of two users": ("uq_users_telegram_id", "update users set telegram_id = 77"),
    "a user id of two accounts": ("uq_users_user_id", "update users set user_id = 1"),
    "a user of an unknown status": ("ck_users_status", "update users set status = 'frozen'"),
    "a user without an account": (
        "fk_users_account_id_accounts",
        "update users set account_id = -1 where user_id = 1",
    ),
    "a wallet of an unknown status": ("ck_wallets_status", "update wallets set status = 'gone'"),
    "a wallet of an unknown type": ("ck_wallets_wallet_type", "update wallets set wallet_type = 'POST_PAID'"),
    "a rate of nothing": ("ck_wallets_conversion_rate_positive", "update wallets set conversion_rate = 0"),
    "an unknown trigger": ("ck_policies_trigger", "update policies set trigger = 'on'"),
    "an unknown interval": ("ck_policies_interval", "update policies set interval = 'hourly'"),
    "an unknown provider": ("ck_policies_provider", "update policies set provider = 'bank'"),
    "an unknown reason": ("ck_policies_reason", "update policies set reason = 'mood'"),
    "a policy without an amount": ("ck_policies_fixed_amount_or_target", "update policies set amount = null"),
    "a policy with two": ("ck_policies_fixed_amount_or_target", "update policies set target = 20"),
    "a policy without a threshold": ("ck_policies_threshold", "update policies set threshold = null"),
    "an interval without times": ("ck_policies_times", "update policies set trigger = 'interval'"),
    "an account due without a policy in force": (
        "ck_policies_due_only_with_policy_in_force",
        "update policies set due_at = now(), open_charge = null, suspended = 'refunded'",
    ),
    "a policy due with a charge open": ("ck_policies_one_charge_at_a_time", "update policies set due_at = now()"),
    "fewer than no declines": ("ck_policies_counts", "update policies set declines = -1"),
    "a policy of no account": ("fk_policies_account_id_accounts", "update policies set account_id = -1"),
    "a charge of an unknown status": (
        "ck_charges_status",
        "update charges set status = 'lost', settled_at = now() where status = 'pending'",
    ),
    "a charge for no known cause": ("ck_charges_cause", "update charges set cause = 'mood'"),
    "a charge by an unknown provider": ("ck_charges_provider", "update charges set provider = 'bank'"),
    "a charge of nothing": ("ck_charges_amounts", "update charges set amount = 0"),
    "a charge open and settled": ("ck_charges_settled", "update charges set settled_at = now()"),
    "a charge that succeeded without a credit": (
        "ck_charges_credited_when_charged",
        "update charges set status = 'succeeded', settled_at = now()",
    ),
    "a charge asked for less than never": ("ck_charges_attempts", "update charges set attempts = -1"),
    "a second charge open": (
        "uq_charges_account_id_open",
        copy("charges", "status = 'pending'", id="(select id from jobs where idempotency_key = 'refused')"),
    ),
    "a charge of no job": ("fk_charges_id_jobs", "update charges set id = gen_random_uuid()"),
    "two charges with one credit": (
        "uq_charges_credited_by",
        copy(
            "charges",
            "status = 'pending'",
            id="(select id from jobs where idempotency_key = 'refused')",
            status="'refunded'",
            settled_at="now()",
            credited_by="(select credited_by from charges where status = 'succeeded')",
        ),
    ),
    "an unknown switch": (
        "ck_switches_name",
        "insert into switches (name, is_on, set_at, set_by) values ('light', true, now(), 'me')",
    ),
    "an app twice in a store": (
        "uq_apps_app_id_store_id",
        copy("apps", "true", account_id="(select id from accounts where ref = 'w')"),
    ),
    "a refusal called applied": ("ck_jobs_status_follows_code", "update jobs set status = 'applied'"),
    "a success called rejected": (
        "ck_jobs_status_follows_code",
        "update jobs set code = 'unchanged' where status = 'rejected'",
    ),
    "an unknown status of a job": ("ck_jobs_status", "update jobs set status = 'queued', code = 'amount_zero'"),
    "a fingerprint cut short": ("ck_jobs_fingerprint_length", r"update jobs set fingerprint = '\x00'"),
    "a key of no bucket": ("ck_keys_bucket", "insert into keys values ('p', 'k', 1024)"),
    "a telegram id of no bucket": ("ck_telegram_ids_bucket", "insert into telegram_ids values (1, -1, 1)"),
    "a telegram id before its first claim": ("ck_telegram_ids_term", "insert into telegram_ids values (1, 0, 0)"),
    "an event of an unknown type": ("ck_outbox_type", "update outbox set type = 'user.created'"),
    "an event told twice": (
        "uq_outbox_job_id_type",
        copy("outbox", "true", id="t.id + 1000"),
    ),
    "an event of nothing": ("ck_outbox_of_a_job_or_a_letter", "update outbox set job_id = null"),
    "an event in no lane": ("ck_outbox_lane", "update outbox set lane = 16"),
    "a lane too many": ("ck_outbox_lanes_lane", "insert into outbox_lanes values (16, 0)"),
    "an event of nothing for the broker": (
        "ck_stream_backlog_of_a_job_or_a_letter",
        "update stream_backlog set job_id = null",
    ),
    "an event in no lane for the broker": ("ck_stream_backlog_lane", "update stream_backlog set lane = -1"),
    "an endpoint disabled for no known reason": (
        "ck_webhook_endpoints_disabled",
        "update webhook_endpoints set disabled = 'mood'",
    ),
    "a secret before the first": (
        "ck_webhook_endpoints_secret_version",
        "update webhook_endpoints set secret_version = 0",
    ),
    "a key cut short": ("ck_webhook_endpoints_keys", "update webhook_endpoints set secret_key = 'short'"),
    "a former secret that signs for ever": (
        "ck_webhook_endpoints_former_secret",
        "update webhook_endpoints set former_version = 1, former_key = '12345678'",
    ),
    "a former secret of no key": (
        "ck_webhook_endpoints_former_key",
        "update webhook_endpoints set former_version = 1, former_until = now()",
    ),
    "failures since never": ("ck_webhook_endpoints_failures", "update webhook_endpoints set failures = 1"),
    "a delivery of no known status": (
        "ck_webhook_deliveries_status",
        "update webhook_deliveries set status = 'lost', ended_at = now()",
    ),
    "a delivery that waits and has ended": (
        "ck_webhook_deliveries_ended",
        "update webhook_deliveries set ended_at = now()",
    ),
    "a delivery of nothing": (
        "ck_webhook_deliveries_of_a_job_or_a_letter",
        "update webhook_deliveries set job_id = null",
    ),
    "a delivery tried less than never": (
        "ck_webhook_deliveries_attempts",
        "update webhook_deliveries set attempts = -1",
    ),
    "a delivery to no endpoint": (
        "fk_webhook_deliveries_endpoint_id_webhook_endpoints",
        "update webhook_deliveries set endpoint_id = gen_random_uuid()",
    ),
    "a queue of no endpoint": (
        "fk_webhook_queues_endpoint_id_webhook_endpoints",
        "update webhook_queues set endpoint_id = gen_random_uuid()",
    ),
    "a journal without its head": ("ck_journals_head_of_chain", r"update journals set head = '\x' where seq > 0"),
    "a journal that shows nothing as its last": (
        "ck_journals_head_of_chain",
        "update journals set seq = 0 where seq > 0",
    ),
    "record number zero": ("ck_records_seq_from_one", "update records set seq = 0 where seq = 2"),
    "a record of an unknown kind": ("ck_records_kind", "update records set kind = 'note', job_id = null where seq = 1"),
    "a record of a job that names none": ("ck_records_job_of_a_job", "update records set job_id = null where seq = 1"),
    "a change of no account": (
        "ck_records_change_of_an_account",
        "update records set account_id = null, after = null where number = 1",
    ),
    "a record of a place in no account": (
        "ck_records_place_in_an_account",
        "update records set after = null where number = 1",
    ),
    "a record without its hash": ("ck_records_hash", r"update records set hash = '\x'"),
    "a record that is chained to nothing": ("ck_records_hash", r"update records set prev_hash = '\x' where seq = 2"),
    "an anchor before the first": (
        "ck_anchors_sequence_from_one",
        "insert into anchors (sequence, hash, until) values (0, sha256('l'), 0)",
    ),
    "an anchor without a whole hash": (
        "ck_anchors_hash_length",
        "insert into anchors (sequence, hash, until) values (1, 'l', 0)",
    ),
    "an event of no letter": (
        "fk_outbox_letter_id_dead_letters",
        "update outbox set job_id = null, letter_id = gen_random_uuid()",
    ),
}


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("case", CASES)
def test_cannot_be_written(engine: Engine, case: str) -> None:
    constraint, statement = CASES[case]
    with pytest.raises(IntegrityError) as caught:
        execute(engine, statement)
    assert constraint_of(caught.value) == constraint


def constraint_of(error: IntegrityError) -> str | None:
    name: str | None = error.orig.diag.constraint_name  # type: ignore[union-attr]
    return name


@pytest.mark.usefixtures("ledger")
@pytest.mark.tampered_ledger
def test_the_samples_themselves_can_be_written(engine: Engine) -> None:
    """What `entry` and `copy` make is refused for the column that a case changes, and for nothing else."""
    assert execute(engine, entry()) == 1
    changed = copy("jobs", "idempotency_key = 'refused'", id="gen_random_uuid()", idempotency_key="'other'")
    assert execute(engine, changed) == 1


@pytest.mark.usefixtures("ledger")
def test_a_change_of_terms_has_one_record(engine: Engine) -> None:
    with pytest.raises(IntegrityError) as caught:
        execute(engine, copy("records", "number = 1 and seq = 2", seq="t.seq + 1000"))
    assert constraint_of(caught.value) == "uq_records_account_id_number"


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("column", ["amount", "balance_after"])
def test_what_no_bigint_holds(engine: Engine, column: str) -> None:
    with pytest.raises(DatabaseError, match="out of range"):
        execute(engine, f"update entries set {column} = {2**63}")


def test_every_check_and_unique_constraint_has_a_case(engine: Engine) -> None:
    found = rows(
        engine,
        "select conname from pg_constraint c join pg_class t on t.oid = conrelid"
        " where contype in ('c', 'u') and t.relnamespace = to_regnamespace('public') and relname <> 'dead_letters'"
        " union select 'uq_charges_account_id_open'",  # unique for some rows, which no constraint can be
    )
    assert {row["conname"] for row in found} == {name for name, _ in CASES.values() if name[:3] in ("ck_", "uq_")}
