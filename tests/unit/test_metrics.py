"""What a process counts: by labels that no stranger can multiply, under the names that docs/metrics.md has."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.batch.outcome import Answer, Parked, StoredOutcome
from models.contracts.wire.dead_letter import DeadLetter
from models.domain.charging.policies import Reason
from models.domain.deciding.commands import AUTO_TOP_UP
from models.domain.errors import DeploymentFault, DoubtfulFault, TransientFault
from models.domain.outcome import Code, Status
from models.domain.webhooks.endpoints import DeliveryStatus
from tasks.apply.faults import FaultLog
from worker.encoding.published import published_at
from worker.http.metrics import DOOR_METRICS
from worker.ledger_clock import LEDGER_CLOCK
from worker.metrics import catalogue
from worker.metrics.catalogue import METRICS
from worker.metrics.counting import Counting
from worker.metrics.gauges import Sample
from worker.metrics.labels import PRODUCERS_MAX, ProducerLabels
from worker.metrics.watching import Watching
from worker.runtime import Runtime
from worker.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
Told = dict[tuple[str, ...], float]


def told(counting: Counting, name: str) -> Told:
    """The samples of a metric, by the values of its labels in their order."""
    labels = METRICS[name.removesuffix("_sum").removesuffix("_count")].labels
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(counting.metrics.text().decode())
        for sample in family.samples
        if sample.name == name
    }


def request(name: str, producer: Any = "billing", **properties: Any) -> Any:
    message = SimpleNamespace(headers={}, properties=properties)
    return SimpleNamespace(name=name, kwargs={"producer": producer}, message=message)


def outcome(code: Code = Code.APPLIED, *, replayed: bool = False, text: str = "{}") -> StoredOutcome:
    return StoredOutcome(uuid4(), Status.APPLIED, code, text, replayed)


@pytest.fixture
def counting() -> Counting:
    return Counting(FaultLog(), None)


def test_what_is_not_looked_at_is_not_counted() -> None:
    assert Runtime(Settings()).counting is None
    runtime = Runtime(Settings.model_validate({"metrics_port": 9100}))
    assert runtime.counting is not None
    assert runtime.applier.faults is runtime.counting.work


def test_a_batch_is_counted_by_job_code_and_producer(counting: Counting) -> None:
    answers: list[tuple[Any, Answer]] = [
        (request("wallets.top_up"), outcome()),
        (request("wallets.top_up"), outcome()),
        (request("wallets.top_up"), outcome(replayed=True)),
        (request("wallets.debit", "shop"), Parked("why")),
    ]
    counting.messages.settled(answers, 0.25)
    counting.messages.settled([], 0.25)
    assert told(counting, "balance_jobs_total") == {
        ("wallets.top_up", "applied", "billing", "false"): 2,
        ("wallets.top_up", "applied", "billing", "true"): 1,
        ("wallets.debit", "parked", "shop", "false"): 1,
    }
    assert told(counting, "balance_batch_size_sum") == {(): 4}
    assert told(counting, "balance_apply_seconds_count") == {(): 1}
    assert told(counting, "balance_apply_seconds_sum") == {(): 0.25}
    assert told(counting, "balance_publish_to_commit_seconds_count") == {(): 0}, "no message said when it was published"


def test_ten_thousand_names_of_a_stranger_are_a_few_series(counting: Counting) -> None:
    for number in range(100):
        answers: list[tuple[Any, Answer]] = []
        for each in range(100):
            name = f'x{number}.{each}"}}\n# TYPE'
            answers.append((request(name, producer=f"{name}-producer"), Parked("unknown_job")))
            answers.append((request(name, producer=f"p{number}-{each}"), Parked("unknown_job")))
        counting.messages.settled(answers, 0.01)
    jobs = told(counting, "balance_jobs_total")
    assert len(jobs) <= PRODUCERS_MAX + 1
    assert {job for job, *_ in jobs} == {"unknown"}
    assert sum(jobs.values()) == 20_000
    assert len(counting.metrics.text()) < 50_000


@pytest.mark.parametrize("name", [None, 5, ["a"], "", "x" * 65, "a\x00b"])
def test_what_is_no_name_of_a_producer_is_other(name: Any) -> None:
    assert ProducerLabels(None).label(name) == "other"


def test_producers_are_those_that_there_are_or_come_first() -> None:
    known = ProducerLabels({"billing"})
    assert [known.label(each) for each in ("billing", "shop")] == ["billing", "other"]
    first = ProducerLabels(None, most=2)
    assert [first.label(each) for each in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]


@pytest.mark.parametrize(
    ("headers", "properties", "expected"),
    [
        ({}, {}, None),
        ({"balance_signed_at": 1_700_000_000}, {}, 1_700_000_000),
        ({"balance_signed_at": 1_700_000_000}, {"timestamp": 1_800_000_000}, 1_800_000_000),
        ({}, {"timestamp": datetime(2023, 11, 14, 22, 13, 20)}, 1_700_000_000),  # noqa: DTZ001 - as AMQP gives it
        ({}, {"timestamp": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}, 1_700_000_000),
        ({"balance_published_at": 5.25, "balance_signed_at": 5}, {"timestamp": 6}, 5.25),
        ({"balance_published_at": "now", "balance_signed_at": 5}, None, 5.0),
        ({"balance_signed_at": True}, {"timestamp": "soon"}, None),
        ({"balance_signed_at": float("nan")}, {"timestamp": float("inf")}, None),
        ({"balance_signed_at": -5}, {"timestamp": 1e300}, None),
        (["no"], None, None),
    ],
)
def test_a_message_says_when_it_was_published_or_does_not(
    headers: Any, properties: Any, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = published_at(headers, properties)
    time.tzset()
    assert found == expected


def test_the_time_from_publishing_to_commit(counting: Counting) -> None:
    at = LEDGER_CLOCK.now().timestamp()
    for stamp in (at - 2, at + 3_600, at - 90 * 86_400):  # a while ago; by a clock that is ahead; by one that is wrong
        counting.messages.settled([(request("users.upsert", timestamp=stamp), outcome())], 0.01)
    assert told(counting, "balance_publish_to_commit_seconds_count") == {(): 2}
    [waited] = told(counting, "balance_publish_to_commit_seconds_sum").values()
    assert 2 <= waited < 4


def test_letters_faults_and_deliveries(counting: Counting) -> None:
    letter = DeadLetter(reason="unsigned", error="", task=None, task_id=None, queue=None, headers={}, body=b"")
    counting.messages.parked([letter, letter], [uuid4(), uuid4()])
    assert told(counting, "balance_dead_letters_total") == {("unsigned",): 2}
    for error in (DeploymentFault("a", "b"), TransientFault("a"), DoubtfulFault("a", "b"), ValueError("a")):
        counting.work.waiting(error, 1, 0.1)
    counting.work.isolating(2, ValueError("a"))
    counting.work.undecided(2, DoubtfulFault("a", "b"))
    assert told(counting, "balance_faults_total") == {
        ("waiting", "deployment"): 1, ("waiting", "passing"): 1, ("waiting", "doubtful"): 1, ("waiting", "other"): 1,
        ("isolating", "other"): 1, ("undecided", "doubtful"): 1,
    }  # fmt: skip
    counting.work.attempted([DeliveryStatus.DELIVERED, DeliveryStatus.DELIVERED, DeliveryStatus.WAITING])
    assert told(counting, "balance_webhook_deliveries_total") == {("delivered",): 2, ("waiting",): 1}


def test_faults_are_passed_on_to_who_judges_the_process() -> None:
    log = FaultLog()
    work = Counting(log, None).work
    work.waiting(TransientFault("gone"), 2, 0.1)
    assert log.progress.held is not None
    work.passed()
    assert log.progress.held is None


def test_looks_are_counted_by_what_was_decided(counting: Counting) -> None:
    job: Any = SimpleNamespace(name=AUTO_TOP_UP, command=None)
    texts = [f'{{"response": {{"policy": {{"reason": "{reason}"}}}}}}' for reason in (*Reason, "made up")]
    texts += ['{"response": null}', "{}"]
    counting.work.applied([job] * (len(texts) + 1), [*(outcome(text=text) for text in texts), "failed"])
    counting.work.applied([job], [outcome(text=texts[0], replayed=True)])
    found = told(counting, "balance_top_up_evaluations_total")
    assert found == {**{(reason.value,): 1.0 for reason in Reason}, ("other",): 3}
    assert sum(told(counting, "balance_system_jobs_total").values()) == len(texts) + 1


def test_a_gauge_is_left_out_while_nobody_knows_it(counting: Counting) -> None:
    class Once:
        of, every_s = "broker", 0.01

        def __init__(self) -> None:
            self.looks, self.closed, self.failed = 0, 0, Event()

        def look(self) -> list[Sample]:
            self.looks += 1
            if self.looks > 1:
                self.failed.set()
                raise OSError("gone")
            return [(catalogue.DEPTH, ("balance",), 5)]

        def close(self) -> None:
            self.closed += 1

    once = Once()
    watching = Watching(counting.metrics, [once])
    counting.metrics.gauges.put("broker", [(catalogue.DEPTH, ("balance",), 5)])
    assert told(counting, "balance_queue_messages") == {("balance",): 5}
    watching.start()
    assert once.failed.wait(10)
    watching.stop()
    assert told(counting, "balance_queue_messages") == {}
    assert told(counting, "balance_unmeasured_total")["broker",] == once.looks - 1
    assert once.closed == once.looks, "after each failure, and at the end"


def _rows() -> dict[str, tuple[str, ...]]:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(balance_\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    return {name: tuple(rest) for name, *rest in found}


def test_the_page_has_every_metric_as_it_is() -> None:
    assert _rows() == {
        each.name: (each.kind, ", ".join(f"`{label}`" for label in each.labels) or "–", each.by, each.meaning)
        for each in (METRICS | DOOR_METRICS).values()
    }


def test_names_are_as_prometheus_wants_them() -> None:
    for each in (METRICS | DOOR_METRICS).values():
        assert re.fullmatch(r"balance_[a-z_]+", each.name)
        assert each.name.endswith("_total") == (each.kind == "counter"), each.name
        assert bool(each.buckets) == (each.kind == "histogram"), each.name
