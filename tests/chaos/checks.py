"""What must hold at the end: every accepted job has one right answer, and every balance is what was sent."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from models.domain.deciding.commands import SYSTEM_PRODUCER
from models.domain.letters import FOLLOW_UP_FAILED
from tests.chaos.jobs import PRODUCER
from tests.chaos.known import Accepted
from tests.support.command import run

_SHOWN: Final = 5
_AT_ONCE: Final = timedelta(seconds=4)
_SOME: Final = 1 / 8
_VERIFY_S: Final = 300
Read = Callable[..., list[Any]]


@dataclass(frozen=True, slots=True)
class Settled:
    """A row of `jobs`, with the entry that it wrote."""

    name: str
    code: str
    at: datetime
    account: str | None
    amount: int | None


def settled_jobs(read: Read, producer: str = PRODUCER) -> dict[str, Settled]:
    """By idempotency key. Raises what the database raises."""
    rows = read(
        "select j.idempotency_key, j.name, j.code, j.settled_at, a.kind || ':' || a.ref, e.amount from jobs j"
        " left join entries e on e.job_id = j.id left join accounts a on a.id = e.account_id"
        " where j.producer = :producer",
        producer=producer,
    )
    return {row[0]: Settled(*row[1:]) for row in rows}


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of `dead_letters`. `text`: the whole message, to look for names in."""

    reason: str
    task: str | None
    key: str | None
    error: str
    text: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.task} {self.key or ''} {self.error}"


# Of a follow-up that is a money job, the key is in its message alone.
_KEY_OF_LETTER: Final = (
    f"case when reason = '{FOLLOW_UP_FAILED}' then convert_from(body, 'utf8')::json -> 1 ->> 'idempotency_key'"
    " else idempotency_key end"
)


def letters(read: Read) -> list[Letter]:
    rows = read(
        f"select reason, task, {_KEY_OF_LETTER}, error,"
        " concat(task_id, headers, properties, encode(body, 'escape')) from dead_letters"
    )
    return [Letter(*row) for row in rows]


def answered(read: Read) -> int:
    """How many jobs have an answer, or can have none any more: their message is a dead letter."""
    [(settled, parked)] = read(
        "select (select count(*) from jobs where producer = :producer), (select count(*) from"
        f" (select {_KEY_OF_LETTER} from dead_letters except select idempotency_key from jobs"
        " where producer = :producer) as letters (key) where key is not null)",
        producer=PRODUCER,
    ) or [(0, 0)]
    return int(settled) + int(parked)


def findings(read: Read, known: Mapping[str, Accepted], arrived: Set[str] = frozenset()) -> list[str]:
    """What does not hold, in words; nothing when all is well. `read` runs a query; `arrived`: the follow-ups, by id."""
    settled, parked = settled_jobs(read), letters(read)
    may_be = {key for key, each in known.items() if each.job.may_be_parked and key not in settled}
    refused = may_be & {each.key for each in parked}
    unexpected = [f"{each}" for each in parked if each.reason != FOLLOW_UP_FAILED and each.key not in refused]
    return [
        *shortened("accepted, and without an answer", sorted(known.keys() - settled.keys() - refused)),
        *shortened("answered, and never accepted", sorted(settled.keys() - known.keys())),
        *shortened("wrong", list(_wrong(known, settled))),
        *shortened("balance", list(_balances(read, known, settled))),
        *shortened("follow-ups", list(_follow_ups(known, settled, parked, arrived))),
        *shortened("dead letter", unexpected),
    ]


def _follow_ups(
    known: Mapping[str, Accepted], settled: Mapping[str, Settled], parked: Sequence[Letter], arrived: Set[str]
) -> Iterator[str]:
    """What was promised came, or is a letter: of what goes nowhere, and of what an outage lasted too long for."""
    promised = {name: each.job for each in known.values() if each.job.then for name in each.job.then.promised}
    given_up = "\n".join(each.text for each in parked if each.reason == FOLLOW_UP_FAILED)
    recorded = {name for name in promised if name in given_up}
    for name, job in promised.items():
        if job.key in settled and name not in arrived and name not in recorded:
            yield f"{name} never came after {job.key}"
    to_somebody = [name for name, job in promised.items() if job.then and job.then.how != "nowhere"]
    came = arrived & {*to_somebody}
    if len(came) < len(recorded.intersection(to_somebody)):
        yield f"more were given up than came, which are {len(came)}"


