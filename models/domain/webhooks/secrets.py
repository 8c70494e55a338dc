"""Secrets of endpoints: made from a key of the deployment, so that they stand in no database.

A secret is HMAC-SHA256 over the endpoint's id and the secret's number, under the key. Who reads the database learns by
which name the key is known, and not the key: he can sign nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from models.domain.value import value
from models.domain.webhooks.endpoints import Endpoint, Secret

KEY_BYTES_MIN: Final = 24  # that a key has at least
_PREFIX: Final = "whsec_"


def key_name(key: bytes) -> bytes:
    """By which a key is known, without a word of what it is: 8 bytes."""
    return hashlib.sha256(b"balance-worker webhook key " + key).digest()[:8]


@value(frozen=True, slots=True)
class SecretKeys:
    """The keys of this deployment, the newest first; none: nothing can be signed."""

    keys: tuple[bytes, ...] = ()

    @property
    def newest(self) -> bytes | None:
        """The name of the one that new secrets are made from."""
        return key_name(self.keys[0]) if self.keys else None

    def secret(self, endpoint_id: UUID, secret: Secret) -> bytes | None:
        """The 32 bytes that sign; None: the key that they are made from is not here."""
        for key in self.keys:
            if key_name(key) == secret.key:
                said = f"{endpoint_id} {secret.version}"
                return hmac.new(key, said.encode(), hashlib.sha256).digest()
        return None

    def of(self, endpoint: Endpoint, at: datetime) -> tuple[bytes, ...]:
        """What signs for the endpoint at this time, the newest first: two while a former secret is still good."""
        in_force: Sequence[Secret] = (endpoint.secret,)
        if endpoint.former is not None and endpoint.former_until is not None and at < endpoint.former_until:
            in_force = (endpoint.secret, endpoint.former)
        found = (self.secret(endpoint.id, each) for each in in_force)
        return tuple(each for each in found if each is not None)


def shown_secret(secret: bytes) -> str:
    """As receivers are given it, and libraries for Standard Webhooks take it: whsec_ and base64."""
    return _PREFIX + base64.b64encode(secret).decode()
