"""Who sends a request: HMAC-SHA256 over id, time and body, as Standard Webhooks (standardwebhooks.com) has it.

A scheme that receivers find a library for in their language, and that covers the time: who overhears a request cannot
send it again tomorrow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: `whsec_` and base64, or any other text as it is.

    Raises ValueError for one that is empty, or no base64 where it says so.
    """
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError(f"what follows {_PREFIX} in the secret is no base64") from None
    else:
        key = secret.encode()
    if not key:
        raise ValueError("the secret is empty")
    return key


def signed(keys: Sequence[bytes], name: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a request that is called `name`: the same name for the same request sent again.

    There is a signature of each key, in their order: while a secret is being replaced, whoever knows either of the two
    can verify. Raises ValueError without a key.
    """
    if not keys:
        raise ValueError("nobody can verify what no key has signed")
    moment = str(int(at.timestamp()))
    content = f"{name}.{moment}.".encode() + body
    digests = [hmac.digest(key, content, hashlib.sha256) for key in keys]
    return {
        "webhook-id": name,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
