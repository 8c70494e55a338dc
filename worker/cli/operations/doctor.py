"""balance-worker doctor"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from worker.app import app as celery_app
from worker.cli.terminal.faults import NO
from worker.cli.terminal.output import AsJson, line, write_json
from worker.cli.terminal.tables import Column, facts, table
from worker.cli.terminal.waiting import Waiting
from worker.doctor.examination import examine
from worker.doctor.finding import Counts, Finding
from worker.observability.log.configuring import configure_logging
from worker.settings.settings import load_settings

_EXAMPLES = """\
\b
Examples:
  balance-worker doctor
  balance-worker doctor --wait 10        where workers are far away, or busy
  balance-worker doctor --json | jq -r '.findings[] | select(.level != "ok") | [.check, .action] | @tsv'
"""
_COLUMNS = [Column("level", whole=True), Column("check"), Column("found")]


def doctor(
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, max=60, help="How long workers may take to answer.")
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Examines a running deployment: does it keep what docs/guarantees.md promises?

    Looks at the broker (persistence, eviction, queues, policies), PostgreSQL (version, durability, migrations,
    privileges, timeouts), charging, the workers, beat, the clocks and what waits. Changes nothing. Run it with the
    settings of the workers. Ends with 0 when no finding is a failure (warnings are not), and with 1 when one is.
    """
    configure_logging("error")  # on stderr: stdout is for the findings
    findings: list[Finding] = []
    with Waiting("Examining") as waiting:
        for finding in examine(celery_app, load_settings(), wait):
            findings.append(finding)
            waiting.say(f"{len(findings)} checks made")
    counts = Counts.of(findings)
    if as_json:
        documents = [asdict(each) for each in findings]
        write_json({"ok": not counts.failure, "counts": asdict(counts), "findings": documents})
    else:
        _show(findings)
        line(f"doctor: {', '.join(f'{count} {level}' for level, count in asdict(counts).items())}")
    if counts.failure:
        raise typer.Exit(NO)


def _show(findings: list[Any]) -> None:
    table(_COLUMNS, [(finding.level, finding.check, finding.found) for finding in findings])
    line("")
    for finding in findings:
        if finding.action:
            line(f"{finding.check}: {finding.found}")
            facts({"  means": finding.meaning, "  do": finding.action})
            line("")


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog=_EXAMPLES)(doctor)
