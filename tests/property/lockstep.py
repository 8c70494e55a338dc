"""The worker in memory beside the path on PostgreSQL, given what a test cannot know before: moments, and ids.

With these its documents are those of the path, to the last character.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final

from sqlalchemy import Engine

from balance_client.testing import FakeWorker
from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.outcome import Code
from tasks.apply.path import apply
from tests.property.histories import TIME, History, _job, _time_comes, setup
from tests.support.builders import LIMITS, entries, events, rows
from tests.support.ledgers import Row, kept

_RANDOM: Final = 2**62 - 1  # what an id has of it


class Pair:
    """Two ledgers, to which the same is done."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.worker = FakeWorker(limits=LIMITS)
        [last] = rows(engine, "select last_value as id, is_called as taken from accounts_id_seq")
        self.worker.ledger._numbers = count(last["id"] + last["taken"])

    def settle(self, jobs: Sequence[Job]) -> list[StoredOutcome]:
        """The answers, which are the same."""
        answers = apply(self.engine, jobs, LIMITS)
        if new := [each for each in answers if not each.replayed and each.code is not Code.IDEMPOTENCY_CONFLICT]:
            [settled] = rows(self.engine, "select settled_at from jobs where id = :id", id=new[0].job_id)
            self.worker.now = settled["settled_at"]
            self.worker.ledger._ids = new[0].job_id.int & _RANDOM
        assert self.worker.apply(jobs) == answers
        return answers

    def play(self, history: History) -> None:
        self.settle(setup())
        answers: dict[int, StoredOutcome] = {}
        for batch in history.batches():
            step = history.steps[batch[0]]
            if step.name == TIME:
                _time_comes(self.engine, step, answers)
                self._copy_times()
            else:
                answers.update(zip(batch, self.settle([_job(history, place, answers) for place in batch]), strict=True))

    def assert_equal(self) -> None:
        """Also what is told, and what is kept that no answer shows."""
        for account in self.worker.ledger.accounts:
            assert _unchained(entries(self.worker, str(account))) == _unchained(entries(self.engine, str(account)))
        assert events(self.worker) == events(self.engine)
        for table in ("grants", "holds", "charges"):
            there, here = ({row["id"]: row for row in kept(each, table)} for each in (self.engine, self.worker))
            assert there.keys() == here.keys()
            for name in there:
                common = {*there[name], *here[name]} - {"backing", *_OF_ASKING}
                assert {each: there[name][each] for each in common} == {each: here[name][each] for each in common}

    def _copy_times(self) -> None:
        """The time of something has come by the database's clock."""
        ledger = self.worker.ledger
        for row in kept(self.engine, "grants", "account_id", "id", "expires_at", "effective_at"):
            place = ledger.grants[row["account_id"]]
            place[row["id"]] = replace(place[row["id"]], expires_at=row["expires_at"], effective_at=row["effective_at"])
        for row in kept(self.engine, "holds", "account_id", "id", "expires_at"):
            reserved = ledger.holds[row["account_id"]]
            reserved[row["id"]] = replace(reserved[row["id"]], expires_at=row["expires_at"])


_OF_ASKING: Final = ("asked", "attempts", "ask_at", "answer")  # of a charge: nobody asks in memory


def _unchained(found: list[Row]) -> list[dict[str, Any]]:
    """Without hashes: where a test has moved a time, the database's chains were made anew."""
    return [{name: value for name, value in row.items() if name not in ("prev_hash", "hash")} for row in found]
