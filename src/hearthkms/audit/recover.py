"""Picking up what a dead worker left: the records after its last checkpoint, and an end for its stream."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hearthkms.audit.chain import ChainFormatError, Position, StoredLine, genesis, link, parse_line
from hearthkms.audit.checkpoint import Checkpoint, Mark, Signer, sign_checkpoint
from hearthkms.audit.head import read_head
from hearthkms.audit.lines import file_lines, lines_backward
from hearthkms.audit.stream import stream_path
from hearthkms.core.errors import HearthError
from hearthkms.core.secret import Secret


class StreamInUseError(HearthError):
    """A living process writes this stream."""


def unfinished_tail(folder: Path, stream: str, after: Position | None = None) -> Iterator[StoredLine]:
    """The records of `stream` that follow `after` (None: all), such as those after its last checkpoint.

    Stops, without an error, at the first line that is unfinished or does not belong to the chain: what a
    crash left there was never answered. A stream without a file has no records. Raises OSError.
    """
    try:
        file = stream_path(folder, stream).open("rb")
    except FileNotFoundError:
        return
    with file:
        for stored, _ in _chained(file, stream, after or Position(0, 0, genesis(stream))):
            yield stored


def _chained(file: BinaryIO, stream: str, after: Position) -> Iterator[tuple[StoredLine, Position]]:
    seq, offset, chain = after
    for line in file_lines(file, offset):
        try:
            stored = parse_line(line.data)
        except ChainFormatError:
            return
        seq += 1
        follows = stored.seq == seq and stored.stream == stream
        if not line.whole or not follows or link(chain, seq, stored.record) != stored.chain:
            return
        chain = stored.chain
        yield stored, Position(seq, line.end or 0, chain)


def seal_dead(folder: Path, stream: str, head_key: Secret, signer: Signer, now: float) -> Checkpoint | None:
    """Sign an end for the stream of a worker that died, so that the registry knows where it ends.

    All records that continue the chain are kept, also those after the head. The state is `closed` where
    the file ends there, `abandoned` where a crash left something behind it; no byte of the file is
    changed. None where file and head do not agree: then nothing is vouched for, and `verify` says what is
    wrong.

    Raises StreamInUseError while a living process writes the stream, and OSError.
    """
    try:
        file = stream_path(folder, stream).open("rb")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StreamInUseError(f"stream {stream} is being written") from error
        head = read_head(folder, stream, head_key).position
        if head is None or not _stands_at(file, stream, head):
            return None
        os.fsync(file.fileno())
        last = head
        for _, reached in _chained(file, stream, head):
            last = reached
        whole = last.offset == os.fstat(file.fileno()).st_size
        return sign_checkpoint(Mark(stream, "closed" if whole else "abandoned", last), signer, now)


def _stands_at(file: BinaryIO, stream: str, position: Position) -> bool:
    """Whether the record before byte `position.offset` is the one that `position` names."""
    if position.seq == 0:
        return position == Position(0, 0, genesis(stream))
    line = next(lines_backward(file, position.offset), None)
    if line is None or line.end != position.offset:
        return False
    try:
        stored = parse_line(line.data)
    except ChainFormatError:
        return False
    return (stored.stream, stored.seq, stored.chain) == (stream, position.seq, position.chain)
