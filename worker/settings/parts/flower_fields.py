"""Settings of Flower: where it listens, whom it lets in, and how its pages of ours read the database."""

from pydantic import Field
from pydantic_settings import BaseSettings

from worker.settings import types
from worker.settings.types import Credentials, DatabaseUrl


class FlowerFields(BaseSettings):
    """Each is the environment variable BALANCE_<NAME>."""

    flower_address: str = Field(
        "127.0.0.1",
        pattern=r"^[A-Za-z0-9.:-]+$",
        json_schema_extra={"allowed": "an address"},
        description="Where Flower listens.",
    )
    flower_port: int = Field(5_555, ge=1, le=65_535, description="The port that Flower listens on.")
    flower_hosts: str = Field(
        "",
        pattern=r"^([A-Za-z0-9._-]+(,[A-Za-z0-9._-]+)*)?$",
        json_schema_extra={"allowed": "names separated by commas"},
        description="The names in URLs that Flower answers to, beside localhost and addresses: those of a proxy before "
        "it, or its own in a network of containers.",
    )
    flower_basic_auth: Credentials | None = Field(
        None,
        json_schema_extra={"allowed": "user:password"},
        description="Whom Flower lets in, as user:password. Needed when it listens on more than this machine.",
    )
    flower_database_url: DatabaseUrl | None = Field(
        None,
        json_schema_extra=types.DATABASES,
        description="The database as Flower's pages read it: under a role that cannot write (docs/flower.md). "
        "`migrate` makes it, where BALANCE_OWNER_URL is set. Unset: BALANCE_DATABASE_URL, in read-only sessions.",
    )
    flower_statement_timeout_ms: int = Field(
        5_000, ge=100, le=600_000, description="How long a page of Flower may read from the database."
    )
