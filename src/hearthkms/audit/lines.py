"""Reading stored lines from a stream's file, with their places, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from hearthkms.audit.chain import MAX_LINE

_PIECE = 1 << 16


class Line(NamedTuple):
    """One line as it stands there, without its line end.

    `offset` and `end` are bytes in the file, None for the ledger. `number` is the number under which the
    ledger keeps the line, None for a file. `whole` is False where the file ends without a line end. A
    line longer than MAX_LINE is cut to that and so cannot be read as a record.
    """

    data: bytes
    offset: int | None = None
    end: int | None = None
    number: int | None = None
    whole: bool = True


def file_lines(file: BinaryIO, offset: int = 0) -> Iterator[Line]:
    """The lines of `file` from byte `offset` (the start of a line) on."""
    file.seek(offset)
    while data := file.readline(MAX_LINE + 2):
        end = offset + len(data)
        piece = data
        while not piece.endswith(b"\n") and (piece := file.readline(_PIECE)):
            end += len(piece)  # the rest of a line that is too long is passed over, not kept
        whole = piece.endswith(b"\n")
        yield Line(data[:-1] if data.endswith(b"\n") else data, offset, end, None, whole)
        offset = end


def lines_backward(file: BinaryIO, end: int) -> Iterator[Line]:
    """The whole lines that end at or before byte `end`, the last one first.

    Ends before a line longer than MAX_LINE.
    """
    stop = end  # the bytes from `start` to `stop` are in `held`; `stop` follows a line end, once one was met
    start, held, met = end, b"", False
    while True:
        cut = held.rfind(b"\n", 0, -1 if met else None)
        if cut >= 0:
            if met:
                yield Line(held[cut + 1 : -1], start + cut + 1, stop)
            held, stop, met = held[: cut + 1], start + cut + 1, True
        elif start == 0 or len(held) > MAX_LINE + 1:
            if met and start == 0:
                yield Line(held[:-1], 0, stop)
            return
        else:
            size = min(_PIECE, start)
            start -= size
            file.seek(start)
            held = file.read(size) + held
