"""Sealed records: a secret under a key, bound to what it is for. Layout: docs/spec/key-sealing.md."""

from __future__ import annotations

import os

from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import IV_BYTES, NONCE_BYTES, TAG_BYTES, AuthenticityError, DerivedAead
from hearthkms.crypto.randomness import RandomSource

VERSION = b"\x01"
_IV_AT = 1 + NONCE_BYTES
_BODY_AT = _IV_AT + IV_BYTES
_SHORTEST = _BODY_AT + TAG_BYTES


def bind(*fields: str | int | bytes) -> bytes:
    """`fields` as one byte string that no other list of fields gives.

    Each is preceded by its length in 4 bytes, big-endian; text is UTF-8, numbers are 8 bytes, big-endian.
    """
    parts: list[bytes] = []
    for field in fields:
        if isinstance(field, str):
            raw = field.encode()
        elif isinstance(field, int):
            raw = field.to_bytes(8, "big")
        else:
            raw = field
        parts += (len(raw).to_bytes(4, "big"), raw)
    return b"".join(parts)


class Sealer:
    """Seals secrets under one key; `label` separates this use of the key from others."""

    __slots__ = ("_aead", "_random")

    def __init__(self, key: Secret, label: bytes, random: RandomSource = os.urandom) -> None:
        self._aead = DerivedAead(key, label)
        self._random = random

    def seal(self, secret: Secret, aad: bytes) -> bytes:
        """A record of `secret`, 45 bytes longer, that opens only with the same `aad`."""
        header = VERSION + self._random(NONCE_BYTES + IV_BYTES)
        sealed = self._aead.seal(header[1:_IV_AT], header[_IV_AT:], secret.reveal(), header + aad)
        return header + sealed

    def open(self, record: bytes, aad: bytes) -> Secret:
        """The secret in `record`; raises AuthenticityError where record, key or `aad` is another."""
        if len(record) < _SHORTEST or record[:1] != VERSION:
            raise AuthenticityError("the sealed record is cut short, or of a format that is not known")
        header = record[:_BODY_AT]
        return Secret(self._aead.open(header[1:_IV_AT], header[_IV_AT:], record[_BODY_AT:], header + aad))
