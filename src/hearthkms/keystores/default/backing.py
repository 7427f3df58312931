"""A backing key, opened: one version of a KMS key's material. Layout: docs/spec/ciphertext.md."""

from __future__ import annotations

from collections.abc import Mapping

from hearthkms.core.errors import ServiceError
from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError, DerivedAead
from hearthkms.crypto.kdf import CounterKdf
from hearthkms.kms import blob
from hearthkms.kms.blob import HEADER_BYTES, LONGEST, MAX_PLAINTEXT, NONCE_BYTES, PREFIX_BYTES, SHORTEST

BACKING_KEY_BYTES = 32
RANDOM_BYTES = NONCE_BYTES + blob.IV_BYTES
"""Fresh random bytes that a message takes: the KDF nonce, then the IV."""

_IV_AT = PREFIX_BYTES + NONCE_BYTES
_MESSAGE_LABEL = b"HearthKMS message key v1"
_MATERIAL_ID_LABEL = b"HearthKMS key material id v1"


def material_id(key_id: str, secret: Secret) -> str:
    """The id of this material in this key: 64 hex digits, derived one-way.

    The same bytes in two keys have different ids. Source: KMS API reference, KeyMaterialId.
    """
    return CounterKdf(secret, _MATERIAL_ID_LABEL).derive(blob.key_field(key_id)).hex()


class BackingKey:
    """Encrypts and decrypts messages under one version of a key's material."""

    __slots__ = ("_aead", "_prefix", "material_id")

    def __init__(self, key_id: str, secret: Secret) -> None:
        if len(secret) != BACKING_KEY_BYTES:
            raise ValueError(f"the backing key of a symmetric key has {BACKING_KEY_BYTES} bytes")
        self.material_id = material_id(key_id, secret)
        self._prefix = blob.prefix(key_id, self.material_id)
        self._aead = DerivedAead(secret, _MESSAGE_LABEL)

    def encrypt(self, plaintext: bytes, context: Mapping[str, str], random: bytes) -> bytes:
        """The ciphertext blob of 1 to 4,096 bytes; `random` is 28 bytes that were never used before."""
        if not 0 < len(plaintext) <= MAX_PLAINTEXT or len(random) != RANDOM_BYTES:
            raise ValueError("a message has 1 to 4,096 bytes, and takes 28 random bytes")
        header = self._prefix + random
        return header + self._aead.seal(
            random[:NONCE_BYTES], random[NONCE_BYTES:], plaintext, header + blob.canonical_context(context)
        )

    def decrypt(self, data: bytes, context: Mapping[str, str]) -> bytes:
        """The plaintext of a blob; raises ServiceError InvalidCiphertextException where anything differs."""
        if not SHORTEST <= len(data) <= LONGEST or not data.startswith(self._prefix):
            raise ServiceError("InvalidCiphertextException")
        try:
            return self._aead.open(
                data[PREFIX_BYTES:_IV_AT],
                data[_IV_AT:HEADER_BYTES],
                data[HEADER_BYTES:],
                data[:HEADER_BYTES] + blob.canonical_context(context),
            )
        except AuthenticityError:
            raise ServiceError("InvalidCiphertextException") from None
