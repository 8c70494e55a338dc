"""balance-worker webhooks rotate-secret, and how a secret is shown: when it is made, and never again."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from balance_client.publishing.handles import Outcome
from models.contracts.jobs.webhooks import OVERLAP_MAX_S, WebhooksRotateSecret
from models.domain.webhooks.secrets import shown_secret
from models.store.read.webhooks import endpoint
from worker.cli.jobs.publishing import WAIT_S, Key, Producer, key_of, publish_and_show
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson
from worker.cli.terminal.reading import reading
from worker.cli.webhooks.commands import Id
from worker.settings.settings import load_settings
from worker.webhooks.registry import keys_of

_ROTATE_EXAMPLES: Final = """\
\b
Examples:
  balance-worker webhooks rotate-secret 0198c0de-0000-7000-8000-000000000001
  balance-worker webhooks rotate-secret 0198c0de-0000-7000-8000-000000000001 --overlap 0
"""


class SecretOf:
    """The secrets that a command may show. Made before anything is asked for: without a key there is none to show."""

    def __init__(self) -> None:
        self._keys = keys_of(load_settings())
        if self._keys.newest is None:
            raise Stop(
                "there is no BALANCE_WEBHOOK_KEY here, from which the secret is made: set it as it is for the workers",
                NO,
            )

    def of_outcome(self, outcome: Outcome) -> dict[str, Any]:
        """The secret that the job has given the endpoint; nothing for a replay, which has shown it before."""
        if outcome.replayed or not outcome.applied:
            return {}
        with reading("the endpoint") as connection:
            found = endpoint(connection, outcome.job_id if outcome.response is None else outcome.response["id"])
        assert found is not None, "it was answered"
        secret = self._keys.secret(found.endpoint.id, found.endpoint.secret)
        if secret is None:
            raise Stop(
                "the workers made the secret from another BALANCE_WEBHOOK_KEY than is set here: set theirs, then"
                f" `balance-worker webhooks rotate-secret {found.endpoint.id}` shows a new one",
                NO,
            )
        return {"secret": shown_secret(secret)}


def rotate_secret(
    endpoint_id: Id,
    overlap: Annotated[
        int,
        typer.Option(metavar="SECONDS", min=0, max=OVERLAP_MAX_S, help="For so long the former one signs as well."),
    ] = 86_400,
    key: Key = None,
    producer: Producer = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=1, max=86_400, help="For the outcome.")
    ] = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Gives an endpoint another secret, and shows it: once, and never again.

    The one before signs beside it for a day, or as long as --overlap says: receivers take either. Publishes the job
    webhooks.rotate_secret and shows its outcome; ends as `publish` does.
    """
    secret, name = SecretOf(), WebhooksRotateSecret.NAME
    body = {"endpoint_id": str(endpoint_id), "overlap_s": overlap}
    publish_and_show(name, body, key_of(key, name), producer, wait, as_json=as_json, also=secret.of_outcome)


def register(app: typer.Typer) -> None:
    app.command("rotate-secret", epilog=_ROTATE_EXAMPLES)(rotate_secret)
