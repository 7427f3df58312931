"""The hash chain that audit records hang on, and the stored line that carries a record with its place in it.

Streams in files and the ledger in the database share this format; docs/spec/audit-chain.md specifies
every byte.
"""

from __future__ import annotations

import re
import struct
from binascii import hexlify
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from hearthkms.core.errors import HearthError

CHAIN_SIZE = 32
"""Bytes of a chain value: one SHA-256."""
MAX_SEQ = 2**63 - 1
"""The largest sequence number: what a signed 64-bit column holds."""
MAX_LINE = 4 * 1024 * 1024
"""Bytes of the longest stored line, without its line end."""

STREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
"""A stream's name: needs no escaping in JSON, in a file name or on a command line."""

# Both labels have the same length and differ, so no input of one hash can be an input of the other.
GENESIS_LABEL = b"HearthKMS audit seed 1\n"
LINK_LABEL = b"HearthKMS audit link 1\n"

_LINE_END = 0x0A
"""As a number: looking for one is ten times faster than looking for b"\\n"."""

_LINK_HEAD = struct.Struct(">23s32sQQ").pack
_TRAILER = re.compile(
    rb',"stream":"([A-Za-z0-9][A-Za-z0-9._-]{0,119})","seq":([1-9][0-9]{0,18}),"chain":"([0-9a-f]{64})"\}'
)


class ChainFormatError(HearthError, ValueError):
    """A stored line or a record does not have the form that docs/spec/audit-chain.md gives."""


class Position(NamedTuple):
    """A place in a stream: after record `seq`, which ends at byte `offset` and left the chain at `chain`.

    `seq` 0 is the start: offset 0, and the chain is the stream's genesis. The ledger has no bytes, so its
    offsets are 0.
    """

    seq: int
    offset: int
    chain: bytes


class StoredLine(NamedTuple):
    """A stored line, taken apart."""

    stream: str
    seq: int
    chain: bytes
    record: bytes


def check_stream_name(stream: str) -> str:
    """`stream`, if it is a valid stream name; raises ChainFormatError where it is not."""
    if STREAM_NAME.fullmatch(stream) is None:
        raise ChainFormatError(f"not a stream name: {stream!r}")
    return stream


def genesis(stream_id: str) -> bytes:
    """The chain value before a stream's first record: SHA-256(label ‖ be64 length ‖ name)."""
    name = check_stream_name(stream_id).encode()
    return sha256(GENESIS_LABEL + len(name).to_bytes(8, "big") + name).digest()


def link_input(previous: bytes, seq: int, record: bytes) -> bytes:
    """What is hashed for a link: label ‖ previous chain (32) ‖ be64 seq ‖ be64 length of the record ‖ record.

    Every part but the last has a fixed size and the last one's size is among them, so different arguments
    give different bytes.
    """
    if len(previous) != CHAIN_SIZE or not 1 <= seq <= MAX_SEQ:
        raise ChainFormatError("a link needs a 32-byte chain value and a sequence number from 1")
    return _LINK_HEAD(LINK_LABEL, previous, seq, len(record)) + record


def link(previous: bytes, seq: int, record: bytes) -> bytes:
    """The chain value of record number `seq`, given the chain value of the record before it (32 bytes)."""
    return sha256(link_input(previous, seq, record)).digest()


def build_line(stream: str, seq: int, chain: bytes, record: bytes) -> bytes:
    """The stored line, without a line end: the record's object with `stream`, `seq` and `chain` added at
    its end.

    Raises ChainFormatError where the record is not a non-empty JSON object on one line, or a part is out
    of range.
    """
    _check_record(record)
    if len(chain) != CHAIN_SIZE or not 1 <= seq <= MAX_SEQ:
        raise ChainFormatError("a line needs a 32-byte chain value and a sequence number from 1")
    trailer = f',"stream":"{check_stream_name(stream)}","seq":{seq},"chain":"{chain.hex()}"}}'
    return record[:-1] + trailer.encode()


def parse_line(line: bytes) -> StoredLine:
    """Take a stored line (without its line end) apart; `build_line` of the parts is `line` again.

    Raises ChainFormatError where it is not exactly what `build_line` writes.
    """
    cut = line.rfind(b',"stream":"')
    match = _TRAILER.fullmatch(line, cut) if cut > 0 else None
    if match is None:
        raise ChainFormatError("not a stored audit line")
    seq = int(match[2])
    if seq > MAX_SEQ:
        raise ChainFormatError("the sequence number is too large")
    record = line[:cut] + b"}"
    _check_record(record)
    return StoredLine(match[1].decode(), seq, bytes.fromhex(match[3].decode()), record)


def _check_record(record: bytes) -> None:
    if len(record) <= 2 or record[:1] != b"{" or record[-1:] != b"}" or b"\n" in record:
        raise ChainFormatError("a record is a non-empty JSON object on one line")


def extend(stream: bytes, position: Position, records: Sequence[bytes]) -> tuple[bytes, Position]:
    """Stored lines with line ends for `records` that follow `position`, as one piece, and the position
    after them.

    The same bytes as `link` and `build_line` give, an inlined copy because it runs for every request.
    `stream` is a valid stream name in ASCII; the records are the encoder's.
    """
    seq, offset, chain = position
    head, label = _LINK_HEAD, LINK_LABEL
    before = b',"stream":"' + stream + b'","seq":'
    parts: list[bytes] = []
    for record in records:
        if _LINE_END in record:
            raise ChainFormatError("a record holds a line end")
        seq += 1
        chain = sha256(head(label, chain, seq, len(record)) + record).digest()
        parts += (record[:-1], before, b'%d,"chain":"%b"}\n' % (seq, hexlify(chain)))
    data = b"".join(parts)
    return data, Position(seq, offset + len(data), chain)
