"""balance-worker jobs reconcile"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy import Connection

from models.contracts.wire.envelope import DEFAULT_PRODUCER
from models.domain.money import from_units
from models.domain.outcome import Status
from models.store.read.finance.settled_keys import SettledKey, settled_keys
from worker.cli.finance.keys_file import KeyLine, batches, keys_in
from worker.cli.jobs.job_lines import KEY, lines_in
from worker.cli.terminal.faults import NO
from worker.cli.terminal.files import about
from worker.cli.terminal.output import AsJson, line
from worker.cli.terminal.streamed import StreamedJson, bar, streaming
from worker.encoding.shown import decimal

_EXAMPLES = """\
\b
Examples:
  balance-worker jobs reconcile published.txt --producer billing
  balance-worker jobs reconcile published.csv --column key --json
  balance-worker jobs reconcile outbox.jsonl
"""
_AT_ONCE: Final = 1_000  # keys of a statement
APPLIED: Final = "applied"
REFUSED: Final = "refused"
DIFFERS: Final = "differs"
MISSING: Final = "missing"
_WORDS: Final = (APPLIED, REFUSED, DIFFERS, MISSING)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A line of the file beside what the ledger has."""

    line: KeyLine
    producer: str
    settled: SettledKey | None

    @property
    def result(self) -> str:
        if self.settled is None:
            return MISSING
        if self.settled.status is Status.REJECTED:
            return REFUSED
        return APPLIED if self._agrees(self.settled) else DIFFERS

    def _agrees(self, settled: SettledKey) -> bool:
        """Whether the entry moved what the file says, whichever way it went."""
        if self.line.amount is None:
            return True
        if settled.scale is None:
            return False
        applied = from_units(settled.amount or 0, settled.scale)
        return self.line.amount.copy_abs() == applied.copy_abs()  # abs() would round the digits that differ away

    def document(self) -> dict[str, Any]:
        found = self.settled
        return {
            "line": self.line.number,
            "key": self.line.key,
            "producer": self.producer,
            "result": self.result,
            "code": None if found is None else found.code.value,
            "job_id": None if found is None else found.job_id,
            "account": None if found is None or found.account is None else str(found.account),
            "amount": None if self.line.amount is None else format(self.line.amount, "f"),
            "applied": None if found is None else decimal(found.amount, found.scale) or None,
        }

    def sentence(self) -> str:
        said = self.document()
        applied = said["applied"] or "nothing"
        beside = {
            MISSING: "nothing under this key is settled: `balance-worker why` says whether it waits",
            REFUSED: f"{said['code']}, job {said['job_id']}",
            DIFFERS: f"the file says {said['amount']}, applied was {applied}, job {said['job_id']}",
        }
        return f"line {self.line.number}: {self.line.key}: {self.result}: {beside[self.result]}"


def reconcile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Keys: one a line, or .csv or .jsonl with a column.")],
    producer: Annotated[
        str, typer.Option(metavar="P", help="Whose keys they are, where a column producer does not say.")
    ] = DEFAULT_PRODUCER,
    column: Annotated[str, typer.Option(metavar="NAME", help="The column with the key.")] = KEY,
    as_json: AsJson = False,
) -> None:
    """Compares a publisher's file of keys with the ledger: which are applied, refused, missing.

    Where the file has a column amount, what was applied is compared with it, as a decimal of the account's unit and
    whichever way it went. What is not applied as the file says is told line by line, and then how many there are of
    each. The file is read as it comes, a thousand keys a statement. Ends with 1 when a key is missing or an amount
    differs; a refusal is an answer.
    """
    with about(file):
        total = lines_in(file)
        opened = file.open("rb")
    counts: Counter[str] = Counter(dict.fromkeys(_WORDS, 0))
    document = StreamedJson({"file": str(file)}, "findings") if as_json else nullcontext()
    with opened, document as stream, streaming() as connection, bar("Comparing keys", total) as advance:
        for compared in _compared(connection, keys_in(file, opened, column), producer):
            counts[compared.result] += 1
            if advance is not None:
                advance.by(1)
            if compared.result == APPLIED:
                continue
            if stream is not None:
                stream.item(compared.document())
            else:
                line(compared.sentence())
    if stream is not None:
        stream.end({"keys": sum(counts.values()), **counts})
    else:
        line(f"reconcile: {sum(counts.values())} keys, {', '.join(f'{counts[word]} {word}' for word in _WORDS)}")
    if counts[MISSING] or counts[DIFFERS]:
        raise typer.Exit(NO)


def _compared(connection: Connection, lines: Iterator[KeyLine], producer: str) -> Iterator[_Compared]:
    for of, batch in batches(lines, producer, _AT_ONCE):
        found = settled_keys(connection, of, [each.key for each in batch])
        for each in batch:
            yield _Compared(each, of, found.get(each.key))


def register(app: typer.Typer) -> None:
    app.command("reconcile", epilog=_EXAMPLES)(reconcile)
