"""Ed25519 (RFC 8032): keys, signatures and their verification."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hearthkms.core.errors import HearthError
from hearthkms.core.secret import Secret

SEED_SIZE = 32
PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64


class BadSignatureError(HearthError, ValueError):
    """A signature is not this key's signature of this message."""


def public_key(seed: Secret) -> bytes:
    """The raw 32-byte public key of the private key `seed` (32 random bytes)."""
    return Ed25519PrivateKey.from_private_bytes(seed.reveal()).public_key().public_bytes_raw()


def sign(seed: Secret, message: bytes) -> bytes:
    """The 64-byte signature of `message`, RFC 8032 section 5.1.6. Deterministic."""
    return Ed25519PrivateKey.from_private_bytes(seed.reveal()).sign(message)


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise BadSignatureError unless `signature` is that of `message` under the raw public key `public`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise BadSignatureError("the Ed25519 signature is not valid") from error
