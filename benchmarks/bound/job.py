"""The one job that the bound knows, a top-up of a wallet, as it stands in the stream."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Final

import msgspec

from models.contracts.jobs.wallet_credits import CreditReason

NAME: Final = "wallets.top_up"
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class TopUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every field is checked when it is read."""

    idempotency_key: Text
    wallet_id: Text
    credits_to_add: Decimal
    transaction_reason: CreditReason
    producer: Text = "default"


decode: Final = msgspec.json.Decoder(TopUp).decode
encode: Final = msgspec.json.Encoder().encode
_canonical: Final = msgspec.json.Encoder(order="sorted").encode


def meaning_of(job: TopUp) -> bytes:
    """What is asked, in its one form: keys sorted, a number as a text without an exponent."""
    asked = {
        "credits_to_add": format(job.credits_to_add.normalize(), "f"),
        "transaction_reason": job.transaction_reason,
        "wallet_id": job.wallet_id,
    }
    return _canonical(asked)


def fingerprint_of(meaning: bytes) -> bytes:
    """What the meaning leaves behind once it is pruned."""
    return sha256(b"wallets.top_up\n" + meaning).digest()
