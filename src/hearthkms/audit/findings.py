"""What verification finds: findings, notes, and the report that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

import msgspec

from hearthkms.audit.chain import Position

MAX_FINDINGS = 1000
"""Findings that a report lists; more are counted, so that verification needs constant memory."""


class Kind(StrEnum):
    """What is wrong."""

    EDITED = "edited"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    APPENDED = "appended"
    REWRITTEN = "rewritten"
    FOREIGN = "foreign"
    STREAM_MISSING = "stream missing"
    STREAM_UNKNOWN = "stream unknown"
    HEAD_MISSING = "head missing"
    HEAD_INVALID = "head invalid"
    CHECKPOINT_INVALID = "checkpoint invalid"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a stream.

    `seq` and `count` name the records: `count` of them from `seq` on; None where no record can be named.
    `offset` is the byte in the file where the first of them stands, or should stand. `event_id` and
    `event_time` are those of the first record as it stands there, where it can be read.
    """

    kind: Kind
    stream: str
    detail: str
    seq: int | None = None
    count: int = 1
    offset: int | None = None
    event_id: str | None = None
    event_time: str | None = None

    def describe(self) -> str:
        """One line for people."""
        words: list[str] = []
        if self.seq is not None:
            last = self.seq + self.count - 1
            words.append(f"record {self.seq}" if self.count == 1 else f"records {self.seq} to {last}")
        if self.offset is not None:
            words.append(f"at byte {self.offset}")
        if self.event_id is not None:
            words.append(f"(event {self.event_id} of {self.event_time})")
        return ": ".join(filter(None, (self.stream, self.kind, " ".join(words), self.detail)))


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth saying that is not tampering, such as a line that a crash left unfinished."""

    stream: str
    detail: str
    seq: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome for one stream.

    `records` stand in their places, `last` is the last place reached, and `findings` are what is wrong.
    """

    stream: str
    records: int
    last: Position
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    unlisted: int = 0
    """Findings beyond MAX_FINDINGS, counted only."""

    @property
    def ok(self) -> bool:
        """Whether nothing at all was found."""
        return not self.findings and not self.unlisted


class _Names(msgspec.Struct, gc=False):
    eventID: str | None = None
    eventTime: str | None = None


def event_names(record: bytes) -> tuple[str | None, str | None]:
    """`eventID` and `eventTime` of a record, as far as they can be read."""
    try:
        names = msgspec.json.decode(record, type=_Names)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, None
    return names.eventID, names.eventTime


def is_json_object(record: bytes) -> bool:
    """Whether `record` is one JSON object."""
    try:
        msgspec.json.decode(record, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


@dataclass(slots=True)
class Findings:
    """Collects the findings of one stream, and joins those that have one cause."""

    listed: list[Finding] = field(default_factory=list)
    strays: list[Finding] = field(default_factory=list)
    unlisted: int = 0
    _run_ends_at: int | None = None

    def add(self, finding: Finding) -> None:
        """Keep `finding`."""
        if len(self.listed) + len(self.strays) < MAX_FINDINGS:
            self.listed.append(finding)
        else:
            self.unlisted += 1

    def add_stray(self, finding: Finding, end: int | None) -> None:
        """Keep a line that stands where it does not belong; `end` is the byte after it.

        Lines that follow each other, in the file and in their numbers, become one finding.
        """
        last = self.strays[-1] if self.strays else None
        if (
            last is not None
            and last.kind == finding.kind
            and self._run_ends_at is not None
            and finding.offset == self._run_ends_at
            and last.seq is not None
            and finding.seq == last.seq + last.count
        ):
            self.strays[-1] = replace(last, count=last.count + 1)
        elif len(self.listed) + len(self.strays) < MAX_FINDINGS:
            self.strays.append(finding)
        else:
            self.unlisted += 1
        self._run_ends_at = end

    def settle(self) -> list[Finding]:
        """All findings; a record missing in one place and standing in another was moved, which is one."""
        moved = [
            _span(stray) for stray in self.strays if stray.kind is Kind.INSERTED and stray.seq is not None
        ]
        reordered: list[tuple[int, int]] = []
        found: list[Finding] = []
        for finding in self.listed:
            if finding.kind not in (Kind.MISSING, Kind.TRUNCATED):
                found.append(finding)
                continue
            for start, end, elsewhere in _cut(_span(finding), moved):
                if elsewhere:
                    reordered.append((start, end))
                else:
                    found.append(replace(finding, seq=start, count=end - start))
        for stray in self.strays:
            found.extend(_renamed(stray, reordered))
        return sorted(found, key=lambda one: (one.seq is None, one.seq or 0, one.offset or 0))


def _span(finding: Finding) -> tuple[int, int]:
    """The records of `finding`: the first one, and the one after the last."""
    first = finding.seq or 0
    return first, first + finding.count


def _cut(span: tuple[int, int], others: list[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """`span` in pieces (start, end, whether it lies in one of `others`)."""
    first, last = span
    touching = [(max(first, start), min(last, end)) for start, end in others if start < last and end > first]
    edges = sorted({first, last, *(edge for piece in touching for edge in piece)})
    pieces: list[tuple[int, int, bool]] = []
    for start, end in pairwise(edges):
        inside = any(left <= start and end <= right for left, right in touching)
        if pieces and pieces[-1][2] == inside:
            pieces[-1] = (pieces[-1][0], end, inside)
        else:
            pieces.append((start, end, inside))
    return pieces


def _renamed(stray: Finding, reordered: list[tuple[int, int]]) -> list[Finding]:
    """`stray`, with those of its records that are missing in their own place called REORDERED."""
    if stray.kind is not Kind.INSERTED or stray.seq is None:
        return [stray]
    parts: list[Finding] = []
    for start, end, moved in _cut(_span(stray), reordered):
        part = replace(stray, seq=start, count=end - start)
        if moved:
            part = replace(part, kind=Kind.REORDERED, detail="it stands in another place than its own")
        if start != stray.seq:
            part = replace(part, offset=None, event_id=None, event_time=None)
        parts.append(part)
    return parts