def shortened(what: str, found: list[str]) -> list[str]:
    """The first few of a kind, and how many more there are."""
    rest = [f"... and {len(found) - _SHOWN} more of these"] if len(found) > _SHOWN else []
    return [*(f"{what}: {each}" for each in found[:_SHOWN]), *rest]


def _wrong(known: Mapping[str, Accepted], settled: Mapping[str, Settled]) -> Iterator[str]:
    for key in known.keys() & settled.keys():
        job, found = known[key].job, settled[key]
        if found.name != job.name or found.code not in job.codes:
            yield f"{job.name} {key} was answered {found.code}; right is one of {', '.join(sorted(job.codes))}"
        expected = (job.account, job.effect) if found.code == "applied" else (None, None)
        moves = job.effect is not None or found.code != "applied"
        if moves and (found.account, found.amount) != expected:
            yield f"{job.name} {key} ({found.code}) moved {found.amount} on {found.account}, not {expected}"


def _balances(read: Read, known: Mapping[str, Accepted], settled: Mapping[str, Settled]) -> Iterator[str]:
    """The sum of what was sent and not refused, without a look at the ledger; plus what the system itself has done."""
    sums: defaultdict[str, int] = defaultdict(int)
    sets: dict[str, tuple[str, int]] = {}  # by account: when the last value was decided, and the value
    closed = set()
    for key, each in known.items():
        job = each.job
        code = settled[key].code if key in settled else None
        may_be_refused = job.may_be_parked or (len(job.codes) > 1 and job.name != "apps.update_balance")
        if job.account is None or (may_be_refused and code != "applied"):
            continue  # what can only be applied counts whatever the database says
        if job.name == "apps.update_balance":
            sets[job.account] = max(
                sets.get(job.account, ("", 0)), (job.arguments["occurred_at"], job.arguments["balance"])
            )
        elif job.name == "wallets.terminate":
            closed.add(job.account)
        elif job.name == "auto_topup.run_now":
            sums[job.account] += settled[key].amount or 0  # what the policy said then
        else:
            sums[job.account] += job.effect or 0
    own = Counter[str]()
    for done in settled_jobs(read, SYSTEM_PRODUCER).values():
        own[done.account or ""] += done.amount or 0
    accounts = read("select kind || ':' || ref, balance from accounts")
    for account, balance in accounts:
        last = sets[account][1] if account in sets else sums[account] + own[account]
        expected = 0 if account in closed else last
        if balance != expected:
            yield f"{account} has {balance}; what was sent comes to {expected}"
    for account in sums.keys() - {account for account, _ in accounts}:
        yield f"{account} is not there"


def late(
    harmless: Sequence[tuple[str, datetime, datetime]], known: Mapping[str, Accepted], settled: Mapping[str, Settled]
) -> list[str]:
    """Jobs that had to wait while nothing was wrong that money has to do with."""
    found = []
    for what, began, over in harmless:
        waits = [
            settled[key].at - each.at
            for key, each in known.items()
            if key in settled and began <= each.at < over - _AT_ONCE
        ]
        waited = [wait for wait in waits if wait > _AT_ONCE]
        # On a machine that is short of everything some wait for it alone.
        if len(waited) > _SOME * len(waits):
            longest = max(waited).total_seconds()
            found.append(f"{len(waited)} of {len(waits)} jobs waited, the longest {longest:.1f} s: {what}")
    return found


def verify(database_url: str) -> list[str]:
    """What `balance-worker verify` finds, run as an operator runs it."""
    done = run("verify", environment={**os.environ, "BALANCE_DATABASE_URL": database_url}, timeout_s=_VERIFY_S)
    return [] if done.returncode == 0 else [f"balance-worker verify: {done.stdout.strip()} {done.stderr.strip()}"]
