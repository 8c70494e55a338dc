"""The types of the wire in JSON Schema: a schema accepts what the worker accepts, but for what no schema can say.

Patterns mean the same in ECMA-262 and in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

Schema = dict[str, Any]

UNSAID: Final[Mapping[str, str]] = {
    "printable": (
        "keys, producers and ids consist of printable characters: the space, and none that Unicode calls a control, "
        "format, private or unassigned character or a separator"
    ),
    "surrogates": "no text holds a lone surrogate (`\\ud800` without its other half)",
    "calendar": "a time or a date is one that exists, in UTC between the years 1 and 9999",
    "timezone": "a time zone is the name of one that the worker's system knows, like `Europe/Riga`",
    "url": (
        "the URL of an endpoint has a host, a name or an address, and a port that there is; no user and no `#fragment`"
    ),
    "digits": "a number has at most 30 digits that count; of credits and money none is past the 30th decimal",
    "size": "a number that is written as a string is as large as one that is written as a number may be",
    "marked": (
        'what kombu marks when Python sends it, `{"__type__": "decimal", "__value__": "12.5"}`, is what it stands for'
    ),
}
"""What no schema says, by a short name; the document says it in these words."""

TEXT_LENGTH_MAX: Final = 64  # of a number as a string: room for every number, and for zeros around it
_END: Final = r"(?!\n)$"  # to Python a `$` alone is also in front of a last newline
_PLAIN: Final = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_ZERO: Final = r"(0+(\.0*)?|\.0+)([eE][+-]?[0-9]{1,3})?"
_SOMETHING: Final = r"(?=[0-9.]*[1-9])"
_SIGNED: Final = {
    "": rf"[+-]?{_PLAIN}",  # by the bound that is zero
    "gt": rf"\+?{_SOMETHING}{_PLAIN}",
    "ge": rf"(\+?{_PLAIN}|-{_ZERO})",
    "lt": rf"-{_SOMETHING}{_PLAIN}",
    "le": rf"(-{_PLAIN}|\+?{_ZERO})",
}
_WORDS: Final = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
_SIDES: Final = {
    word: (_WORDS[word], _WORDS[other]) for word, other in (("gt", "ge"), ("ge", "gt"), ("lt", "le"), ("le", "lt"))
}
_DAY: Final = r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_MINUTE: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]"
# Of the characters that are not printable those that are met: controls, spaces of other widths, what cannot be seen.
_NOT_PRINTABLE: Final = r"\u0000-\u001f\u007f-\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"

TIME: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "pattern": rf"^{_DAY}[Tt ]{_MINUTE}:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]{_MINUTE}){_END}",
}
DATE: Final[Schema] = {"type": "string", "format": "date", "pattern": f"^{_DAY}{_END}"}
JOB_ID: Final[Schema] = {
    "type": "string",
    "pattern": f"^[0-9a-fA-F]{{8}}(-?[0-9a-fA-F]{{4}}){{3}}-?[0-9a-fA-F]{{12}}{_END}",
    "description": "A UUID",
}
STORABLE: Final = r"^[^\u0000]*$"


def printable_but(characters: str = "") -> str:
    """The pattern of printable characters, without these."""
    return f"^[^{characters}{_NOT_PRINTABLE}]*{_END}"


def printable_text(least: int, most: int, but: str = "") -> str:
    """So many printable characters without these, as a part of a pattern."""
    return f"[^{but}{_NOT_PRINTABLE}]{{{least},{most}}}"


def ended(pattern: str) -> str:
    """A pattern of ours that ends in `$`, for readers to whom that is also in front of a last newline."""
    return pattern.removesuffix("$") + _END


@dataclass(frozen=True, slots=True)
class Patterned:
    """Mark of a text's type: which characters it may have. How many, pydantic says itself."""

    pattern: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return {**handler(core), "pattern": self.pattern}


@dataclass(frozen=True, slots=True)
class NamesPatterned:
    """Mark of an object's type: which characters its names may have."""

    pattern: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        made = handler(core)
        return {**made, "propertyNames": {**made["propertyNames"], "pattern": self.pattern}}


@dataclass(frozen=True, slots=True)
class Bounded:
    """Mark of a number's type. A field's own bounds, `Annotated[Number, Field(gt=0)]`, are said with the type's."""

    say: Callable[[Schema], Schema]
    """The schema with these bounds, {"minimum": …}."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        made = handler(core)
        if handler.mode == "serialization" and made.get("type") != "integer":
            return {"type": "number"}  # publishers alone may choose how they write one
        bounds = {name: made[name] for name in _WORDS.values() if name in made}
        for word, (name, other) in _SIDES.items():
            if word in made:  # narrower than what is said on this side already
                bounds.pop(other, None)
                bounds[name] = made[word]
        return self.say(bounds)


def integer_schema(bounds: Schema) -> Schema:
    return {"type": "integer", **bounds}


def number_schema(low: int, high: int) -> Callable[[Schema], Schema]:
    """A number from low to high within the bounds of the field, or a string that holds one."""

    def say(bounds: Schema) -> Schema:
        limits = {"minimum": low, "maximum": high}
        spared = {other for name, other in _SIDES.values() if name in bounds}
        within = {**{name: limit for name, limit in limits.items() if name not in spared}, **bounds}
        return {"anyOf": [{"type": "number", **within}, _number_text(within)]}

    return say


def _number_text(bounds: Schema) -> Schema:
    # Only the sign can be told from a text; how large the number may be is UNSAID.
    sign = "".join(word for word, name in _WORDS.items() if bounds.get(name) == 0)
    return {"type": "string", "maxLength": TEXT_LENGTH_MAX, "pattern": f"^{_SIGNED[sign]}{_END}"}


def given(field: str) -> dict[str, Any]:
    """The schema of an object in which the field stands and is not null."""
    return {"required": [field], "properties": {field: {"not": {"type": "null"}}}}
