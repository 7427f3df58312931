"""AES-256-GCM, and AES-256-GCM under a key derived afresh for every message."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hearthkms.core.errors import HearthError
from hearthkms.core.secret import Secret
from hearthkms.crypto.kdf import CounterKdf

KEY_BYTES = 32
NONCE_BYTES = 16
"""Bytes of the nonce that a message's key is derived from (128 bits)."""
IV_BYTES = 12
"""Bytes of a GCM initialisation vector (96 bits)."""
TAG_BYTES = 16


class AuthenticityError(HearthError):
    """The bytes, or the data bound to them, are not what was sealed."""


def seal(key: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """AES-256-GCM: the ciphertext and its 128-bit tag.

    `key` has 32 bytes and `iv` 12. A pair of key and IV must never seal two messages.
    Source: NIST SP 800-38D.
    """
    if len(key) != KEY_BYTES or len(iv) != IV_BYTES:
        raise ValueError("AES-256-GCM takes a key of 32 bytes and an IV of 12")
    return AESGCM(key).encrypt(iv, plaintext, aad)


def unseal(key: bytes, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
    """The plaintext that `seal` sealed; raises AuthenticityError where anything differs."""
    if len(key) != KEY_BYTES or len(iv) != IV_BYTES:
        raise ValueError("AES-256-GCM takes a key of 32 bytes and an IV of 12")
    try:
        return AESGCM(key).decrypt(iv, sealed, aad)
    except InvalidTag:
        raise AuthenticityError("the sealed bytes or the data bound to them have changed") from None


class DerivedAead:
    """AES-256-GCM under a one-time key that the counter KDF derives from `key` and a 128-bit nonce.

    Random IVs under one GCM key are safe for 2^32 messages (NIST SP 800-38D, section 8.3). Here the key is
    new for every message, so that this bound falls on no backing key: two messages share a GCM key and an IV
    only if all 224 random bits meet. See docs/decisions/0001-one-key-per-message.md.
    """

    __slots__ = ("_derive",)

    def __init__(self, key: Secret, label: bytes) -> None:
        self._derive = CounterKdf(key, label).derive

    def seal(self, nonce: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """The ciphertext and its 16-byte tag. `nonce` (16 bytes) and `iv` (12) are fresh random bytes."""
        if len(nonce) != NONCE_BYTES or len(iv) != IV_BYTES:
            raise ValueError("a message takes a nonce of 16 bytes and an IV of 12")
        return AESGCM(self._derive(nonce)).encrypt(iv, plaintext, aad)

    def open(self, nonce: bytes, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
        """The plaintext; raises AuthenticityError where anything differs."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError("the nonce has 16 bytes")
        return unseal(self._derive(nonce), iv, sealed, aad)
