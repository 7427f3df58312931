"""Checkpoints: signed statements of how far a stream has come, which an auditor checks with a public key
alone.

The registry of streams is made of them: the first one of a stream says that it was opened, the last one
that it ended, so a stream whose file is deleted is noticed. docs/spec/audit-chain.md has the bytes that
are signed.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from hearthkms.audit.chain import CHAIN_SIZE, MAX_SEQ, STREAM_NAME, ChainFormatError, Position
from hearthkms.core.errors import HearthError
from hearthkms.core.secret import Secret

CHECKPOINT_LABEL = b"HearthKMS audit sign 1\n"

State = Literal["opened", "running", "closed", "abandoned"]
"""`opened`: the stream begins. `running`: it goes on. `closed`: it ended here, and nothing may follow.
`abandoned`: it ended here because its disk or its process failed; bytes may follow that were never
answered."""

_NUMBERS = struct.Struct(">QQ32sQ")


class CheckpointError(HearthError):
    """A checkpoint is malformed, or its signature is not valid."""


class Mark(NamedTuple):
    """What a checkpoint says, before it is signed. `previous` names the stream that this one continues,
    or ""."""

    stream: str
    state: State
    position: Position
    previous: str = ""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed checkpoint. `chain` is 64 hex digits, `time` milliseconds since the epoch."""

    stream: str
    state: State
    previous: str
    seq: int
    offset: int
    chain: str
    time: int
    key_id: str
    signature: bytes

    @property
    def position(self) -> Position:
        """The place in the stream that is vouched for."""
        return Position(self.seq, self.offset, bytes.fromhex(self.chain))


@dataclass(frozen=True, slots=True)
class Signer:
    """The deployment's Ed25519 key for checkpoints: its id, and the function that signs with it."""

    key_id: str
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Keys:
    """What is needed to verify.

    `public_keys` holds raw 32-byte Ed25519 public keys by key id. `check(public key, message, signature)`
    raises ValueError where a signature is not valid. Without `head_key` (it is a secret of the
    deployment, which an outside auditor does not get) heads are not looked at.
    """

    public_keys: Mapping[str, bytes]
    check: Callable[[bytes, bytes, bytes], None]
    head_key: Secret | None = None


def key_id(public_key: bytes) -> str:
    """The name of a checkpoint key: the first 16 bytes, in hex, of the SHA-256 of the raw public key."""
    return hashlib.sha256(public_key).hexdigest()[:32]


def signed_bytes(mark: Mark, time: int) -> bytes:
    """What is signed: label; stream, state and previous stream, each with its length; the numbers."""
    position = mark.position
    if (
        len(position.chain) != CHAIN_SIZE
        or not 0 <= position.seq <= MAX_SEQ
        or not 0 <= position.offset <= MAX_SEQ
    ):
        raise CheckpointError("a checkpoint's position is out of range")
    texts = (text.encode() for text in (mark.stream, mark.state, mark.previous))
    named = b"".join(len(text).to_bytes(8, "big") + text for text in texts)
    return CHECKPOINT_LABEL + named + _NUMBERS.pack(position.seq, position.offset, position.chain, time)


def sign_checkpoint(mark: Mark, signer: Signer, now: float) -> Checkpoint:
    """Sign `mark` as of `now` (seconds since the epoch). The ledger's marks have offset 0."""
    time = int(now * 1000)
    position = mark.position
    return Checkpoint(
        stream=mark.stream,
        state=mark.state,
        previous=mark.previous,
        seq=position.seq,
        offset=position.offset,
        chain=position.chain.hex(),
        time=time,
        key_id=signer.key_id,
        signature=signer.sign(signed_bytes(mark, time)),
    )


def check_checkpoint(checkpoint: Checkpoint, keys: Keys) -> None:
    """Raise CheckpointError unless a known key signed exactly this."""
    public_key = keys.public_keys.get(checkpoint.key_id)
    if public_key is None:
        raise CheckpointError(f"no public key {checkpoint.key_id} is known")
    names = [checkpoint.stream, *([checkpoint.previous] if checkpoint.previous else [])]
    if (
        not all(STREAM_NAME.fullmatch(name) for name in names)
        or not 0 <= checkpoint.time <= MAX_SEQ
        or re.fullmatch(r"[0-9a-f]{64}", checkpoint.chain) is None
    ):
        raise CheckpointError("a member is out of range")
    mark = Mark(checkpoint.stream, checkpoint.state, checkpoint.position, checkpoint.previous)
    message = signed_bytes(mark, checkpoint.time)
    try:
        keys.check(public_key, message, checkpoint.signature)
    except ValueError as error:
        raise CheckpointError("the signature is not valid") from error


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as one JSON object, the form in which it is stored and handed to auditors."""
    return msgspec.json.encode(checkpoint)


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Read what `encode_checkpoint` wrote, and nothing else; raises ChainFormatError."""
    try:
        checkpoint = msgspec.json.decode(data, type=Checkpoint)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ChainFormatError(f"not a checkpoint: {error}") from error
    if encode_checkpoint(checkpoint) != data:
        raise ChainFormatError("not a checkpoint in its one encoding")
    return checkpoint
