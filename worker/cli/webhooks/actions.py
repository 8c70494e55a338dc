"""balance-worker webhooks add | update | enable | disable | remove"""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

import typer

from models.contracts.jobs.webhooks import (
    WebhooksAdd,
    WebhooksDisable,
    WebhooksEnable,
    WebhooksRemove,
    WebhooksUpdate,
)
from models.domain.accounts import Kind
from models.domain.events import EventType
from worker.cli.jobs.publishing import WAIT_S, Key, Producer, Wait, key_of, publish_and_show
from worker.cli.terminal.confirm import confirm
from worker.cli.terminal.output import AsJson
from worker.cli.webhooks.commands import Id, found_endpoint
from worker.cli.webhooks.secret import SecretOf

_ID: Final = "0198c0de-0000-7000-8000-000000000001"
_ADD_EXAMPLES: Final = """\
\b
Examples:
  balance-worker webhooks add https://shop.example/hooks/balance --name shop
  balance-worker webhooks add https://crm.example/hooks --name crm --kind wallet --type wallet.credit_balance.dropped
"""
_UPDATE_EXAMPLES: Final = f"""\
\b
Examples:
  balance-worker webhooks update {_ID} --url https://shop.example/v2/hooks
  balance-worker webhooks update {_ID} --all-types --kind wallet --kind user
"""
_ENABLE_EXAMPLES: Final = f"""\
\b
Examples:
  balance-worker webhooks enable {_ID}
"""
_DISABLE_EXAMPLES: Final = f"""\
\b
Examples:
  balance-worker webhooks disable {_ID}
"""
_REMOVE_EXAMPLES: Final = f"""\
\b
Examples:
  balance-worker webhooks remove {_ID}
"""

Types = Annotated[
    list[EventType] | None,
    typer.Option("--type", metavar="TYPE", help="Events of this type; may be repeated. Without one: all."),
]
Kinds = Annotated[
    list[Kind] | None,
    typer.Option("--kind", metavar="KIND", help="Of wallets, users or apps alone: wallet, user, app; may be repeated."),
]


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent to, by POST.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="For people: whose it is.")],
    types: Types = None,
    kinds: Kinds = None,
    key: Key = None,
    producer: Producer = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=1, max=86_400, help="For the outcome.")
    ] = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Sends events to an endpoint from now on, and shows its secret: once, and never again.

    The secret is made from BALANCE_WEBHOOK_KEY, which must be set here as it is for the workers. Publishes the job
    webhooks.add and shows its outcome; ends as `publish` does.
    """
    secret = SecretOf()
    body = {"name": name, "url": url, **_filters(types, kinds)}
    publish_and_show(
        WebhooksAdd.NAME, body, key_of(key, WebhooksAdd.NAME), producer, wait, as_json=as_json, also=secret.of_outcome
    )


def update(
    endpoint_id: Id,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Where events are sent to.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="For people: whose it is.")] = None,
    types: Types = None,
    kinds: Kinds = None,
    all_types: Annotated[bool, typer.Option("--all-types", help="Events of every type.")] = False,
    all_kinds: Annotated[bool, typer.Option("--all-kinds", help="Of every account, and of none.")] = False,
    key: Key = None,
    producer: Producer = None,
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Changes where an endpoint is, or what it is sent. What waits for it is sent to the new place.

    Publishes the job webhooks.update and shows its outcome; ends as `publish` does.
    """
    given: dict[str, Any] = {"url": url, "name": name}
    body = {name: value for name, value in given.items() if value is not None} | _filters(types, kinds)
    for everything, field, option in ((all_types, "types", "--type"), (all_kinds, "kinds", "--kind")):
        if everything and field in body:
            raise typer.BadParameter(f"either all of them or {option}", param_hint=f"--all-{field}")
        if everything:
            body[field] = None
    if not body:
        raise typer.BadParameter("nothing to change", param_hint="--url, --name, --type, --kind")
    _ask(WebhooksUpdate.NAME, endpoint_id, key, producer, wait, as_json=as_json, **body)


def enable(
    endpoint_id: Id, key: Key = None, producer: Producer = None, wait: Wait = WAIT_S, as_json: AsJson = False
) -> None:
    """Sends to an endpoint again: what waited comes first. What happened while it was disabled is not sent.

    Publishes the job webhooks.enable and shows its outcome; ends as `publish` does.
    """
    _ask(WebhooksEnable.NAME, endpoint_id, key, producer, wait, as_json=as_json)


def disable(
    endpoint_id: Id, key: Key = None, producer: Producer = None, wait: Wait = WAIT_S, as_json: AsJson = False
) -> None:
    """Sends nothing to an endpoint any more; what waits for it is kept.

    Publishes the job webhooks.disable and shows its outcome; ends as `publish` does.
    """
    _ask(WebhooksDisable.NAME, endpoint_id, key, producer, wait, as_json=as_json)


def remove(
    endpoint_id: Id,
    key: Key = None,
    producer: Producer = None,
    wait: Wait = WAIT_S,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forgets an endpoint for good, and what waits for it.

    Publishes the job webhooks.remove and shows its outcome; ends as `publish` does.
    """
    found = found_endpoint(endpoint_id)
    if not yes:
        confirm(f"Remove the endpoint {found.endpoint.name} with {found.waiting} deliveries that wait?")
    _ask(WebhooksRemove.NAME, endpoint_id, key, producer, wait, as_json=as_json)


def _ask(
    name: str,
    endpoint_id: UUID,
    key: str | None,
    producer: str | None,
    wait_s: float,
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    body = {"endpoint_id": str(endpoint_id), **fields}
    publish_and_show(name, body, key_of(key, name), producer, wait_s, as_json=as_json)


def _filters(types: list[EventType] | None, kinds: list[Kind] | None) -> dict[str, Any]:
    given = {"types": types, "kinds": kinds}
    return {name: [each.value for each in values] for name, values in given.items() if values}


def register(app: typer.Typer) -> None:
    app.command("add", epilog=_ADD_EXAMPLES)(add)
    app.command("update", epilog=_UPDATE_EXAMPLES)(update)
    app.command("enable", epilog=_ENABLE_EXAMPLES)(enable)
    app.command("disable", epilog=_DISABLE_EXAMPLES)(disable)
    app.command("remove", epilog=_REMOVE_EXAMPLES)(remove)
