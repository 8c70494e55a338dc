"""A storm of charges: how long until all that fell due at once is charged and credited, and what lone jobs feel of it.

A payment service that takes 50 ms for each charge, one I/O worker, one money worker and a beat with their default
settings but for how much is asked for at once. Jobs come at a steady rate all the while, first in peace and then in
the storm; their latency is taken as in latency.py.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final
from urllib.request import urlopen

from sqlalchemy import Engine, text

from benchmarks import population
from benchmarks.bench import OURS, Bench
from benchmarks.contender import Incoherent, celery
from benchmarks.figures import percentile
from benchmarks.latency import publish
from benchmarks.movement import Movement, movements
from benchmarks.servers import engine_of
from benchmarks.workers import Workers, running
from models.contracts.message import parse
from models.domain.deciding.decision import Limits
from models.domain.outcome import Status
from models.store.connection.session import transaction
from models.store.write.top_ups import switches
from tasks.apply.path import apply

_SERVICE: Final = "examples/payment_service/server.py"
_SECRET: Final = "of this benchmark alone"  # noqa: S105 - of nothing else
_DELAY_S: Final = 0.05
_CONCURRENCY: Final = 8
_BATCH: Final = 500
_LIMITS: Final = Limits(currency_digits={"USD": 2})
_WARM_UP_JOBS: Final = 100
_START_S: Final = 90.0
_SETTLED: Final = text("select count(*) from charges where status = 'succeeded'")
_STORM: Final = text("""
    select extract(epoch from min(created_at)) as first, extract(epoch from max(settled_at)) as last,
           count(*) as charges, count(distinct credited_by) as credited
    from charges where status = 'succeeded'
""")


def charging(bench: Bench) -> None:
    """Measures it from the moment at which charging is switched on, so that all fall due at once."""
    for repetition in range(bench.sizes.storms):
        done_s, working_s, quiet, storm = _measure(bench)
        bench.figures.add("charging", "all_credited", done_s, "s")
        bench.figures.add("charging", "from_first_to_last", working_s, "s")
        for name, took_ms in (("quiet", quiet), ("storm", storm)):
            bench.figures.add("charging", f"{name}_p50", median(took_ms), "ms")
            bench.figures.add("charging", f"{name}_p99", percentile(took_ms, 99), "ms")
        bench.say(
            f"charging   {bench.sizes.charges} charges {repetition + 1}/{bench.sizes.storms}  all credited after"
            f" {done_s:.1f} s, from the first to the last {working_s:.1f} s; p99 {percentile(quiet, 99):.1f} ms quiet,"
            f" {percentile(storm, 99):.1f} ms in the storm ({len(storm)} jobs)"
        )


def _measure(bench: Bench) -> tuple[float, float, list[float], list[float]]:
    """(seconds from the switch to the last credit, seconds of the storm, milliseconds of jobs before and in it)."""
    sizes, count = bench.sizes, round(bench.sizes.storm_s * bench.sizes.latency_rate)
    messages = movements("uniform", _WARM_UP_JOBS + 2 * count, sizes.accounts, bench.run_name())
    warm_up, quiet, storm = messages[:_WARM_UP_JOBS], messages[_WARM_UP_JOBS:-count], messages[-count:]
    with bench.database(OURS) as url, bench.broker("redis") as broker, engine_of(url) as engine:
        _switch(engine, on=False)
        _fall_due(engine, sizes.charges)
        mark, port = OURS.mark(engine), _free_port()
        environment = {**OURS.environment(broker.url, url, broker.queue), **_environment(port)}
        publisher = OURS.publisher(broker.url, broker.queue)
        try:
            with running(_commands(bench, broker.queue, port), environment, bench.log) as workers:
                for message in warm_up:
                    publisher.publish(message)
                _wait_for(workers, engine, mark, warm_up)
                bench.servers.checkpoint()
                due = publish(publisher, quiet, sizes.latency_rate)
                _wait_for(workers, engine, mark, quiet)
                on = _switch(engine, on=True)
                due |= publish(publisher, storm, sizes.latency_rate)
                _wait_for(workers, engine, mark, storm)
                workers.wait_until("all is charged", lambda: _count(engine) == sizes.charges, _START_S)
                _check_service(port, sizes.charges)
        finally:
            publisher.close()
        bench.figures.checked(OURS.check(engine, mark, whole=True))
        committed = OURS.committed_at(engine, mark)
        with engine.connect() as connection:
            row = connection.execute(_STORM).one()
        if not row.charges == row.credited == sizes.charges:
            raise Incoherent(f"{sizes.charges} charges were due, {row.charges} made, {row.credited} credited")
    first, last = float(row.first), float(row.last)
    took = {key: (committed[key] - at) * 1000 for key, at in due.items()}
    in_it = [took[each.key] for each in storm if first <= due[each.key] <= last]
    return last - on, last - first, [took[each.key] for each in quiet], in_it


def _fall_due(engine: Engine, count: int) -> None:
    terms = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 50, "provider": "http"}
    for first in range(1, count + 1, _BATCH):
        numbers = range(first, min(first + _BATCH, count + 1))
        jobs = [
            parse(
                "auto_topup.set_policy",
                {"idempotency_key": f"agreed-{n}", "account": f"wallet:{population.wallet_id(n)}", **terms},
            )
            for n in numbers
        ]
        refused = [outcome for outcome in apply(engine, jobs, _LIMITS) if outcome.status is not Status.APPLIED]
        if refused:
            raise Incoherent(f"a policy was refused: {refused[0].json()}")


def _commands(bench: Bench, queue: str, port: int) -> list[list[str]]:
    service = [sys.executable, _SERVICE, "--secret", _SECRET, "--port", str(port), "--delay-s", str(_DELAY_S)]
    beat = ["-m", "celery", "-A", "worker.app", "beat", f"--schedule={bench.servers.directory / bench.run_name()}"]
    return [
        service,
        celery("worker.app", queue, "money", "--pool", "solo"),
        celery("worker.app", f"{queue}.io", "io", "--pool", "threads", "--concurrency", "2"),
        [sys.executable, *beat],
    ]


def _environment(port: int) -> Mapping[str, str]:
    return {
        "BALANCE_CHARGE_HTTP_URL": f"http://127.0.0.1:{port}/charges",
        "BALANCE_CHARGE_HTTP_SECRET": _SECRET,
        "BALANCE_CHARGE_CONCURRENCY": str(_CONCURRENCY),
    }


def _wait_for(workers: Workers, engine: Engine, mark: Any, messages: Sequence[Movement]) -> None:
    """Until these are applied, whatever else is done meanwhile."""
    last = messages[-1].key
    workers.wait_until("all jobs are applied", lambda: last in OURS.committed_at(engine, mark), _START_S)


def _switch(engine: Engine, *, on: bool) -> float:
    """When it was committed, in seconds since 1970."""
    with transaction(engine) as connection:
        switches.switch(connection, switches.CHARGING, on=on, by="benchmark", reason=None)
    with engine.connect() as connection:
        return float(connection.execute(text("select extract(epoch from clock_timestamp())")).scalar_one())


def _count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(_SETTLED).scalar_one())


def _check_service(port: int, wanted: int) -> None:
    with urlopen(f"http://127.0.0.1:{port}/charges", timeout=_START_S) as answer:
        charges = json.load(answer)["charges"]
    charged = sum(charge["charged"] for charge in charges)
    if not len(charges) == charged == wanted:
        raise Incoherent(f"the service was asked for {len(charges)} charges and made {charged}, of {wanted}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
