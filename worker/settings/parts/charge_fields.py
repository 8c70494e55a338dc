"""Settings of charging: who is asked for payments, and how."""

from pydantic import Field, SecretStr
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings

from worker.settings import types

_CHARGES: JsonDict = {"unit": "charges"}


class ChargeFields(BaseSettings):
    """Each is the environment variable BALANCE_<NAME>."""

    charging: bool = Field(
        True,
        json_schema_extra={"allowed": "true or false"},
        description="Whether auto top-ups are made and providers asked for charges. `balance-worker charging pause` "
        "does the same for all workers at once, without a restart.",
    )
    charge_http_url: types.Text | None = Field(
        None,
        json_schema_extra={"allowed": "a URL"},
        description="The payment service of provider http (docs/payments.md). Only the I/O workers need it.",
    )
    charge_http_secret: SecretStr | None = Field(
        None,
        json_schema_extra={"allowed": "a secret"},
        description="Signs what the payment service is asked: text, or whsec_ and base64.",
    )
    charge_stripe_key: SecretStr | None = Field(
        None,
        json_schema_extra={"allowed": "an API key"},
        description="The API key of provider stripe. Only the I/O workers need it.",
    )
    charge_stripe_url: types.Text | None = Field(
        None, json_schema_extra={"allowed": "a URL"}, description="Another address of Stripe's API. Unset: its own."
    )
    charge_timeout_s: float = Field(10.0, ge=0.1, le=300, description="How long a provider may take to answer.")
    charge_concurrency: int = Field(
        8,
        ge=1,
        le=256,
        json_schema_extra=_CHARGES,
        description="How many charges an I/O worker asks for at once.",
    )
    charge_retry_base_s: float = Field(
        5.0,
        ge=0.05,
        le=3_600,
        description="The wait before a charge is asked for again that nobody knows of; it doubles.",
    )
    charge_retry_cap_s: float = Field(3_600.0, ge=0.05, le=86_400, description="The longest such wait.")
    charge_give_up_s: float = Field(
        86_400.0,
        ge=1,
        le=30 * 86_400,
        description="The age at which a charge that nobody knows of is left to an operator.",
    )
    charge_decline_backoff_s: float = Field(
        3_600.0,
        ge=0,
        le=86_400,
        description="The wait after a declined charge; it doubles with each one in a row, up to a day.",
    )
