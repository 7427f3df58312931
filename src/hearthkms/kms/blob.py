"""The ciphertext blob: what Encrypt gives and Decrypt takes. Layout: docs/spec/ciphertext.md.

A blob names its key and the key's material, so that Decrypt finds the key before it authorises. Nothing here
opens a blob.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hearthkms.core.errors import ServiceError
from hearthkms.core.ids import is_key_id

VERSION = 1
SINGLE_REGION = 0
MULTI_REGION = 1

PREFIX_BYTES = 50
"""Version, kind of key id, key id and key material id: the same in all blobs of one backing key."""
MATERIAL_FIELD = slice(18, 50)
"""Where the key material id stands, for a caller that knows the key."""
NONCE_BYTES = 16
IV_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = PREFIX_BYTES + NONCE_BYTES + IV_BYTES
"""All that comes before the ciphertext: 78 bytes."""
MAX_PLAINTEXT = 4096
SHORTEST = HEADER_BYTES + 1 + TAG_BYTES
LONGEST = HEADER_BYTES + MAX_PLAINTEXT + TAG_BYTES
"""4,190 bytes; the KMS API allows 6,144. Source: KMS API reference, Decrypt."""

_MRK = "mrk-"
_NO_CONTEXT = bytes(4)


class _Lengths(dict[int, bytes]):
    """Numbers as 4 bytes, big-endian; the small ones, which nearly all are, are looked up."""

    def __missing__(self, number: int) -> bytes:
        return number.to_bytes(4, "big")


_LENGTHS = _Lengths((n, n.to_bytes(4, "big")) for n in range(256))


class Blob(NamedTuple):
    """The parts of a ciphertext blob.

    `key_id` is a UUID or `mrk-` and 32 hex digits, `material_id` 64 hex digits, `nonce` 16 bytes, `iv` 12,
    and `sealed` the ciphertext followed by its 16-byte tag.
    """

    key_id: str
    material_id: str
    nonce: bytes
    iv: bytes
    sealed: bytes


def parse(data: bytes) -> Blob:
    """The parts of `data`.

    Raises ServiceError InvalidCiphertextException, which has no message, where `data` is not a blob.
    `encode` gives back exactly the same bytes.
    """
    if not SHORTEST <= len(data) <= LONGEST or data[0] != VERSION or data[1] > MULTI_REGION:
        raise ServiceError("InvalidCiphertextException")
    h = data[2:18].hex()
    return Blob(
        _MRK + h if data[1] else f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}",
        data[MATERIAL_FIELD].hex(),
        data[50:66],
        data[66:78],
        data[78:],
    )


def encode(blob: Blob) -> bytes:
    """The bytes of `blob`; raises ValueError where a part has not its form."""
    data = prefix(blob.key_id, blob.material_id) + blob.nonce + blob.iv + blob.sealed
    if len(blob.nonce) != NONCE_BYTES or len(blob.iv) != IV_BYTES or not SHORTEST <= len(data) <= LONGEST:
        raise ValueError("a part of the blob has not its size")
    return data


def prefix(key_id: str, material_id: str) -> bytes:
    """The first 50 bytes of every blob that this material of this key makes."""
    material = bytes.fromhex(material_id)
    if len(material) != 32 or material.hex() != material_id:
        raise ValueError("a key material id is 64 lower-case hex digits")
    return bytes((VERSION,)) + key_field(key_id) + material


def key_field(key_id: str) -> bytes:
    """A key id in 17 bytes: its kind, then its 16 bytes."""
    if not is_key_id(key_id):
        raise ValueError("a key id is a lower-case UUID, or mrk- and 32 hex digits")
    kind = MULTI_REGION if key_id.startswith(_MRK) else SINGLE_REGION
    return bytes((kind,)) + bytes.fromhex(key_id.removeprefix(_MRK).replace("-", ""))


def canonical_context(context: Mapping[str, str]) -> bytes:
    """An encryption context as bytes: equal contexts give equal bytes, and different ones never do.

    The number of pairs, then each pair sorted by name: length and bytes of the name, length and bytes of the
    value. Numbers have 4 bytes, big-endian; text is UTF-8. No context is the same as an empty one.
    Raises UnicodeEncodeError for text that has no UTF-8 form; the wire lets none in.
    """
    if not context:
        return _NO_CONTEXT
    lengths = _LENGTHS
    parts = [lengths[len(context)]]
    # Code points sort as their UTF-8 bytes do.
    for name, value in sorted(context.items()):
        raw_name = name.encode()
        raw_value = value.encode()
        parts += (lengths[len(raw_name)], raw_name, lengths[len(raw_value)], raw_value)
    return b"".join(parts)
