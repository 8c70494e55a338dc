"""Who wrote a message: HMAC-SHA256 over what decides in it, as it is on the wire.

The bytes of the body, and not what they mean: no two languages agree on how a number or a letter is written in JSON,
and nothing has to be parsed before it is known who sent it (docs/decisions/0010). And the headers that say under what
id it is answered, where to, and until when it is wanted (0019). docs/security.md has the words and test vectors.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

VERSION: Final = 1
"""The version of the contracts that are spoken here. A message that names none speaks this one."""

SIGNATURE: Final = "balance_signature"
SIGNED_AT: Final = "balance_signed_at"
CONTRACT_VERSION: Final = "balance_version"
"""The names of the message's headers."""

SECRET_LENGTH_MIN: Final = 32  # characters: 16 random bytes in hexadecimal digits
_SCHEME: Final = "2:"  # how a signature begins that covers the headers; the first scheme's are digits alone
_END: Final = "\n"  # of each part; none may hold one, or two messages could read alike


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature covers. Texts that the message does not have are empty."""

    task: str
    body: bytes
    signed_at: int | None = None  # seconds since 1970; must be sent along when it is given
    task_id: str = ""
    expires: str = ""  # as the header says it
    reply_to: str = ""

    def _parts(self) -> tuple[str, ...]:
        moment = "" if self.signed_at is None else str(self.signed_at)
        return (f"balance{_SCHEME[:-1]}", str(VERSION), self.task, moment, self.task_id, self.expires, self.reply_to)

    @property
    def unambiguous(self) -> bool:
        return not any(_END in part for part in self._parts())

    def text(self) -> bytes:
        return "".join(f"{part}{_END}" for part in self._parts()).encode("utf-8", "surrogatepass") + self.body

    def first_text(self) -> bytes:
        """What the first scheme covers: the job, its time and its body."""
        moment = "" if self.signed_at is None else str(self.signed_at)
        return f"balance\n{VERSION}\n{self.task}\n{moment}\n".encode("utf-8", "surrogatepass") + self.body


@dataclass(frozen=True, slots=True)
class Genuine:
    """One of the secrets made the signature. `headers`: of the headers too."""

    headers: bool


def sign(secret: str, signed: Signed) -> str:
    """The value of the header: "2:" and 64 hexadecimal digits. Raises ValueError for a text with a line end in it."""
    if not signed.unambiguous:
        raise ValueError("task, task id, expires and reply_to must have no line ends")
    return f"{_SCHEME}{_digits(secret, signed.text())}"


def verified(secrets: Iterable[str], signature: str, signed: Signed) -> Genuine | None:
    """None: none of the secrets made the signature. How long it takes does not tell how wrong it is."""
    headers = signature.startswith(_SCHEME)
    if headers and not signed.unambiguous:
        return None
    given = signature.removeprefix(_SCHEME).encode("utf-8", "surrogatepass")
    text = signed.text() if headers else signed.first_text()
    if any(hmac.compare_digest(_digits(secret, text).encode(), given) for secret in secrets):
        return Genuine(headers)
    return None


def _digits(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
