"""What every job carries besides its own fields: who asks, under which key, when it was decided, and notes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from models.contracts.fields import Identifier, OptionalMetadata, Time
from models.domain.accounts import Account
from models.domain.commands import SYSTEM_PRODUCER, Command
from models.domain.decision import Facts
from models.domain.idempotency import canonical
from models.domain.outcome import Refusal

DEFAULT_PRODUCER: Final = "default"
_IDENTITY: Final = {"idempotency_key", "producer"}


def _not_ours(value: str) -> str:
    if value == SYSTEM_PRODUCER:
        raise PydanticCustomError("producer_reserved", f"The producer {SYSTEM_PRODUCER} is reserved for the system")
    return value


Producer = Annotated[Identifier, AfterValidator(_not_ours)]


class Identity(BaseModel):
    """The two fields without which a job can't be answered: a message that lacks them is parked, not refused."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    idempotency_key: Annotated[
        Identifier, Field(description="Names the job: the same key and meaning is applied once and answered alike")
    ]
    producer: Annotated[Producer, Field(description="The publishing service; keys are unique for each producer")] = (
        DEFAULT_PRODUCER
    )


class Contract(Identity):
    """The arguments of one job.

    A subclass says what may be sent (its fields), what it means (`to_command`), and how the API whose body it speaks
    answers (`response` and `error`).
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    NAME: ClassVar[str]
    SUMMARY: ClassVar[str]

    occurred_at: Annotated[Time | None, Field(description="When the publisher decided; orders absolute sets")] = None
    metadata: Annotated[OptionalMetadata, Field(description="Notes of the publisher's, kept with the entry")] = None

    def meaning(self) -> str:
        """Canonical JSON of what is asked. Defaults are left out: a new optional field changes no old meaning."""
        return canonical(self.body())

    def body(self) -> dict[str, Any]:
        """The fields that say what is asked, as plain JSON values."""
        return self.model_dump(mode="json", exclude=_IDENTITY, exclude_defaults=True)

    def to_command(self) -> Command | Refusal:
        """The command, or the refusal for a body that no account could accept."""
        raise TypeError(f"{type(self).__name__} has no command")  # pragma: no cover - Contract itself is not a job

    @classmethod
    def response(cls, account: Account, facts: Facts) -> dict[str, Any]:
        """The body that the source API answers with, for the account as the job left it."""
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
            "loc": ["body", *(_short(part) for part in item["loc"] if isinstance(part, (str, int)))],
            "msg": storable_text(item["msg"]),
            "input": _short(item["input"]),
        }
        for item in error.errors(include_url=False, include_context=False)
    ]


def _short(value: Any) -> Any:
    """The input, unless it is too large or too strange to be sent back."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    text = storable_text(value if isinstance(value, str) else str(value))
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def storable_text(text: str) -> str:
    """The text with what no database can hold made visible: NUL as \\0, a lone surrogate as a question mark."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\\0")
