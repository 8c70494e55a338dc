"""balance-worker anchor, balance-worker anchor-keys"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from models.store.audit.anchors import HorizonUnknown
from worker.anchors.faults import AnchorFault
from worker.anchors.keys import Signer, make_keys
from worker.anchors.places import STDOUT, place_of
from worker.anchors.writing import take
from worker.cli.terminal.faults import Stop
from worker.cli.terminal.output import AsJson, line, remark, write_json
from worker.cli.terminal.waiting import Waiting
from worker.database import engine_for
from worker.settings.settings import load_settings

_EXAMPLES: Final = """\
\b
Examples:
  balance-worker anchor --to /mnt/worm/ledger.anchors
  balance-worker anchor --to s3://audit/ledger
  balance-worker anchor --to - | logger -t balance-anchor
"""
_KEYS_EXAMPLES: Final = """\
\b
Examples:
  balance-worker anchor-keys /etc/balance
"""


def anchor(
    to: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="A file, s3://bucket/prefix, or - for stdout. Absent: BALANCE_ANCHOR_TO."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Writes a signed anchor of the ledger to a place outside the database, for `verify --against`.

    It says how many accounts, entries and jobs there are, the sums of the balances, and a hash over the end of every
    account's history and over every job settled since the anchor before. BALANCE_ANCHOR_KEY signs it.
    """
    settings = load_settings()
    where = to or settings.anchor_place
    if where is None or settings.anchor_key is None:
        raise Stop(
            "say where with --to or BALANCE_ANCHOR_TO, and set BALANCE_ANCHOR_KEY (`balance-worker anchor-keys`)"
        )
    try:
        with Waiting("Reading the ledger") as waiting:
            written = take(
                engine_for(settings), place_of(where), Signer(Path(settings.anchor_key)),
                files=settings.anchor_files, say=waiting.say,
            )  # fmt: skip
    except AnchorFault as fault:
        raise Stop(f"no anchor was written: {fault}: {fault.next_step}") from fault
    except HorizonUnknown as fault:
        raise Stop(f"no anchor was written: {fault}: {fault.next_step}") from fault
    told = {
        "sequence": written.sequence, "time": written.time, "accounts": written.accounts, "entries": written.entries,
        "jobs": written.jobs.count, "root": written.root.hex(),
    }  # fmt: skip
    sentence = f"anchor: number {written.sequence}, {written.accounts} accounts, {written.entries} entries, "
    sentence += f"{written.jobs.count} jobs since the one before"
    if where == STDOUT:
        remark(sentence)  # the line itself is what stands on stdout
    elif as_json:
        write_json(told)
    else:
        line(sentence)


def anchor_keys(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where the two files are written.")],
) -> None:
    """Makes a key for anchors: a private one for BALANCE_ANCHOR_KEY, and a public one for whoever compares."""
    try:
        private, public = make_keys(directory)
    except AnchorFault as fault:
        raise Stop(f"{fault}: {fault.next_step}") from fault
    line(f"private  {private}   for BALANCE_ANCHOR_KEY; nobody else may read it")
    line(f"public   {public}   for `balance-worker verify --against`; keep a copy elsewhere")


def register(app: typer.Typer) -> None:
    app.command("anchor", epilog=_EXAMPLES)(anchor)
    app.command("anchor-keys", epilog=_KEYS_EXAMPLES)(anchor_keys)
