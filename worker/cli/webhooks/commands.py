"""balance-worker webhooks list | show | deliveries"""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import typer

from models.domain.webhooks.endpoints import DeliveryStatus
from models.store.read.webhooks import EndpointShown, delivery_list, endpoint, endpoint_list
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson, write_json
from worker.cli.terminal.reading import reading
from worker.cli.terminal.tables import facts
from worker.cli.webhooks.rows import DELIVERIES, ENDPOINTS, endpoint_document
from worker.wording.webhooks import endpoint_facts

_LIST_EXAMPLES: Final = """\
\b
Examples:
  balance-worker webhooks list
  balance-worker webhooks list --removed --json
"""
_SHOW_EXAMPLES: Final = """\
\b
Examples:
  balance-worker webhooks show 0198c0de-0000-7000-8000-000000000001
"""
_DELIVERIES_EXAMPLES: Final = """\
\b
Examples:
  balance-worker webhooks deliveries 0198c0de-0000-7000-8000-000000000001
  balance-worker webhooks deliveries 0198c0de-0000-7000-8000-000000000001 --status waiting --status exhausted --json
"""

Id = Annotated[UUID, typer.Argument(metavar="ID", help="The endpoint.")]


def list_endpoints(
    removed: Annotated[bool, typer.Option("--removed", help="Also those that were removed.")] = False,
    after: Annotated[
        UUID | None, typer.Option(metavar="ID", help="The page that follows the one ending with this endpoint.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many endpoints.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists endpoints, the oldest first: where events are sent, whether they arrive, and what waits."""
    with reading("endpoints") as connection:
        page = endpoint_list(connection, limit, removed=removed, after=after)
    ENDPOINTS.show(page, "there are no endpoints" + (" after that one" if after else ""), as_json=as_json)


def show_endpoint(endpoint_id: Id, as_json: AsJson = False) -> None:
    """Shows one endpoint: what it is sent, how that goes, and what waits for it. Not its secret."""
    found = found_endpoint(endpoint_id)
    if as_json:
        write_json(endpoint_document(found))
    else:
        facts(endpoint_facts(found))


def list_deliveries(
    endpoint_id: Id,
    status: Annotated[
        list[DeliveryStatus] | None,
        typer.Option(metavar="STATUS", help="waiting, delivered, exhausted or dropped; may be repeated."),
    ] = None,
    before: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="The page that follows the one ending with this number.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many deliveries.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists what an endpoint is or was to be sent, the newest event first, with what became of it.

    Deliveries that have ended are kept for BALANCE_WEBHOOK_KEEP_DAYS.
    """
    found_endpoint(endpoint_id)
    with reading("deliveries") as connection:
        page = delivery_list(connection, endpoint_id, limit, statuses=status or (), before=before)
    DELIVERIES.show(page, "there are no such deliveries", as_json=as_json)


def found_endpoint(endpoint_id: UUID) -> EndpointShown:
    """The endpoint with this id; ends the command when there is none."""
    with reading("the endpoint") as connection:
        found = endpoint(connection, endpoint_id)
    if found is None:
        raise Stop(f"there is no endpoint {endpoint_id}: `balance-worker webhooks list` shows which there are", NO)
    return found


def register(app: typer.Typer) -> None:
    app.command("list", epilog=_LIST_EXAMPLES)(list_endpoints)
    app.command("show", epilog=_SHOW_EXAMPLES)(show_endpoint)
    app.command("deliveries", epilog=_DELIVERIES_EXAMPLES)(list_deliveries)
