"""Publishing a file of jobs: a chunk at a time, the next one on its way while the outcomes of the last come in."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, Final

import typer

from balance_client import BalanceClient, InvalidJob, JobParked, OutcomeTimeout, PublishFailed
from balance_client.publishing.handles import JobHandle
from balance_client.publishing.job_message import understood
from models.contracts.wire.envelope import DEFAULT_PRODUCER, Contract
from models.domain.outcome import Code
from worker.cli.jobs.job_lines import JobLine, csv_lines, json_lines, lines_in
from worker.cli.jobs.publishing import client_of, not_taken, secret_of
from worker.cli.jobs.results_file import PUBLISHED, ResultsFile
from worker.cli.terminal.faults import NO, UNKNOWN, Stop
from worker.cli.terminal.files import about
from worker.cli.terminal.output import remark, write_json
from worker.cli.terminal.progress import Advance
from worker.cli.terminal.tables import facts
from worker.settings.settings import load_settings

CHUNK: Final = 500
TOLD_MAX: Final = 20  # refusals that are shown; all of them are in the results
MALFORMED: Final = "malformed_line"
_CODES: Final = {*(code.value for code in Code), "unknown_job"}


@dataclass(frozen=True, slots=True)
class Bulk:
    """A file of jobs and how it is published."""

    path: Path
    is_csv: bool
    name: str | None  # of the lines that do not say
    producer: str | None
    wait_s: float
    results: Path
    resume: bool

    def run(self, *, as_json: bool) -> None:
        """Ends with 1 when a line was refused, and with 3 when one has no outcome."""
        settings = load_settings()
        producer = self.producer or DEFAULT_PRODUCER
        signed = secret_of(settings, producer) is not None
        with about(self.path):
            total = lines_in(self.path)
            file = self.path.open("rb")
        with file, client_of(settings, self.producer) as client, self._results() as results:
            lines = csv_lines(file, self.name) if self.is_csv else json_lines(file, self.name)
            with Advance("Publishing", total) as advance:
                work = _Work(client, producer, signed, self.wait_s, results, advance)
                try:
                    work.through(lines)
                except PublishFailed as error:
                    raise Stop(f"{not_taken(error, settings)}; --resume goes on then") from error
        work.tell(self.results, as_json=as_json)

    def _results(self) -> ResultsFile:
        with about(self.results):
            return ResultsFile(self.results, resume=self.resume, waiting=self.wait_s > 0)


class _Work:
    def __init__(
        self, client: BalanceClient, producer: str, signed: bool, wait_s: float, results: ResultsFile, advance: Advance
    ) -> None:
        self._client, self._producer, self._signed = client, producer, signed
        self._wait_s, self._results, self._advance = wait_s, results, advance
        self._on_their_way: deque[tuple[list[JobLine], list[JobHandle], float]] = deque()
        self._counts: Counter[str] = Counter()
        self._told = 0

    def through(self, lines: Iterator[JobLine]) -> None:
        """Raises PublishFailed, and Stop where the file cannot be read on; what was published before is noted then."""
        try:
            while chunk := list(islice(lines, CHUNK)):
                self._publish(chunk)
                if len(self._on_their_way) > 1:
                    self._note_first()
        except (PublishFailed, Stop):
            self._note_all()
            raise
        self._note_all()

    def _note_all(self) -> None:
        while self._on_their_way:
            self._note_first()
        self._results.flush()

    def _publish(self, chunk: Sequence[JobLine]) -> None:
        taken: list[JobLine] = []
        jobs: list[Contract] = []
        for line in chunk:
            if self._results.has(line):
                self._counts["done before"] += 1
                self._advance.by(line.length)
            elif (job := self._understood(line)) is not None:
                taken.append(line)
                jobs.append(job)
        if jobs:
            handles = self._client.submit_many(jobs, chunk=CHUNK, want_result=self._wait_s > 0)
            self._on_their_way.append((taken, handles, monotonic() + self._wait_s))

    def _understood(self, line: JobLine) -> Contract | None:
        if line.problem is not None:
            self._note(line, "invalid", MALFORMED, error=line.problem)
            return None
        try:
            job = understood((line.name, line.fields), self._producer)
        except InvalidJob as error:
            kind = str(error.errors[0]["type"])
            code = kind if kind in _CODES else Code.INVALID_REQUEST.value
            self._note(line, "invalid", code, error="; ".join(error.sentences))
            return None
        if self._signed and job.producer != self._producer:
            why = f"the secret in use is that of {self._producer}: choose another with --producer"
            self._note(line, "invalid", Code.INVALID_REQUEST.value, error=why)
            return None
        return job

    def _note_first(self) -> None:
        lines, handles, deadline = self._on_their_way.popleft()
        for line, handle in zip(lines, handles, strict=True):
            if not self._wait_s:
                self._note(line, PUBLISHED, None)
                continue
            try:
                outcome = handle.get(max(0.0, deadline - monotonic()))
            except OutcomeTimeout:
                self._note(line, PUBLISHED, None)
            except JobParked as parked:
                self._note(line, "parked", None, error=parked.reason)
            else:
                self._note(line, outcome.status, outcome.code, job_id=str(outcome.job_id))
        self._results.flush()

    def _note(
        self, line: JobLine, status: str, code: str | None, job_id: str | None = None, error: str | None = None
    ) -> None:
        result: dict[str, Any] = {"line": line.number, "key": line.key, "status": status, "code": code}
        self._results.write({**result, "job_id": job_id, **({"error": error} if error else {})})
        self._counts[status] += 1
        self._advance.by(line.length)
        if status in ("invalid", "rejected", "parked"):
            self._told += 1
            if self._told <= TOLD_MAX:
                remark(f"line {line.number}: {code or status}{f': {error}' if error else ''}")

    def tell(self, results: Path, *, as_json: bool) -> None:
        """What came of it, and the exit code."""
        if self._told > TOLD_MAX:
            remark(f"and {self._told - TOLD_MAX} more: {results}")
        if as_json:
            write_json({"results": str(results), "lines": dict(self._counts)})
        else:
            facts({**{status: str(count) for status, count in self._counts.items()}, "results": str(results)})
        if self._told:
            raise typer.Exit(NO)
        if self._wait_s and self._counts[PUBLISHED]:
            remark("some lines have no outcome yet: see that a worker runs; --resume asks again")
            raise typer.Exit(UNKNOWN)
