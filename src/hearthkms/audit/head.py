"""The head of a stream: a small authenticated file that says how far the stream has come.

It survives the death of the process, and shows `verify` where records were cut off at the end. Two slots
are written in turn, so that a slot torn by a crash leaves the one before it. docs/spec/audit-chain.md has
the bytes.
"""

from __future__ import annotations

import errno
import hmac
import os
import struct
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from hearthkms.audit.chain import MAX_SEQ, Position
from hearthkms.audit.disk import write_all
from hearthkms.core.secret import Secret

HEAD_LABEL = b"HearthKMS audit head 1\n"
MAGIC = b"HKHEAD1\n"
SLOT_DISTANCE = 4096
"""Bytes between the starts of the slots: no disk tears a larger unit, so a crash breaks one of them only."""

_BODY = struct.Struct(">8sQQ32s")
MAC_SIZE = 32
SLOT_SIZE = _BODY.size + MAC_SIZE


class HeadStatus(StrEnum):
    """What reading a head gave."""

    VALID = "valid"
    TORN = "torn"
    """One slot is broken, as a crash in the middle of writing it leaves it; the other one holds."""
    INVALID = "invalid"
    MISSING = "missing"


class HeadReading(NamedTuple):
    """A head as read: its status, and the position where it is VALID or TORN."""

    status: HeadStatus
    position: Position | None


def head_path(folder: Path, stream: str) -> Path:
    """Where the head of `stream` is."""
    return folder / f"{stream}.head"


def _mac(key: Secret, stream: str) -> hmac.HMAC:
    """HMAC-SHA-256 that has taken what is the same for every slot of a stream."""
    name = stream.encode()
    return hmac.new(key.reveal(), HEAD_LABEL + len(name).to_bytes(8, "big") + name, "sha256")


def _slot(mac: hmac.HMAC, position: Position) -> bytes:
    body = _BODY.pack(MAGIC, position.seq, position.offset, position.chain)
    own = mac.copy()
    own.update(body)
    return body + own.digest()


def _opened(mac: hmac.HMAC, slot: bytes) -> Position | None:
    if len(slot) != SLOT_SIZE:
        return None
    magic, seq, offset, chain = _BODY.unpack_from(slot)
    if magic != MAGIC or seq > MAX_SEQ or offset > MAX_SEQ:
        return None
    position = Position(seq, offset, chain)
    return position if hmac.compare_digest(_slot(mac, position), slot) else None


class HeadFile:
    """The head of a stream that is being written, by one thread at a time.

    It is written with pwrite and not through a memory map: both reach the page cache and so outlive the
    process, but a failing disk gives pwrite an error to handle, and gives a store into a map SIGBUS,
    which kills the worker.
    """

    __slots__ = ("_fd", "_mac", "_next")

    def __init__(self, folder: Path, stream: str, key: Secret, start: Position) -> None:
        """Create the head file with both slots at `start`. Raises OSError."""
        self._mac = _mac(key, stream)
        self._next = 0
        slot = _slot(self._mac, start)
        path = head_path(folder, stream)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o600)
        try:
            # Both blocks are allocated now, so that a full disk cannot stop a later update of the head.
            write_all(self._fd, slot.ljust(SLOT_DISTANCE, b"\0") * 2)
            os.fsync(self._fd)
        except OSError:
            os.close(self._fd)
            path.unlink(missing_ok=True)
            raise

    def write(self, position: Position) -> None:
        """Put `position` into the older slot. Raises OSError."""
        if os.pwrite(self._fd, _slot(self._mac, position), self._next) != SLOT_SIZE:
            raise OSError(errno.EIO, "short write to the head of an audit stream")
        self._next = SLOT_DISTANCE - self._next

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def read_head(folder: Path, stream: str, key: Secret) -> HeadReading:
    """The newest position whose MAC holds. Raises OSError where the file is there and cannot be read."""
    try:
        with head_path(folder, stream).open("rb") as file:
            data = file.read(2 * SLOT_DISTANCE)
    except FileNotFoundError:
        return HeadReading(HeadStatus.MISSING, None)
    mac = _mac(key, stream)
    slots = [_opened(mac, data[start : start + SLOT_SIZE]) for start in (0, SLOT_DISTANCE)]
    good = [position for position in slots if position is not None]
    if not good:
        return HeadReading(HeadStatus.INVALID, None)
    return HeadReading(HeadStatus.VALID if len(good) == 2 else HeadStatus.TORN, max(good))
