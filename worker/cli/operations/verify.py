"""balance-worker verify"""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from models.domain.evidence.chains import plain
from models.domain.evidence.finding import Finding
from models.domain.evidence.progress import WHOLE, Part, Progress, Report, parse_part
from models.store.audit import ledger
from models.store.audit.ledger import AnotherLedger
from worker.anchors.comparison import Comparison, compare
from worker.anchors.faults import AnchorFault
from worker.anchors.keys import Signer, Verifier, public_keys
from worker.anchors.places import place_of
from worker.cli.operations.progress_file import Circumstances, ProgressFile
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.files import about
from worker.cli.terminal.output import AsJson, line, remark, write_json
from worker.cli.terminal.progress import Advance
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
  balance-worker verify --progress-file /var/lib/balance/verify.json    the same again when it was stopped
  for n in $(seq 0 15); do balance-worker verify --part $n/16 --progress-file verify-$n.json & done; wait
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
    part: Annotated[
        str | None, typer.Option(metavar="NUMBER/COUNT", help="One of so many equal parts, numbered from 0: 3/16.")
    ] = None,
    progress_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep there how far it is, and go on from there when it was stopped."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recomputes the whole ledger and names what does not add up.

    Every balance is added up again from its entries, every entry is checked against its hash, which covers the job that
    wrote it with its answer, and against the one before it; every grant and hold against what entries did to it, every
    wallet against what credits mean. The terms of every account are followed through its records, and no move was
    beyond them; every refusal has its record, every event is there or was pruned. Workers may go on: what was there
    when it began is verified, and some of what came since. Ends with 0 when all adds up and with 1 when something does
    not: docs/security.md says what is noticed, and what only copies elsewhere can tell.

    With --against it also names what was changed, removed or put in since anchors were written, and anchors that were
    changed, moved, cut off or signed by another key.

    Needs the same memory for every ledger. Parts may be verified at the same time, by several processes: all of them
    together are the whole. Part 0 compares with anchors as well.
    """
    settings = load_settings()
    engine = engine_for(settings)
    chosen = _part(part, textfile)
    verifier = None if against is None or chosen.number else _verifier(public_key or [], settings)
    anchors = None if against is None or verifier is None else f"{against} {' '.join(verifier.ids())}"
    file = _file(progress_file, engine, chosen, anchors)
    report = _verified(engine, chosen, file)
    compared = None if against is None or verifier is None else _compared(engine, against, verifier)
    if compared is not None:
        report.add(Finding(subject, None, problem) for subject, problem in compared.problems)
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
        read = {"jobs": report.jobs, "part": str(chosen), "ranges": report.ranges, "found": report.found}
        write_json({"ok": report.coherent, **counts, **read, "findings": findings})
    else:
        for finding in report.findings:
            line(str(finding))
        wrong = report.found
        if wrong > len(report.findings):
            line(f"… and {wrong - len(report.findings)} more, which are counted only")
        verdict = f"FAILED, {wrong} finding{'s' * (wrong > 1)}" if wrong else "ok"
        of = "" if chosen == WHOLE else f" part {chosen}"
        line(f"verify{of}: {verdict}, {', '.join(f'{count} {name}' for name, count in counts.items())}")
        if compared is not None:
            _tell(compared)
    if textfile is not None:
        _write(textfile, report)  # last: what was found is said, whatever becomes of the file
    if file is not None:
        file.write(Progress(chosen, None, report=report), ended=True)
    if not report.coherent:
        raise typer.Exit(NO)


def _part(given: str | None, textfile: Path | None) -> Part:
    if given is None:
        return WHOLE
    try:
        part = parse_part(given)
    except ValueError as error:
        raise Stop(f"--part: {error}") from error
    if textfile is not None and part != WHOLE:
        raise Stop("--textfile tells of the whole ledger, and --part is not: go by the exit codes of the parts")
    return part


def _file(path: Path | None, engine: Engine, part: Part, anchors: str | None) -> ProgressFile | None:
    if path is None:
        return None
    here = Circumstances(version("balance-worker"), ledger.named(engine), str(part), anchors)
    return ProgressFile(path, here, plain(now()))


def _verified(engine: Engine, part: Part, file: ProgressFile | None) -> Report:
    progress = Progress(part)
    if file is not None and (kept := file.read()) is not None:
        progress = kept
        remark(f"verify: goes on with {file.path}, begun {file.began}, {progress.report.ranges} ranges verified")
    with Advance("Verifying", ledger.size(engine, part)) as advance:

        def told(come: Progress) -> None:
            report = come.report
            advance.to(report.entries + report.records + report.jobs, f"Verifying {come.step or 'done'}")

        def ranged(come: Progress) -> None:
            told(come)
            if file is not None:
                file.write(come)

        try:
            ledger.verify(engine, progress, told, ranged)
        except AnotherLedger as error:
            raise Stop(
                f"this is not the ledger that the run began with, or is behind it, or was changed: {error}:"
                " connect to the right one, or begin anew without the file"
            ) from error
    return progress.report


def _write(textfile: Path, report: Report) -> None:
    from worker.metrics import catalogue
    from worker.metrics.textfile import write_textfile

    samples = [
        (catalogue.VERIFY_OK, (), int(report.coherent)),
        (catalogue.VERIFY_FINDINGS, (), report.found),
        (catalogue.VERIFY_ENTRIES, (), report.entries),
        (catalogue.VERIFY_AT, (), now().timestamp()),
    ]
    with about(textfile):
        write_textfile(textfile, samples)


def _verifier(public_key: list[Path], settings: Settings) -> Verifier:
    if not public_key and settings.anchor_key is None:
        raise Stop("say with --public-key who signs the anchors")
    try:
        return Verifier(public_keys(public_key) if public_key else Signer(Path(str(settings.anchor_key))).public())
    except AnchorFault as fault:
        raise Stop(f"the anchors cannot be compared with: {fault}: {fault.next_step}") from fault


def _compared(engine: Engine, against: str, verifier: Verifier) -> Comparison:
    try:
        with Waiting("Reading the anchors") as waiting:
            return compare(engine, place_of(against), verifier, waiting.say)
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
