"""What every job carries besides its own fields: who asks, under which key, when it was decided, and notes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from models.contracts.wire.fields import Identifier, OptionalMetadata, Time
from models.domain.accounts import Account
from models.domain.charging.charges import Charge
from models.domain.deciding.commands import SYSTEM_PRODUCER, Command
from models.domain.deciding.decision import DecisionContext
from models.domain.idempotency import canonical
from models.domain.outcome import Refusal
from models.domain.text import shown, storable_text

DEFAULT_PRODUCER: Final = "default"


class Apart(Enum):
    """In a field's annotation: the field is no part of what is asked, and so not of the meaning of a key.

    A contract that declares such a field anew, as something of its own, asks for it.
    """

    IDENTITY = "whose job it is"
    NOTE = "what the publisher wants to find again"


def _not_ours(value: str) -> str:
    if value == SYSTEM_PRODUCER:
        raise PydanticCustomError("producer_reserved", f"The producer {SYSTEM_PRODUCER} is reserved for the system")
    return value


Producer = Annotated[Identifier, AfterValidator(_not_ours)]


class Identity(BaseModel):
    """The two fields without which a job can't be answered: a message that lacks them is parked, not refused."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    idempotency_key: Annotated[
        Identifier,
        Apart.IDENTITY,
        Field(description="Names the job: the same key and meaning is applied once and answered alike"),
    ]
    producer: Annotated[
        Producer,
        Apart.IDENTITY,
        Field(
            description="The publishing service; keys are unique for each producer",
            json_schema_extra={"not": {"const": SYSTEM_PRODUCER}},
        ),
    ] = DEFAULT_PRODUCER


class Contract(Identity):
    """The arguments of one job.

    A subclass says what may be sent (its fields), what it means (`to_command`), and how the API whose body it speaks
    answers (`response` and `error`).
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    NAME: ClassVar[str]
    SUMMARY: ClassVar[str]
    ACCOUNT_IS_A_PART: ClassVar[bool] = False  # of the response, beside others; else the response is the account

    occurred_at: Annotated[Time | None, Field(description="When the publisher decided; orders absolute sets")] = None
    metadata: Annotated[
        OptionalMetadata,
        Apart.NOTE,
        Field(description="Notes of the publisher's, kept with the entry; no part of the meaning of the key"),
    ] = None

    @classmethod
    @cache
    def apart(cls) -> frozenset[str]:
        """The fields that are no part of what is asked."""
        marked = cls.model_fields.items()
        return frozenset(name for name, field in marked if any(isinstance(mark, Apart) for mark in field.metadata))

    @classmethod
    def asked(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments without those that stand apart, whether or not they keep to the contract."""
        return {name: value for name, value in arguments.items() if name not in cls.apart()}

    def meaning(self) -> str:
        """Canonical JSON of what is asked. Defaults are left out: a new optional field changes no old meaning."""
        return canonical(self.body())

    def body(self) -> dict[str, Any]:
        """The fields that say what is asked, as plain JSON values."""
        return self.model_dump(mode="json", exclude=set(self.apart()), exclude_defaults=True)

    def to_command(self) -> Command | Refusal:
        """The command, or the refusal for a body that no account could accept."""
        raise TypeError(f"{type(self).__name__} has no command")  # pragma: no cover - Contract itself is not a job

    @classmethod
    def response(cls, account: Account, context: DecisionContext, charge: Charge | None = None) -> dict[str, Any]:
        """The body that the source API answers with, for the account as the job left it.

        `charge`: that the job made or settled."""
        raise TypeError(f"{cls.__name__} has no response")  # pragma: no cover

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        """The source API's error: {"status": HTTP status, "body": its body}."""
        raise TypeError(f"{cls.__name__} has no error")  # pragma: no cover


def violations(error: ValidationError) -> list[dict[str, Any]]:
    """What a body does wrong: [{type, loc, msg, input}], in the shape that FastAPI made common."""
    return [
        {
            "type": item["type"],
            "loc": ["body", *(shown(part) for part in item["loc"] if isinstance(part, (str, int)))],
            "msg": storable_text(item["msg"]),
            "input": shown(item["input"]),
        }
        for item in error.errors(include_url=False, include_context=False)
    ]
