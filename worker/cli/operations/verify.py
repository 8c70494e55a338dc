"""balance-worker verify"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from models.domain.evidence.finding import Finding
from models.store.audit.ledger import Report, audit
from models.store.connection.session import snapshot
from models.store.read import accounts as history
from worker.anchors.comparison import Comparison, compare
from worker.anchors.faults import AnchorFault
from worker.anchors.keys import Signer, Verifier, public_keys
from worker.anchors.places import place_of
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.files import about
from worker.cli.terminal.output import AsJson, line, write_json
from worker.cli.terminal.waiting import Waiting
from worker.clock import now
from worker.database import engine_for
from worker.settings.settings import Settings, load_settings

_EXAMPLES = """\
\b
Examples:
  balance-worker verify
  balance-worker verify --against /mnt/worm/ledger.anchors --public-key anchor-51d2….pub
  balance-worker verify --textfile /var/lib/prometheus/node-exporter/balance.prom     from cron, each night
  balance-worker verify --json | jq -r '.findings[] | [.account, .seq, .problem] | @tsv'
"""


def verify(
    against: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Anchors to compare with: a file, or s3://bucket/prefix.")
    ] = None,
    public_key: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Keys that sign them; may be repeated. Absent: that of BALANCE_ANCHOR_KEY."),
    ] = None,
    textfile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what came of it there too, for Prometheus: docs/metrics.md."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recomputes the whole ledger and names what does not add up.

    Every balance is added up again from its entries, every entry is checked against its hash, which covers the job that
    wrote it with its answer, and against the one before it; every grant and hold against what entries did to it, every
    wallet against what credits mean. The terms of every account are followed through its records, and no move was
    beyond them; every refusal has its record, every event is there or was pruned. Reads the ledger as of one moment;
    workers may go on. Ends with 0 when all adds up and with 1 when something does not: docs/security.md says what is
    noticed, and what only copies elsewhere can tell.

    With --against it also names what was changed, removed or put in since anchors were written, and anchors that were
    changed, moved, cut off or signed by another key.
    """
    settings = load_settings()
    engine = engine_for(settings)
    with Waiting("Reading the ledger") as waiting:
        with snapshot(engine) as connection:
            estimate = history.entries_estimate(connection)
        of = f" of about {estimate:,}" if estimate else ""
        report = audit(engine, lambda count: waiting.say(f"{count:,}{of} entries verified"))
    compared = None if against is None else _compared(engine, against, public_key or [], settings)
    if compared is not None:
        report.findings += [Finding(subject, None, problem) for subject, problem in compared.problems]
    counts: dict[str, Any] = {
        "accounts": report.accounts,
        "entries": report.entries,
        "grants": report.grants,
        "records": report.records,
    }
    if as_json:
        findings = [asdict(finding) for finding in report.findings]
        if compared is not None:
            newest = None if compared.last is None else {"sequence": compared.last.sequence, "time": compared.last.time}
            counts["anchors"] = {"count": compared.anchors, "last": newest, "without_heads": compared.without}
        write_json({"ok": report.coherent, **counts, "findings": findings})
    else:
        for finding in report.findings:
            line(str(finding))
        wrong = len(report.findings)
        verdict = f"FAILED, {wrong} finding{'s' * (wrong > 1)}" if wrong else "ok"
        line(f"verify: {verdict}, {', '.join(f'{count} {name}' for name, count in counts.items())}")
        if compared is not None:
            _tell(compared)
    if textfile is not None:
        _write(textfile, report)  # last: what was found is said, whatever becomes of the file
    if not report.coherent:
        raise typer.Exit(NO)


def _write(textfile: Path, report: Report) -> None:
    from worker.metrics import catalogue
    from worker.metrics.textfile import write_textfile

    samples = [
        (catalogue.VERIFY_OK, (), int(report.coherent)),
        (catalogue.VERIFY_FINDINGS, (), len(report.findings)),
        (catalogue.VERIFY_ENTRIES, (), report.entries),
        (catalogue.VERIFY_AT, (), now().timestamp()),
    ]
    with about(textfile):
        write_textfile(textfile, samples)


def _compared(engine: Engine, against: str, public_key: list[Path], settings: Settings) -> Comparison:
    if not public_key and settings.anchor_key is None:
        raise Stop("say with --public-key who signs the anchors")
    try:
        keys = public_keys(public_key) if public_key else Signer(Path(str(settings.anchor_key))).public()
        with Waiting("Reading the anchors") as waiting:
            return compare(engine, place_of(against), Verifier(keys), waiting.say)
    except AnchorFault as fault:
        raise Stop(f"the anchors cannot be compared with: {fault}: {fault.next_step}") from fault


def _tell(compared: Comparison) -> None:
    if compared.last is None:
        line("anchors: none that can be believed")
        return
    line(f"anchors: {compared.anchors}, the last one is number {compared.last.sequence} of {compared.last.time}")
    if compared.without:
        numbers = ", ".join(map(str, compared.without[:10])) + (" …" if len(compared.without) > 10 else "")
        line(f"anchors: the heads of {numbers} are not beside them: histories were not compared with these")


def register(app: typer.Typer) -> None:
    app.command("verify", epilog=_EXAMPLES)(verify)
