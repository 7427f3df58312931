"""From an answer to its bytes, as AWS JSON 1.1 writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hearthkms.core.secret import Secret


def _reveal(value: Any) -> bytes:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"an answer holds a {type(value).__name__}, which has no form on the wire")


_encode = msgspec.json.Encoder(enc_hook=_reveal).encode


def encode(response: Mapping[str, Any] | None) -> bytes:
    """The body of a successful answer: empty for a void operation, else one JSON object.

    Bytes and Secrets become base64; this is the only place where an answer's secrets are revealed. Timestamps
    are numbers, seconds since the epoch. Absent members must be absent: None would be written as null. Raises
    TypeError for a value that has no form on the wire.
    """
    return b"" if response is None else _encode(response)


def encode_error(name: str, message: str | None, *, capital: bool = False) -> bytes:
    """The body of an error: `__type`, and `message` (`Message` where `capital`) unless there is none."""
    if message is None:
        return _encode({"__type": name})
    return _encode({"__type": name, "Message" if capital else "message": message})
