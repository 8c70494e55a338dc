"""balance-worker verify"""

from __future__ import annotations

import typer

from worker.cli.faults import NO
from worker.cli.output import AsJson, line, write_json
from worker.cli.waiting import Waiting

_EXAMPLES = """\
\b
Examples:
  balance-worker verify
  balance-worker verify --json | jq -r '.findings[] | [.account, .seq, .problem] | @tsv'
"""


def verify(as_json: AsJson = False) -> None:
    """Recomputes the whole ledger and names what does not add up.

    Every balance is added up again from its entries, every entry is checked against its hash, which covers the job that
    wrote it with its answer, and against the one before it; every grant and hold against what entries did to it, every
    wallet against what credits mean. The terms of every account are followed through its records, and no move was
    beyond them; every refusal has its record, every event is there or was pruned. Reads the ledger as of one moment;
    workers may go on. Ends with 0 when all adds up and with 1 when something does not: docs/security.md says what is
    noticed, and what only copies elsewhere can tell.
    """
    from dataclasses import asdict

    from models.store import history
    from models.store.audit import audit
    from models.store.session import snapshot
    from worker.database import engine_for
    from worker.settings import load_settings

    engine = engine_for(load_settings())
    with Waiting("Reading the ledger") as waiting:
        with snapshot(engine) as connection:
            estimate = history.entries_estimate(connection)
        of = f" of about {estimate:,}" if estimate else ""
        report = audit(engine, lambda count: waiting.say(f"{count:,}{of} entries verified"))
    counts = {
        "accounts": report.accounts,
        "entries": report.entries,
        "grants": report.grants,
        "records": report.records,
    }
    if as_json:
        findings = [asdict(finding) for finding in report.findings]
        write_json({"ok": report.coherent, **counts, "findings": findings})
    else:
        for finding in report.findings:
            line(str(finding))
        wrong = len(report.findings)
        verdict = f"FAILED, {wrong} finding{'s' * (wrong > 1)}" if wrong else "ok"
        line(f"verify: {verdict}, {', '.join(f'{count} {name}' for name, count in counts.items())}")
    if not report.coherent:
        raise typer.Exit(NO)


def register(app: typer.Typer) -> None:
    app.command("verify", epilog=_EXAMPLES)(verify)
