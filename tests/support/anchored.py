"""A ledger with a place for its anchors, and hands that change it behind its back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from secrets import randbits
from uuid import UUID

from sqlalchemy import Engine, text

from models.domain.evidence.anchors import Anchor
from models.domain.ledger import Entry, Proof, entry_hash
from models.store.connection.session import transaction
from models.store.write import digests
from models.store.write import entries as store
from tests.support.builders import execute, rows
from tests.support.resealed import reseal
from worker.anchors.comparison import Comparison, compare
from worker.anchors.keys import Signer, Verifier, make_keys, public_keys
from worker.anchors.places import File, Place
from worker.anchors.writing import take


class Anchored:
    """`engine`: of the workers, who anchor. Its place is a file of the test's."""

    def __init__(self, engine: Engine, directory: Path, place: Place | None = None) -> None:
        self.engine = engine
        private, self.public = make_keys(directory / "keys")
        self.signer = Signer(private)
        self.path = directory / "ledger.anchors"
        self.place: Place = File(self.path) if place is None else place

    def anchor(self, *, files: bool = True) -> Anchor:
        return take(self.engine, self.place, self.signer, files=files)

    def comparison(self, *public: Path) -> Comparison:
        keys = public_keys(public or [self.public])
        return compare(self.engine, self.place, Verifier(keys), lambda _said: None)

    def problems(self, *public: Path) -> dict[str, str]:
        """What is wrong, by what it is about."""
        found: dict[str, str] = {}
        for about, problem in self.comparison(*public).problems:
            found[about] = f"{found[about]}; {problem}" if about in found else problem
        return found


def rehash(engine: Engine, account: str) -> None:
    """Makes an account's whole history fit again, as whoever knows how it is hashed can."""
    account_id = id_of(engine, account)
    with transaction(engine) as connection:
        balance, seq = 0, 0
        for entry in [*store.stream(connection, account_id)]:
            balance, seq = balance + entry.amount, entry.seq
            connection.execute(
                text("update entries set balance_after = :b where account_id = :a and seq = :s"),
                {"b": balance, "a": account_id, "s": seq},
            )
        connection.execute(
            text(
                "update accounts set balance = :b, seq = :s, head = case :s when 0 then '' else head end where id = :a"
            ),
            {"b": balance, "s": seq, "a": account_id},
        )
        reseal(connection)


def id_of(engine: Engine, account: str) -> int:
    [row] = rows(engine, "select id from accounts where kind || ':' || ref = :account", account=account)
    return int(row["id"])


def cut(engine: Engine, account: str, left: int) -> None:
    """Removes the entries after the first `left`, with their jobs, and lets the account show what is left."""
    after = {"id": id_of(engine, account), "left": left}
    gone = rows(engine, "select job_id from entries where account_id = :id and seq > :left", **after)
    execute(engine, "delete from entries where account_id = :id and seq > :left", **after)
    forget(engine, *(str(row["job_id"]) for row in gone))
    rehash(engine, account)


def forget(engine: Engine, *job_ids: str) -> None:
    for job_id in job_ids:
        execute(engine, "delete from outbox where job_id = cast(:id as uuid)", id=job_id)
        execute(engine, "delete from records where job_id = cast(:id as uuid)", id=job_id)
        execute(engine, "delete from jobs where id = cast(:id as uuid)", id=job_id)
        execute(engine, "delete from job_bodies where job_id = cast(:id as uuid)", id=job_id)


def forge_job(engine: Engine, like: str, earlier_ms: int = 0, seq: int | None = None) -> str:
    """A settled job as `like`, under a key of its own, settled so much earlier, whose answer tells of the account's
    entry number `seq`. Returns its id."""
    copied = UUID(like)
    forged = UUID(int=copied.int - (earlier_ms << 80) & -(1 << 60) | 2 * randbits(59))
    execute(
        engine,
        "insert into jobs select (json_populate_record(j, json_build_object('id', cast(:id as text),"
        " 'idempotency_key', cast(:id as text), 'settled_at', j.settled_at - make_interval(secs => :earlier),"
        " 'outcome', case when cast(:seq as bigint) is null then j.outcome else"
        " cast(jsonb_set(cast(j.outcome as jsonb), '{entry,seq}', to_jsonb(cast(:seq as bigint))) as json) end))).*"
        " from jobs j where id = cast(:like as uuid)",
        id=str(forged), like=like, earlier=earlier_ms / 1000, seq=seq,
    )  # fmt: skip
    body = "insert into job_bodies select cast(:id as uuid), body from job_bodies where job_id = cast(:like as uuid)"
    execute(engine, body, id=str(forged), like=like)
    return str(forged)


def put_entry(engine: Engine, account: str, job_id: str) -> None:
    """One more entry, like the account's first, before all others; everything is made to fit."""
    account_id = id_of(engine, account)
    [count] = rows(engine, "select max(seq) as seq from entries where account_id = :id", id=account_id)
    for seq in range(count["seq"], 0, -1):
        execute(
            engine,
            "update entries set seq = seq + 1, prev_hash = sha256('') where account_id = :id and seq = :seq",
            id=account_id, seq=seq,
        )  # fmt: skip
    execute(
        engine,
        "insert into entries select (json_populate_record(e, json_build_object('seq', 1, 'job_id', cast(:job as text),"
        " 'prev_hash', ''))).* from entries e where account_id = :id and seq = 2",
        id=account_id, job=job_id,
    )  # fmt: skip
    rehash(engine, account)


def add_entry(engine: Engine, account: str, job_id: str) -> None:
    """One more entry, like the account's last, after it, of another job. Adds rows and moves the balance alone."""
    account_id = id_of(engine, account)
    with transaction(engine) as connection:
        *_, last = store.stream(connection, account_id)
    note = replace(last.details, job_id=UUID(job_id))
    balance, seq = last.balance_after + last.amount, last.seq + 1
    with transaction(engine) as connection:
        [proof] = connection.execute(
            text(f"select {digests.JOB} from jobs j where id = cast(:id as uuid)"), {"id": job_id}
        ).scalars()
        digest = entry_hash(last.hash, last.account, seq, last.amount, balance, note, Proof(bytes(proof)))
        store.insert(connection, [Entry(account_id, last.account, seq, last.amount, balance, note, last.hash, digest)])
        connection.execute(
            text("update accounts set balance = :b, seq = :s, head = :h where id = :id"),
            {"b": balance, "s": seq, "h": digest, "id": account_id},
        )


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def write(path: Path, changed: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in changed))
