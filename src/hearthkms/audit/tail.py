"""Reading the trail as people do: the records of all streams and of the ledger, by time, and as they come."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hearthkms.audit.chain import ChainFormatError, parse_line
from hearthkms.audit.findings import event_names
from hearthkms.audit.lines import Line, file_lines, lines_backward


class Entry(NamedTuple):
    """A record and its place. Entries compare by time, then stream, then number."""

    time: str
    """`eventTime`: RFC 3339 in UTC with whole seconds, so it sorts as text. Empty where it cannot be read."""
    stream: str
    seq: int
    record: bytes


def entry_of(line: bytes) -> Entry | None:
    """The entry of a stored line (without its line end); None where it is no such line."""
    try:
        stored = parse_line(line)
    except ChainFormatError:
        return None
    return record_entry(stored.stream, stored.seq, stored.record)


def record_entry(stream: str, seq: int, record: bytes) -> Entry:
    """The entry of a record, such as one of the ledger."""
    return Entry(event_names(record)[1] or "", stream, seq, record)


def stream_entries(file: BinaryIO, offset: int = 0) -> Iterator[Entry]:
    """The entries of a stream's file from byte `offset` on, without the lines that cannot be read."""
    for line in file_lines(file, offset):
        entry = entry_of(line.data) if line.whole else None
        if entry is not None:
            yield entry


def merged(sources: Iterable[Iterable[Entry]]) -> Iterator[Entry]:
    """The entries of all sources by time. Each source is in its own order, which is kept."""
    return merge(*sources, key=lambda entry: entry.time)


def last_entries(folder: Path, count: int, ledger: Iterable[Entry] = ()) -> list[Entry]:
    """The last `count` entries of the streams in `folder` and of `ledger`, whose last entries are given."""
    sources: list[list[Entry]] = [list(ledger)]
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = (entry_of(line.data) for line in lines_backward(file, size))
            sources.append(list(islice((entry for entry in found if entry is not None), count))[::-1])
    together = list(merged(sources))
    return together[len(together) - min(count, len(together)) :]


class Follower:
    """Follows the streams of a folder; the caller decides how often to look.

    It shows records as they are written, so in strict mode possibly one whose call is then refused
    because the disk failed.
    """

    def __init__(self, folder: Path, *, from_end: bool = True) -> None:
        """Start at the present end of each stream, or at its start; later streams are read whole."""
        self._folder = folder
        self._offsets: dict[Path, int] = {}
        if from_end:
            for path in folder.glob("*.jsonl"):
                with path.open("rb") as file:
                    last = next(lines_backward(file, os.fstat(file.fileno()).st_size), Line(b"", end=0))
                    self._offsets[path] = last.end or 0

    def poll(self) -> list[Entry]:
        """What was added since the last call, by time."""
        return list(merged([self._added(path) for path in sorted(self._folder.glob("*.jsonl"))]))

    def _added(self, path: Path) -> list[Entry]:
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                offset = min(
                    self._offsets.get(path, 0), size
                )  # smaller than before: a refused write was undone
                added = [line for line in file_lines(file, offset) if line.whole]
        except FileNotFoundError:
            return []
        self._offsets[path] = (added[-1].end or 0) if added else offset
        return [entry for entry in (entry_of(line.data) for line in added) if entry is not None]
