"""A ledger to look at: one of each thing that the pages show. What a page needs is added here, for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy import Engine

from models.contracts.wire.dead_letter import DeadLetter
from models.store.connection.session import transaction
from models.store.write import dead_letters
from models.store.write.dead_letters import SentLetter
from tasks.auto_topup.provider import ProviderStatus
from tasks.events.delivering import Deliverer, DeliveryPolicy
from tasks.events.relay import Relay
from tasks.events.sender import Fate, Receipt
from tests.integration.cli.charged import charge, wallet
from tests.integration.events.doubles import OK, Sender
from tests.integration.events.endpoints import add
from tests.support.builders import WEBHOOK_KEYS, applier, ask, done, execute
from tests.support.many import hourly_entries

SCRIPT = "<script>document.title='run'</script>"
TURNED = "turned \u202e round"
MANY = 130  # dead letters that are alike: more than are replayed at once


@dataclass(frozen=True)
class Sample:
    """Jobs that tests ask for by name: their ids."""

    applied: str
    refused: str
    replayed: str  # its message was a dead letter, which was sent again
    strange: str  # by a publisher whose texts are markup
    reversed: str
    granted: str  # the top-up of wallet:atelier that is spent first
    spent: str  # a debit from it
    letters: dict[str, str]  # dead letters, by their reasons
    charges: dict[str, str]  # by their accounts
    endpoints: dict[str, str]  # by what their receivers do

    @property
    def paths(self) -> list[str]:
        """Pages of one thing each, beside those that the navigation leads to."""
        jobs = (self.applied, self.refused, self.replayed, self.strange, self.reversed)
        letters = [f"/dead-letters/{letter_id}" for letter_id in self.letters.values()]
        top_ups = [f"/auto-topup/account?account={account}" for account in (*self.charges, "wallet:plenty", "user:42")]
        charges = [f"/auto-topup/charges/{charge_id}" for charge_id in self.charges.values()]
        accounts = ("wallet:atelier", "wallet:workshop", "wallet:debtor", f"wallet:{SCRIPT}", "user:42", "app:1/2")
        return [
            *(f"/jobs/{job_id}" for job_id in jobs),
            *(f"/account?{urlencode({'name': name, 'period': 'all'})}" for name in accounts),
            f"/jobs/{self.granted}/undo", f"/jobs/{self.spent}/undo", f"/jobs/{self.granted}/undo?part=300&force=yes",
            *letters, "/dead-letters/bulk", *top_ups, *charges, "/auto-topup/charges",
            *(f"/webhooks/{endpoint_id}" for endpoint_id in self.endpoints.values()),
        ]  # fmt: skip


@dataclass(frozen=True)
class Ledger:
    """A database with the sample: its URL for the owner, and for the role that only reads."""

    url: str
    reading_url: str
    sample: Sample


def fill(engine: Engine) -> Sample:
    """Fills an empty ledger through the path, as publishers would."""
    granted, spent = _accounts(engine)
    charges, endpoints = _top_ups(engine), _endpoints(engine)
    done(engine, "users.upsert", user_id=42, producer="shop")
    done(engine, "users.update_balance", user_id=42, amount_kopeks=150_000, producer="shop", description="Top-up")
    done(engine, "wallets.create", wallet_id="studio", customer_id="studio", producer="billing")
    grant = {"wallet_id": "studio", "transaction_reason": "PURCHASED_CREDIT_DIRECT", "producer": "billing"}
    applied = done(engine, "wallets.top_up", credits_to_add="250", idempotency_key="invoice-17", **grant)
    for number in range(1, 60):
        fields = {"credits": "0.25", "idempotency_key": f"render-{number}", "producer": "renderer"}
        taken = done(engine, "wallets.debit", wallet_id="studio", **fields)
    done(engine, "entries.reverse", job_id=taken["job_id"], producer="renderer", idempotency_key="undo-render-59")
    refused = ask(
        engine, "wallets.debit", wallet_id="studio", credits="9000", producer="renderer", idempotency_key="render-film"
    )
    strange = done(
        engine, "wallets.top_up", credits_to_add="1", idempotency_key=SCRIPT, description=TURNED,
        **{**grant, "producer": "<b>shop</b>"},
    )  # fmt: skip
    letter = DeadLetter(
        "failed", "the database did not answer", "wallets.debit", "1", "balance", {}, b"[]",
        producer="renderer", key="render-late",
    )  # fmt: skip
    with transaction(engine) as connection:
        parked = dead_letters.park(connection, [letter])
        dead_letters.mark_replayed(connection, [SentLetter(parked[0], 1)])
    replayed = done(
        engine, "wallets.debit", wallet_id="studio", credits="1", producer="renderer", idempotency_key="render-late"
    )
    return Sample(
        applied["job_id"], refused["job_id"], replayed["job_id"], strange["job_id"], taken["job_id"], granted, spent,
        _letters(engine), charges, endpoints,
    )  # fmt: skip


def _accounts(engine: Engine) -> tuple[str, str]:
    """A wallet with grants and a hold, one with a past, one in debt, one of somebody whose names are markup, an app."""
    gallery = {"producer": "gallery"}
    for wallet_id, customer in (("atelier", "museum"), ("workshop", "museum"), ("debtor", None), (SCRIPT, SCRIPT)):
        done(engine, "wallets.create", wallet_id=wallet_id, customer_id=customer, scale=2, floor="-50", **gallery)
    bought = {"wallet_id": "atelier", "transaction_reason": "PURCHASED_CREDIT_INVOICED", **gallery}
    ends = [(datetime.now(UTC) + timedelta(days=days)).isoformat() for days in (90, 30)]
    done(engine, "wallets.top_up", credits_to_add="300", expiry_date_utc=ends[0], **bought)
    granted = done(
        engine, "wallets.top_up", credits_to_add="200", expiry_date_utc=ends[1], idempotency_key="first", **bought
    )
    done(engine, "wallets.top_up", credits_to_add="40", **bought)
    spent = done(engine, "wallets.debit", wallet_id="atelier", credits="62.50", description="Frames", **gallery)
    done(engine, "wallets.hold", wallet_id="atelier", credits="15", expires_in_s=86_400, **gallery)
    done(engine, "wallets.debit", wallet_id="debtor", credits="20", description=SCRIPT, **gallery)
    done(engine, "wallets.update", wallet_id="debtor", wallet_status="frozen", **gallery)
    hourly_entries(engine, "workshop", 480)
    done(engine, "apps.upsert", app_id="1", store_id="2", **gallery)
    return granted["job_id"], spent["job_id"]


def _top_ups(engine: Engine) -> dict[str, str]:
    """A policy of each standing: suspended, with a charge that is open, due, and with nothing to do."""
    refused = wallet(engine, "refused", max_declines=1, payer="<b>payer</b>")
    made = {refused: charge(engine, ProviderStatus.DECLINED, "ref-1", "card_declined")}
    paying = wallet(engine, "paying", payer=SCRIPT)
    made[paying] = charge(engine, ProviderStatus.PENDING, SCRIPT)
    wallet(engine, "needy")
    wallet(engine, "plenty", credits=100)
    return made


def _endpoints(engine: Engine) -> dict[str, str]:
    """One that takes what it is sent, one whose deliveries were given up, and one that was switched off."""
    good, bad = add(engine, "https://good.example/"), add(engine, "https://bad.example/<b>")
    done(engine, "users.upsert", user_id=7)
    done(engine, "users.update_balance", user_id=7, amount_kopeks=5)
    Relay(applier(engine), None).run()
    sender = Sender(lambda request: Receipt(Fate.FAILED, "http_500", 500, SCRIPT) if "bad" in request.url else OK)
    Deliverer(applier(engine), sender, WEBHOOK_KEYS, lambda: 0.5, DeliveryPolicy(base_s=100.0)).run()
    execute(
        engine,
        f"update webhook_deliveries set status = 'exhausted', ended_at = now() where endpoint_id = '{bad}';"
        f"delete from webhook_queues where endpoint_id = '{bad}'",
    )
    off = add(engine, "https://off.example/")
    done(engine, "webhooks.disable", endpoint_id=off)
    return {"good": good, "bad": bad, "off": off}


def _letters(engine: Engine) -> dict[str, str]:
    """Of each kind that a page tells apart; and many that are alike."""
    body = b'[[], {"wallet_id": "studio", "credits": 0.10, "note": "<b>bold</b>"}, {}]'
    failed = DeadLetter(
        "failed", "deadlock detected", "wallets.debit", "t-1", "balance", {"lang": "py"}, body,
        producer="exporter", key="export-1",
    )  # fmt: skip
    kinds = [
        failed,
        replace(failed, reason="expired", error="too late", key="export-2", body=b"[]", task_id="t-2"),
        DeadLetter("garbage", SCRIPT, None, None, "balance", {}, b"\x00<b>GET / HTTP/1.0</b> \xe2\x80\xae"),
        DeadLetter("unusable_key", TURNED, SCRIPT, "t-3", "balance", {"note": SCRIPT}, b'["<b>"]'),
    ]
    many = [
        replace(failed, reason="revoked", error="it was revoked", key=f"many-{n}", body=b"[%d]" % n, task_id=f"m-{n}")
        for n in range(MANY)
    ]
    with transaction(engine) as connection:
        dead_letters.park(connection, many)
        ids = dead_letters.park(connection, kinds)
        dead_letters.discard(connection, ids[1:2], "came too late <b>", "olga")
    return {letter.reason: str(letter_id) for letter, letter_id in zip(kinds, ids, strict=True)}
