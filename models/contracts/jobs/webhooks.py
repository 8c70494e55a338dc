"""webhooks.*: where events are sent. Answered with the endpoint, and never with its secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from models.contracts.jobs.wallet_contract import wallet_error
from models.contracts.wire.envelope import Contract
from models.contracts.wire.fields import Identifier, Int64, JobId, Time
from models.contracts.wire.schemas import Patterned
from models.domain.accounts import Kind
from models.domain.deciding import webhook_commands
from models.domain.deciding.webhook_commands import EndpointOf
from models.domain.events import EventType
from models.domain.outcome import Refusal
from models.domain.webhooks.endpoints import DisabledFor, Endpoint
from models.domain.webhooks.urls import LENGTH_MAX, UnusableUrl, webhook_url

OVERLAP_MAX_S: Final = 30 * 86_400
EventName = Literal[
    "user.balance.updated",
    "wallet.updated",
    "wallet.transaction.created",
    "wallet.credit_balance.dropped",
    "wallet.credit_balance.recovered",
    "app.balance.updated",
    "job.rejected",
    "auto_topup.fired",
    "auto_topup.declined",
    "auto_topup.suspended",
    "auto_topup.resumed",
    "charge.needs_action",
    "balance.low",
    "grant.will_expire",
    "grant.expired",
    "hold.expired",
    "webhook.disabled",
    "dead_letter.parked",
]
"""Those of models/domain/events.py, as a type: a test holds them together."""


def _usable(url: str) -> str:
    try:
        webhook_url(url)
    except UnusableUrl as error:
        raise PydanticCustomError(error.fault.value, "{text}", {"text": str(error)}) from None
    return url


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(set(values))  # the same filter, the same meaning


Url = Annotated[
    str,
    Field(min_length=1, max_length=LENGTH_MAX, description="http(s), of a receiver; no user in it, and no #fragment"),
    AfterValidator(_usable),
    Patterned(r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+(?!\n)$"),
]
Types = Annotated[
    list[EventName],
    Field(min_length=1, max_length=len(EventType), description="Of these events alone; absent: all"),
    AfterValidator(_sorted),
]
Kinds = Annotated[
    list[Literal["user", "wallet", "app"]],
    Field(min_length=1, max_length=len(Kind), description="Of these accounts alone; absent: all, and no account's"),
    AfterValidator(_sorted),
]


class _Webhook(Contract):
    """A job about an endpoint."""

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        return wallet_error(refusal)


class _OfEndpoint(_Webhook):
    endpoint_id: Annotated[JobId, Field(description="job_id of the job that added it")]

    @property
    def target(self) -> EndpointOf:
        return EndpointOf(self.endpoint_id)


class WebhooksAdd(_Webhook):
    NAME: ClassVar[str] = "webhooks.add"
    SUMMARY: ClassVar[str] = "Send events to an endpoint from now on"

    name: Annotated[Identifier, Field(description="For people: whose it is")]
    url: Url
    types: Types | None = None
    kinds: Kinds | None = None

    def to_command(self) -> webhook_commands.WebhookAdd:
        return webhook_commands.WebhookAdd(
            EndpointOf(None), self.name, self.url, _all_or(self.types), _all_or(self.kinds)
        )


class WebhooksUpdate(_OfEndpoint):
    NAME: ClassVar[str] = "webhooks.update"
    SUMMARY: ClassVar[str] = "Change where an endpoint is, or what it is sent; null: all"

    name: Identifier | None = None
    url: Url | None = None
    types: Types | None = None
    kinds: Kinds | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self._given():
            raise PydanticCustomError("nothing_to_change", "Nothing to change: give name, url, types or kinds")
        return self

    def body(self) -> dict[str, Any]:
        # Null means all and absence leaves as it is: two meanings, though null is the default of both.
        cleared: dict[str, Any] = {
            name: None for name in ("types", "kinds") if name in self._given() and getattr(self, name) is None
        }
        return {**super().body(), **cleared}

    def to_command(self) -> webhook_commands.WebhookUpdate:
        changes = {name: getattr(self, name) for name in self._given()}
        for name in ("types", "kinds"):
            if name in changes:
                changes[name] = _all_or(changes[name])
        return webhook_commands.WebhookUpdate(self.target, changes)

    def _given(self) -> set[str]:
        named = {name for name in ("name", "url") if getattr(self, name) is not None}
        return named | ({"types", "kinds"} & self.model_fields_set)


class WebhooksEnable(_OfEndpoint):
    NAME: ClassVar[str] = "webhooks.enable"
    SUMMARY: ClassVar[str] = "Send to an endpoint again: what waited comes first"

    def to_command(self) -> webhook_commands.WebhookEnable:
        return webhook_commands.WebhookEnable(self.target)


class WebhooksDisable(_OfEndpoint):
    NAME: ClassVar[str] = "webhooks.disable"
    SUMMARY: ClassVar[str] = "Send nothing to an endpoint; what waits is kept, what happens meanwhile is not"

    def to_command(self) -> webhook_commands.WebhookDisable:
        return webhook_commands.WebhookDisable(self.target, DisabledFor.ASKED)


class WebhooksRotateSecret(_OfEndpoint):
    NAME: ClassVar[str] = "webhooks.rotate_secret"
    SUMMARY: ClassVar[str] = "Give an endpoint another secret; the one before signs beside it for a while"

    overlap_s: Annotated[Int64, Field(ge=0, le=OVERLAP_MAX_S, description="Seconds for which both sign")] = 86_400

    def to_command(self) -> webhook_commands.WebhookRotateSecret:
        return webhook_commands.WebhookRotateSecret(self.target, timedelta(seconds=self.overlap_s))


class WebhooksRemove(_OfEndpoint):
    NAME: ClassVar[str] = "webhooks.remove"
    SUMMARY: ClassVar[str] = "Forget an endpoint, and what waits for it"

    def to_command(self) -> webhook_commands.WebhookRemove:
        return webhook_commands.WebhookRemove(self.target)


class EndpointBody(BaseModel):
    """What webhooks.* jobs are answered with. Its secret is shown once, by the command line."""

    model_config = ConfigDict(extra="forbid")

    id: str
    name: str
    url: str
    types: list[str] | None
    kinds: list[str] | None
    status: Literal["enabled", "disabled", "removed"]
    disabled_for: Literal["asked", "gone", "failing"] | None
    secret_version: Int64
    key_name: Annotated[str, Field(description="By which the key is known that its secret is made from")]
    former_secret_until: Time | None
    created_at: Time
    updated_at: Time


def endpoint_body(endpoint: Endpoint) -> dict[str, Any]:
    status = "removed" if endpoint.removed else "enabled" if endpoint.disabled is None else "disabled"
    return {
        "id": str(endpoint.id),
        "name": endpoint.name,
        "url": endpoint.url,
        "types": endpoint.types,
        "kinds": endpoint.kinds,
        "status": status,
        "disabled_for": endpoint.disabled,
        "secret_version": endpoint.secret.version,
        "key_name": endpoint.secret.key.hex(),
        "former_secret_until": endpoint.former_until,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def _all_or(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
