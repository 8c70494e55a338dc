"""A batch applied in memory: rows that are still to be written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from benchmarks.bound.chain import entry_hash, job_digest, microseconds
from benchmarks.bound.job import NAME, TopUp, fingerprint_of, meaning_of
from benchmarks.bound.wallet import Wallet
from models.domain.events import BITS, EventType
from models.domain.jobs.wallets import FREE_REASONS
from models.tables.outbox import LANES

JOBS: Final = (
    "id", "producer", "idempotency_key", "name", "fingerprint", "account_id", "status", "code", "outcome",
    "settled_at", "events",
)  # fmt: skip
BODIES: Final = ("job_id", "body")
ENTRIES: Final = (
    "account_id", "seq", "amount", "balance_after", "kind", "reason", "description", "job_id", "part", "listed",
    "prev_hash", "hash", "created_at",
)  # fmt: skip
OUTBOX: Final = ("lane", "type", "job_id", "account_id", "seq")
_EVENT: Final = EventType.WALLET_TRANSACTION_CREATED
_TOLD: Final = BITS[_EVENT]
_write: Final = msgspec.json.Encoder(decimal_format="number").encode


class Batch:
    """Rows by table, each with the values of the columns above in their order."""

    def __init__(self, wallets: Mapping[str, Wallet], now: datetime) -> None:
        self.jobs: list[tuple[Any, ...]] = []
        self.bodies: list[tuple[Any, ...]] = []
        self.entries: list[tuple[Any, ...]] = []
        self.events: list[tuple[Any, ...]] = []
        self._wallets = wallets
        self._now = now
        self._micros = microseconds(now)

    def apply(self, job: TopUp, job_id: UUID) -> None:
        """Raises ValueError for all but a good top-up."""
        wallet, now, reason = self._wallets[job.wallet_id], self._now, job.transaction_reason
        shifted = job.credits_to_add.scaleb(wallet.scale)
        units = int(shifted)
        if units != shifted or units <= 0:
            raise ValueError(f"{job.credits_to_add} credits are nothing to add")
        said, account, before, head = str(job_id), f"wallet:{wallet.ref}", wallet.balance, wallet.head
        wallet.balance += units
        wallet.seq += 1
        answer = _write({
            "job_id": said,
            "producer": job.producer,
            "idempotency_key": job.idempotency_key,
            "status": "applied",
            "replayed": False,
            "code": "applied",
            "entry": {
                "id": f"{wallet.number}-{wallet.seq}",
                "account": account,
                "seq": wallet.seq,
                "amount": units,
                "balance_before": before,
                "balance_after": wallet.balance,
                "scale": wallet.scale,
                "created_at": now,
                "origin": "free" if reason in FREE_REASONS else "purchased",
            },
            "response": wallet.body(now),
            "error": None,
        }).decode()  # fmt: skip
        meaning = meaning_of(job)
        fingerprint = fingerprint_of(meaning)
        digest = job_digest(said, fingerprint, _TOLD, self._micros, NAME, job.producer, job.idempotency_key, answer)
        wallet.head = entry_hash(head, account, wallet.seq, units, wallet.balance, reason, said, self._micros, digest)
        self.jobs.append((
            job_id, job.producer, job.idempotency_key, NAME, fingerprint, None, "applied", "applied", answer, now,
            _TOLD,
        ))  # fmt: skip
        self.bodies.append((job_id, meaning.decode()))
        self.entries.append((
            wallet.number, wallet.seq, units, wallet.balance, "credit", reason, "", job_id, 0, True, head,
            wallet.head, now,
        ))  # fmt: skip
        self.events.append((wallet.number % LANES, _EVENT.value, job_id, wallet.number, wallet.seq))
