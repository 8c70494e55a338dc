"""No step between broker and worker at which a death or a cut loses a job. The stock transport has two."""

import hashlib
import os
import signal
from pathlib import Path
from typing import Final, Literal

import pytest
import redis

from tests.integration.transport.brokers import Broker, Kind, consuming, wait_until
from tests.integration.transport.workers import Worker, left, number_of, send, working
from tests.support.servers.proxy import Fault, Proxy
from worker.brokers.redis.lua import TAKE

_JOBS: Final = (1, 2, 3)
_KILLS: Final = int(os.environ.get("BALANCE_TEST_TRANSPORT_KILLS", "10"))  # for each transport
_AT_ONCE: Final = 5

_TAKE: Final = (hashlib.sha1(TAKE.encode()).hexdigest().encode(),)
_LOOK, _POP, _RECORD, _ACK = (b"BLMOVE", b"jobs\r\n"), (b"BRPOP",), (b"HSET", b"unacked"), (b"HDEL", b"unacked")
_At = Literal["request", "answer"]

# Every two steps have a name for the moment between them: what is struck, and how many jobs that loses.
STEPS: Final[dict[Kind, dict[str, tuple[tuple[bytes, ...], _At, int]]]] = {
    "atomic": {
        "told that jobs wait": (_LOOK, "answer", 0),
        "about to take": (_TAKE, "request", 0),
        "taken, answer on its way": (_TAKE, "answer", 0),
        "done, about to acknowledge": (_ACK, "request", 0),
        "acknowledged, answer on its way": (_ACK, "answer", 0),
    },
    "stock": {
        "popped, answer on its way": (_POP, "answer", 1),
        "popped, about to record": (_RECORD, "request", 1),
        "recorded, answer on its way": (_RECORD, "answer", 0),
        "done, about to acknowledge": (_ACK, "request", 0),
        "acknowledged, answer on its way": (_ACK, "answer", 0),
    },
}
_CASES = [(kind, step) for kind, steps in STEPS.items() for step in steps]


def _rescued(broker: Broker) -> list[int]:
    """What another worker gets, once the visibility timeout is over."""
    got: list[int] = []
    with broker.connect(visibility_timeout=0) as connection:
        channel = connection.channel()
        channel.qos.restore_visible(num=None, interval=1)
        while (message := channel.basic_get("jobs")) is not None:
            got.append(number_of(message._raw))
            message.ack()
    return got


@pytest.mark.parametrize(("kind", "step"), _CASES)
def test_a_worker_killed_between_two_steps(broker: Broker, tmp_path: Path, kind: Kind, step: str) -> None:
    marks, at, losses = STEPS[kind][step]
    with Proxy(broker.url) as proxy, working(broker, tmp_path, kind, url=proxy.url) as worker:
        fault = proxy.arm(Fault(marks, at, "hold"))
        send(broker, *_JOBS)
        assert fault.struck.wait(20), worker.log
        worker.kill()
        done = worker.done()
    accounted = {*done, *left(broker)}
    assert len(_JOBS) - len(accounted) == losses
    assert {*done, *_rescued(broker)} == accounted


def _cut_and_go_on(proxy: Proxy, worker: Worker, kind: Kind, step: str, jobs: list[int]) -> None:
    (marks, at, losses), broker = STEPS[kind][step], worker.broker
    fault = proxy.arm(Fault(marks, at, "cut"))
    send(broker, *jobs[:-1])
    assert fault.struck.wait(20), (step, worker.log)
    send(broker, jobs[-1])
    wait_until(lambda: jobs[-1] in worker.done(), f"the worker goes on after: {step}\n{worker.log}")
    wait_until(lambda: not broker.raw(), "nothing waits any more")
    if kind == "atomic":
        wait_until(lambda: {*jobs} <= {*worker.done()}, f"all jobs are done after: {step}")
    assert len({*jobs} - {*worker.done()} - {*left(broker)}) == losses, step


@pytest.mark.parametrize("kind", ["atomic", "stock"])
def test_a_connection_cut_between_two_steps(broker: Broker, tmp_path: Path, kind: Kind) -> None:
    """One worker goes through all of it. Nothing waits for a visibility timeout: that is an hour."""
    jobs = iter(range(10_000))
    with Proxy(broker.url) as proxy, working(broker, tmp_path, kind, url=proxy.url) as worker:
        for step in STEPS[kind]:
            _cut_and_go_on(proxy, worker, kind, step, [next(jobs) for _ in range(4)])
        assert worker.stop() == 0
    if kind == "atomic":
        assert left(broker) == []
        assert {*worker.done()} == {*range(next(jobs))}


@pytest.mark.parametrize("kind", ["atomic", "stock"])
def test_a_worker_frozen_while_it_waits_and_killed(redis_url: str, tmp_path: Path, kind: Kind) -> None:
    """The kernel of a frozen process goes on to receive: a server that pops for it gives the job to nobody."""
    losses = []
    with redis.Redis.from_url(redis_url) as client:
        for first in range(0, _KILLS, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, _KILLS))
            brokers = [Broker(redis_url, f"frozen{number}:", client) for number in numbers]
            # The timeout of waiting, in seconds: it must not run out between freezing and publishing.
            workers = [Worker(broker, tmp_path / broker.prefix, kind, polling_interval=600) for broker in brokers]
            try:
                losses += [_lost_when_frozen_and_killed(worker) for worker in workers]
            finally:
                for worker in workers:
                    worker.close()
    assert losses == [0 if kind == "atomic" else 1] * _KILLS


def _lost_when_frozen_and_killed(worker: Worker) -> int:
    worker.wait_until_waiting()
    worker.freeze()
    send(worker.broker, *_JOBS)
    wait_until(lambda: not worker.blocked, "the server has answered the frozen worker")
    assert worker.kill() == -signal.SIGKILL
    assert worker.done() == []
    with consuming(worker.broker, visibility_timeout=0):
        return len(_JOBS) - len(_rescued(worker.broker))
