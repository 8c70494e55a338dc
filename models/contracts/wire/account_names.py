"""Accounts as jobs name them in one text: by whatever ids they were opened under."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from models.contracts.wire.fields import printable
from models.contracts.wire.schemas import Patterned, ended, printable_text

_PAYING: Final = "wallet:{text}|user:[1-9][0-9]{{0,18}}"
_ANY: Final = f"{_PAYING}|app:{{no_slash}}/{{text}}"


def _named(forms: str, said: str) -> AfterValidator:
    taken = re.compile(forms.format(text=".{1,255}", no_slash="[^/]{1,255}"))

    def check(value: str) -> str:
        if taken.fullmatch(printable(value)) is None:
            raise PydanticCustomError("account_name", "Input should be {said}", {"said": said})
        return value

    return AfterValidator(check)


def _pattern(forms: str) -> Patterned:
    union = forms.format(text=printable_text(1, 255), no_slash=printable_text(1, 255, but="/"))
    return Patterned(ended(f"^({union})$"))


PayingAccountName = Annotated[
    str,
    Field(max_length=262, description="wallet:ID or user:ID"),
    _named(_PAYING, "wallet:ID or user:ID"),
    _pattern(_PAYING),
]
AnyAccountName = Annotated[
    str,
    Field(max_length=515, description="wallet:ID, user:ID or app:APP/STORE"),
    _named(_ANY, "wallet:ID, user:ID or app:APP/STORE"),
    _pattern(_ANY),
]
