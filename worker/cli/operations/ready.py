"""balance-worker ready"""

from __future__ import annotations

from socket import gethostname
from time import monotonic
from typing import Annotated

import typer

from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson, line, write_json
from worker.observability.health import Trouble, judge
from worker.observability.pulse import Pulse, is_alive
from worker.settings.settings import load_settings

_EXAMPLES = """\
\b
Examples:
  balance-worker ready money@%h          for a health check, every 10 seconds or so
  balance-worker ready                   every worker of this deployment that runs on this machine
  balance-worker ready --json | jq -r '.[] | .troubles[] | [.kind, .what, .next] | @tsv'
"""


def ready(
    node: Annotated[
        str | None, typer.Argument(metavar="[NODE]", help="A worker by its name, -n; %h is this machine.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Asks whether a worker of this machine does its work; ends with 0 when it does, and with 1 when it does not.

    It does when it is connected to the broker and takes from all queues that it was started for, when its event loop
    runs, and when the database takes what it writes: there, writable, migrated, not holding up any job. Reads what the
    worker last said of itself, and costs neither broker nor database anything. A worker that is not ready goes on by
    itself once it can: take this for readiness, and do not kill a worker for it.
    """
    pulse = Pulse(load_settings())
    wanted = None if node is None else node.replace("%h", gethostname())
    try:
        words = [*pulse.read(wanted)]
    except (OSError, ValueError, TypeError, KeyError) as error:  # it is the file of another version, perhaps
        raise Stop(f"what workers say in {pulse.directory} cannot be read ({error!r}): start them anew") from error
    found = {word.node: judge(word, monotonic(), alive=is_alive(word.pid)) for word in words}
    if as_json:
        write_json([{"node": node, "ready": not found[node], "troubles": _told(found[node])} for node in found])
    else:
        for name, troubles in found.items():
            line(f"{name}: {'not ' if troubles else ''}ready")
            for trouble in troubles:
                line(f"  {trouble.what}; {trouble.next}")
    if not found:
        who = f"no worker{f' {wanted}' if wanted else ''} of this broker, database and queue"
        raise Stop(f"{who} has left word in {pulse.directory}: start one, or give this command its settings", NO)
    if any(found.values()):
        raise typer.Exit(NO)


def _told(troubles: tuple[Trouble, ...]) -> list[dict[str, str]]:
    return [{"kind": each.kind, "what": each.what, "next": each.next} for each in troubles]


def register(app: typer.Typer) -> None:
    app.command("ready", epilog=_EXAMPLES)(ready)
