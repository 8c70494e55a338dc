"""Settings of webhooks: how events are sent to endpoints, and for how long."""

from pydantic import Field, SecretStr
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings

_REQUESTS: JsonDict = {"unit": "requests"}


class WebhookFields(BaseSettings):
    """Each is the environment variable BALANCE_<NAME>."""

    webhook_timeout_s: float = Field(
        10.0, ge=0.1, le=300, description="How long an endpoint may take, from looking up its name to its answer."
    )
    webhook_concurrency: int = Field(
        16,
        ge=1,
        le=256,
        json_schema_extra=_REQUESTS,
        description="How many requests an I/O worker sends to endpoints at once: a quarter of them to one endpoint at "
        "the most, and one at a time of an account.",
    )
    webhook_allow_private: bool = Field(
        False,
        json_schema_extra={"allowed": "true or false"},
        description="Whether endpoints may be on this machine or in a private network. Whoever may add an endpoint "
        "then reaches what the workers reach.",
    )
    webhook_key: SecretStr | None = Field(
        None,
        json_schema_extra={"allowed": "a secret"},
        description="The secrets of endpoints are made from it, and stand nowhere: a long random text.",
    )
    webhook_key_former: SecretStr | None = Field(
        None,
        json_schema_extra={"allowed": "a secret"},
        description="BALANCE_WEBHOOK_KEY as it was before, while secrets that were made from it are in use.",
    )
    webhook_retry_base_s: float = Field(
        5.0, ge=0.05, le=3_600, description="The wait before an event is sent again that did not arrive; it doubles."
    )
    webhook_retry_cap_s: float = Field(3_600.0, ge=0.05, le=86_400, description="The longest such wait.")
    webhook_give_up_s: float = Field(
        86_400.0, ge=1, le=30 * 86_400, description="The age at which an event is not sent to an endpoint any more."
    )
    webhook_disable_after_s: float = Field(
        432_000.0,
        ge=1,
        le=90 * 86_400,
        description="How long nothing may arrive at an endpoint before it is disabled.",
    )
    webhook_keep_days: int = Field(
        7,
        ge=1,
        le=3_650,
        description="How long deliveries that have ended are kept, to be looked at and sent again.",
    )
