"""Who asks a payment service: HMAC-SHA256 over id, time and body, as Standard Webhooks (standardwebhooks.com) has it.

A scheme that services find a library for in their language, and that covers the time: who overhears a request cannot
send it again tomorrow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
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


def signed(key: bytes, name: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a request that is called `name`: the same name for the same request sent again."""
    moment = str(int(at.timestamp()))
    digest = hmac.new(key, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
