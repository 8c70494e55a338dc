"""balance-worker http and http-key: the HTTP door, and keys for it."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from worker.cli.terminal.faults import Stop
from worker.cli.terminal.output import AsJson, line, write_json
from worker.settings.settings import load_settings

_EXAMPLES = """\
\b
Examples:
  balance-worker http-key billing --producer billing --job wallets.top_up --job wallets.debit
  balance-worker http-key shop --producer salla --app-id 7 --store-id 42
  balance-worker http-key billing-2 --producer billing --json | jq .entry
"""


def http() -> None:
    """Opens the HTTP door: the endpoints of the source APIs, until Ctrl-C or SIGTERM.

    Each request is a job on the queue, answered once it is committed. BALANCE_HTTP_KEYS says who may ask for what;
    docs/http.md describes paths, answers and errors, and the door itself shows them at /docs.

    Examples:

      BALANCE_HTTP_KEYS=/etc/balance-worker/http-keys.json balance-worker http
    """
    try:
        from worker.http.server import Unusable, serve
    except ImportError as error:
        raise Stop(f"the HTTP door needs {error.name}: pip install 'balance-worker[http]'") from error
    try:
        serve(load_settings())
    except Unusable as error:
        raise Stop(str(error)) from error


def http_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="What the key is called: 1 to 64 of a-z, 0-9 and -.")],
    producer: Annotated[str, typer.Option(help="The producer whose jobs are published with it.")],
    job: Annotated[
        list[str] | None, typer.Option(help="A job that it may ask for; may be repeated. Default: all.")
    ] = None,
    app_id: Annotated[str | None, typer.Option(help="The app that the third API's token stands for.")] = None,
    store_id: Annotated[str | None, typer.Option(help="The store of that app.")] = None,
    rate_per_s: Annotated[
        float | None, typer.Option(help="Requests a second. Default: BALANCE_HTTP_RATE_PER_S.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Makes a key for the HTTP door: shows it once, and the entry for BALANCE_HTTP_KEYS, which has its hash alone."""
    from worker.publishers.http_keys import keys_in, new_key

    if not re.fullmatch("[a-z0-9-]{1,64}", key_id):
        raise Stop(f"{key_id!r} cannot be an id: 1 to 64 of a-z, 0-9 and -")
    key, digest = new_key(key_id)
    entry: dict[str, object] = {"hashes": [digest], "producer": producer, "jobs": job or ["*"]}
    if (app_id is None) != (store_id is None):
        raise Stop("--app-id and --store-id belong together")
    if app_id is not None:
        entry["app"] = {"app_id": app_id, "store_id": store_id}
    if rate_per_s is not None:
        entry["rate_per_s"] = rate_per_s
    try:
        keys_in(json.dumps({key_id: entry}))
    except ValueError as error:
        raise Stop(str(error)) from error
    if as_json:
        write_json({"key": key, "entry": {key_id: entry}})
        return
    line(f"key    {key}")
    line(f"entry  {json.dumps({key_id: entry})}")
    line(
        "The key is shown this once. Put the entry into BALANCE_HTTP_KEYS; a key that it replaces stays beside it as a"
    )
    line("second hash until nobody uses it any more.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(http)
    app.command("http-key", epilog=_EXAMPLES)(http_key)
