"""The JSON of `balance-worker top --once --json`: its shape is a promise, and docs/operations.md has it."""

from __future__ import annotations

from typing import Any, Final

from worker.doctor.workers import Report
from worker.top.broker_look import BrokerNow
from worker.top.ledger_look import LedgerNow
from worker.top.looking import Seen

VERSION: Final = 1
_OF_A_WORKER: Final = ("version", "queues", "unacknowledged", "recent", "faults", "troubles")


def document(ledger: Seen[LedgerNow], broker: Seen[BrokerNow]) -> dict[str, Any]:
    """`error` is null where a source answered, and says why it did not where the rest is missing."""
    workers = {"error": broker.error} if broker.found is None else _workers(broker.found)
    return {
        "version": VERSION,
        "ledger": {"error": ledger.error} if ledger.found is None else _ledger(ledger.found),
        "broker": {"error": broker.error} if broker.found is None else _broker(broker.found),
        "workers": workers,
    }


def _ledger(found: LedgerNow) -> dict[str, Any]:
    jobs, letters, charging = found.jobs, found.letters, found.charging
    return {
        "error": None,
        "at": found.at,
        "jobs": {
            "seconds": found.seconds,
            "whole": jobs.whole,
            "per_second": round(sum(jobs.codes.values()) / found.seconds, 3),
            "codes": {code: round(count / found.seconds, 3) for code, count in jobs.codes.items()},
        },
        "accounts": [
            {"account": str(each.account), "jobs": each.jobs, "rejected": each.rejected} for each in jobs.accounts
        ],
        "dead_letters": {"parked": letters.letters, "whole": letters.whole, "reasons": letters.reasons},
        "events": {
            "outbox": found.outbox.events,
            "stream_backlog": found.outbox.backlog,
            "lag_s": round(found.outbox_lag_s, 3),
        },
        "charges": {
            "paused": charging.paused,
            "for_provider": charging.waiting,
            "for_provider_long": charging.long_waiting,
            "for_payer": charging.for_payers,
            "for_operator": charging.unknown,
            "policies_due": charging.due,
        },
    }


def _broker(found: BrokerNow) -> dict[str, Any]:
    queues = [
        {
            "queue": each.queue,
            "messages": each.messages,
            "oldest_s": None if each.oldest_s is None else round(each.oldest_s, 3),
            "oldest_known": each.oldest_known,
            "consumers": each.consumers,
            "holder": each.holder,
        }
        for each in found.queues
    ]
    return {"error": None, "queues": queues}


def _workers(found: BrokerNow) -> dict[str, Any]:
    return {"error": None, "answered": [_worker(each) for each in found.workers]}


def _worker(report: Report) -> dict[str, Any]:
    """Earlier versions do not say all of it: null."""
    return {"worker": report.worker, **{name: report.told.get(name) for name in _OF_A_WORKER}}
