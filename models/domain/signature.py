"""Who wrote a message: HMAC-SHA256 over the bytes of its body, as they are on the wire.

The bytes, and not what they mean: no two languages agree on how a number or a letter is written in JSON, and nothing
has to be parsed before it is known who sent it (docs/decisions/0010). docs/security.md has the words and test vectors.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

VERSION: Final = 1
"""The version of the contracts that are spoken here. A message that names none speaks this one."""

SIGNATURE: Final = "balance_signature"
SIGNED_AT: Final = "balance_signed_at"
CONTRACT_VERSION: Final = "balance_version"
"""The names of the message's headers."""

SECRET_LENGTH_MIN: Final = 32  # characters: 16 random bytes in hexadecimal digits


def sign(secret: str, task: str, body: bytes, signed_at: int | None = None, version: int = VERSION) -> str:
    """64 hexadecimal digits. `signed_at` is in seconds since 1970 and must be sent along when it is given."""
    moment = "" if signed_at is None else str(signed_at)
    head = f"balance\n{version}\n{task}\n{moment}\n".encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), head + body, hashlib.sha256).hexdigest()


def signed_by(secrets: Iterable[str], signature: str, task: str, body: bytes, signed_at: int | None = None) -> bool:
    """Whether one of the secrets made the signature. How long it takes does not tell how wrong it is."""
    given = signature.encode("utf-8", "surrogatepass")
    return any(hmac.compare_digest(sign(secret, task, body, signed_at).encode(), given) for secret in secrets)
