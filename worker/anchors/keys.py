"""The keys of anchors: Ed25519, in PEM files as openssl writes them. Each anchor names the id of its key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worker.anchors.faults import AnchorFault

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_MISSING: Final = AnchorFault("anchors need the package cryptography", "pip install 'balance-worker[anchors]'")
_PUBLIC: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\s*", re.DOTALL)


class Signer:
    """A private key. Raises AnchorFault where the file has none of ours."""

    def __init__(self, path: Path) -> None:
        self._key = _private(path)
        self.key = key_id(self._key.public_key())

    def sign(self, payload: bytes) -> bytes:
        return self._key.sign(payload)

    def public(self) -> Mapping[str, Ed25519PublicKey]:
        return {self.key: self._key.public_key()}


class Verifier:
    """The public keys that anchors may be signed with."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = keys

    def ids(self) -> list[str]:
        return sorted(self._keys)

    def __call__(self, key: str, payload: bytes, signature: bytes) -> str | None:
        """What is wrong with a signature; None: nothing."""
        from cryptography.exceptions import InvalidSignature

        known = self._keys.get(key)
        if known is None:
            return f"is signed with the key {key}, which is none of {', '.join(sorted(self._keys))}"
        try:
            known.verify(signature, payload)
        except InvalidSignature:
            return f"its signature is not that of the key {key}: the line was changed, or made by somebody else"
        return None


def public_keys(paths: Sequence[Path]) -> dict[str, Ed25519PublicKey]:
    """Public keys by their ids; a file may have several. Raises AnchorFault."""
    from_files: dict[str, Ed25519PublicKey] = {}
    for path in paths:
        found = _PUBLIC.findall(_read(path))
        if not found:
            raise AnchorFault(f"{path} holds no public key", "give a file that `balance-worker anchor-keys` wrote")
        for pem in found:
            key = _public(path, pem)
            from_files[key_id(key)] = key
    return from_files


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def make_keys(directory: Path) -> tuple[Path, Path]:
    """Writes a new private key, readable by its owner alone, and its public key. Raises AnchorFault."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise _MISSING from None
    key = Ed25519PrivateKey.generate()
    name = directory / f"anchor-{key_id(key.public_key())}"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = name.with_suffix(".key"), name.with_suffix(".pub")
        written[0].touch(mode=0o600, exist_ok=False)
        written[0].write_bytes(private)
        written[1].write_bytes(public)
    except OSError as error:
        raise AnchorFault(f"{directory} cannot be written: {error}", "choose another directory") from error
    return written


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise _MISSING from None
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AnchorFault(
            f"{path} holds no private key without a password", "see `balance-worker anchor-keys`"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AnchorFault(f"{path} holds a key that is not Ed25519", "see `balance-worker anchor-keys`")
    return key


def _public(path: Path, pem: bytes) -> Ed25519PublicKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise _MISSING from None
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AnchorFault(f"{path} holds no public key", "see `balance-worker anchor-keys`") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AnchorFault(f"{path} holds a key that is not Ed25519", "see `balance-worker anchor-keys`")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AnchorFault(f"{path} cannot be read: {error}", "let it be readable, or name another file") from error
