"""Walking along a chain: tells what was done to it, not only that something was.

Every line carries its own chain value. A line that does not fit what stands before it leaves a few
explanations open (it was edited, lines before it are gone, it was inserted), and each of them says which
chain value the next line has to follow. The next line decides, so one act gives one finding and the walk
goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from hearthkms.audit.chain import ChainFormatError, Position, StoredLine, genesis, link, parse_line
from hearthkms.audit.findings import Finding, Findings, Kind, event_names, is_json_object
from hearthkms.audit.lines import Line


class Anchor(NamedTuple):
    """A place in the stream that something authenticated vouches for: a checkpoint, or the head."""

    seq: int
    chain: bytes
    source: str


class _Way(NamedTuple):
    """One explanation of the lines so far: where the stream stands if it is true, and what it finds."""

    seq: int
    chain: bytes
    end: int
    """Bytes up to and including record `seq`."""
    records: int
    finding: Finding | None = None
    stray_end: int | None = None
    """The byte after the line that is out of place, where the finding is about such a line."""
    damage: tuple[int | None, int] | None = None
    """Unreadable lines that this explanation leaves unexplained."""
    vouched: bool = False
    """Whether an anchor says that this is the chain value."""


class ChainWalk:
    """Follows one stream: give each line to `step`, in order, then call `finish`."""

    def __init__(self, stream: str, anchors: Iterator[Anchor]) -> None:
        """Start before the first record of `stream`. `anchors` come in order of seq."""
        self.findings = Findings()
        self.torn: Line | None = None
        """The last line, where it has no line end."""
        self.vouched: Anchor | None = None
        """The last anchor met; after `finish`, the last of all."""
        self.stream = stream
        self._anchors = anchors
        self._anchor = next(anchors, None)
        self._matched = 0
        self._astray = False
        self._ways: list[_Way] = []
        self._before: _Way | None = None
        self._last: tuple[Line, StoredLine] | None = None
        self._damage: tuple[int | None, int] | None = None
        """The lines that cannot be read since the last that could: where they begin, and how many."""
        self._decide(_Way(0, genesis(stream), 0, 0))

    @property
    def position(self) -> Position:
        """The last record that stands in its place."""
        way = self._ways[0]
        return Position(way.seq, way.end, way.chain)

    @property
    def records(self) -> int:
        """How many records stand in their places."""
        return self._ways[0].records

    def step(self, line: Line) -> None:
        """Take the next line."""
        if not line.whole:
            self.torn = line
            return
        try:
            stored = parse_line(line.data)
        except ChainFormatError:
            self._unreadable(line)
            return
        if not (self._follows(line, stored) or self._doubles(line, stored)):
            self._stands_out(line, stored)

    def finish(self) -> None:
        """The lines have ended: report what is open, and what anchors say should have followed."""
        self._decide(self._ways[0])
        while self._anchor is not None:
            self._advance()
        seq, end, _ = self.position
        until = self.vouched.seq if self.vouched is not None else 0
        if self._damage is not None:
            detail, (offset, _) = "from here to the end nothing can be read", self._damage
            kind = Kind.EDITED if until > seq else Kind.APPENDED
            self.findings.add(Finding(kind, self.stream, detail, seq + 1, max(1, until - seq), offset))
        elif until > seq and self.vouched is not None:
            detail = f"the {self.vouched.source} says that more was written"
            self.findings.add(Finding(Kind.TRUNCATED, self.stream, detail, seq + 1, until - seq, end))

    # a line that fits

    def _follows(self, line: Line, stored: StoredLine) -> bool:
        for way in self._ways:
            # The number is among what is hashed, so a changed `seq` or `stream` cannot hide the true record.
            if link(way.chain, way.seq + 1, stored.record) == stored.chain:
                self._decide(way)
                self._accept(line, stored, way)
                return True
        return False

    def _accept(self, line: Line, stored: StoredLine, before: _Way) -> None:
        seq = before.seq + 1
        if self._damage is not None:
            offset, count = self._damage
            self.findings.add(
                Finding(Kind.INSERTED, self.stream, "lines that are no records", None, count, offset)
            )
            self._damage = None
        wrong = []
        if stored.stream != self.stream:
            wrong.append("its stream was changed")
        if stored.seq != seq:
            wrong.append("its seq was changed")
        if line.number not in (None, seq):
            wrong.append("it is kept under another number")
        if wrong:
            self.findings.add(self._finding(Kind.EDITED, " and ".join(wrong), line, stored, seq))
        way = _Way(seq, stored.chain, line.end or 0, before.records + 1)
        self._before, self._last = before, (line, stored)
        self._ways = self._meet(way)

    def _doubles(self, line: Line, stored: StoredLine) -> bool:
        """Whether this line and the one before it both follow the record before them."""
        before, last, now = self._before, self._last, self._ways[0]
        if (
            before is None
            or last is None
            or link(before.chain, before.seq + 1, stored.record) != stored.chain
        ):
            return False
        self._before = None
        if stored.chain == now.chain:
            self._stray(
                line, self._finding(Kind.INSERTED, "a copy of the line before it", line, stored, now.seq)
            )
            return True
        detail = "two lines claim this number, and nothing follows this one"
        this = self._finding(Kind.INSERTED, detail, line, stored, now.seq)
        that = self._finding(Kind.INSERTED, detail, *last, now.seq)
        second = now._replace(chain=stored.chain, end=line.end or 0, finding=that, stray_end=last[0].end)
        if any(way.vouched and way.chain == stored.chain for way in self._ways):
            self._ways = [second._replace(vouched=True)]
            return True
        if now.finding is not None:
            self.findings.add(now.finding)
        self._ways = [now._replace(finding=this, stray_end=line.end), second]
        return True

    # a line that does not fit

    def _unreadable(self, line: Line) -> None:
        offset, count = self._damage or (line.offset, 0)
        self._damage = offset, count + 1

    def _stands_out(self, line: Line, stored: StoredLine) -> None:
        if stored.stream != self.stream:
            self._stray(line, self._finding(Kind.FOREIGN, f"a line of stream {stored.stream}", line, stored))
            return
        lower = [way for way in self._ways if way.seq < stored.seq]
        if not lower:
            self._stray(line, self._finding(Kind.INSERTED, "its number was there already", line, stored))
            return
        nearest = max(lower, key=lambda way: way.seq)
        jumps = nearest.seq + 1 != stored.seq
        if jumps and not is_json_object(stored.record):
            self._unreadable(line)  # such as two lines run together: only its end is that record's
            return
        self._before = None
        self._decide(nearest)
        self._ways = self._jumped(line, stored) if jumps else self._misfit(line, stored)
        self._damage = None

    def _misfit(self, line: Line, stored: StoredLine) -> list[_Way]:
        """The number is right, the link is not: content, chain value or both were changed, or it is new."""
        now, seq = self._ways[0], stored.seq
        detail = "its content was changed"
        if now.seq and self._damage is None:
            detail += f", or record {now.seq} was, and its chain value with it"
        stands = now._replace(seq=seq, end=line.end or 0, records=now.records + 1)
        edited = self._finding(Kind.EDITED, detail, line, stored)
        if self._damage is not None and self._damage[0] is not None:
            edited = replace(edited, offset=self._damage[0])
        ways = [
            stands._replace(chain=stored.chain, finding=edited),
            stands._replace(
                chain=link(now.chain, seq, stored.record),
                finding=replace(edited, detail="its chain value was changed"),
            ),
        ]
        anchor = self._anchor
        if anchor is not None and anchor.seq == seq:
            known = [way for way in ways if way.chain == anchor.chain]
            both = replace(edited, detail="its content and its chain value were changed")
            ways = known or [stands._replace(chain=anchor.chain, finding=both), *ways]
        inserted = self._finding(
            Kind.INSERTED, "a line that follows nothing, and that nothing follows", line, stored
        )
        return [*ways, now._replace(finding=inserted, stray_end=line.end, damage=self._damage)]

    def _jumped(self, line: Line, stored: StoredLine) -> list[_Way]:
        """The number is too high: the records between are gone, or this line is out of its place."""
        now, damage = self._ways[0], self._damage
        first, count = now.seq + 1, stored.seq - now.seq - 1
        if damage is None:
            gap = Finding(Kind.MISSING, self.stream, "gone from this place", first, count, line.offset)
        else:
            gap = Finding(Kind.EDITED, self.stream, "it cannot be read", first, count, damage[0])
        stray = self._finding(Kind.INSERTED, "its number is out of order", line, stored)
        return [
            _Way(stored.seq, stored.chain, line.end or 0, now.records + 1, gap),
            now._replace(finding=stray, stray_end=line.end, damage=damage),
        ]

    def _stray(self, line: Line, finding: Finding) -> None:
        self.findings.add_stray(finding, line.end)

    def _finding(
        self, kind: Kind, detail: str, line: Line, stored: StoredLine, seq: int | None = None
    ) -> Finding:
        event_id, event_time = event_names(stored.record)
        seq = stored.seq if seq is None else seq
        return Finding(kind, self.stream, detail, seq, 1, line.offset, event_id, event_time)

    # what was decided

    def _decide(self, way: _Way) -> None:
        """`way` is the true explanation: report its finding, and go on from there."""
        if way.finding is not None:
            if way.finding.kind is Kind.INSERTED:
                self.findings.add_stray(way.finding, way.stray_end)
            else:
                self.findings.add(way.finding)
        if way.damage is not None:
            later = self._damage[1] if self._damage is not None else 0
            self._damage = way.damage[0], way.damage[1] + later
        if way.vouched:
            self._matched, self._astray = way.seq, False
        way = way._replace(finding=None, stray_end=None, damage=None, vouched=False)
        met = self._meet(way)
        if met[0].finding is not None:
            self.findings.add(met[0].finding)
        self._ways = [one._replace(finding=None) for one in met]

    def _meet(self, way: _Way) -> list[_Way]:
        """`way`, compared with the anchors up to where it stands; and one way more where one disagrees."""
        ways = [way]
        while self._anchor is not None and self._anchor.seq <= way.seq:
            anchor = self._anchor
            self._advance()
            if anchor.seq < way.seq:
                continue  # its record is one of those that a finding says are gone or cannot be read
            if anchor.chain == way.chain:
                self._matched, self._astray = way.seq, False
            elif not self._astray:
                # From here on the chain may be a new one that fits together: one finding, not one an anchor.
                self._astray = True
                first = min(self._matched + 1, way.seq)
                detail = f"the chain is not the one that the {anchor.source} at record {way.seq} vouches for"
                finding = Finding(Kind.REWRITTEN, self.stream, detail, first, way.seq - first + 1)
                ways = [
                    way._replace(finding=finding),
                    way._replace(chain=anchor.chain, finding=finding, vouched=True),
                ]
        return ways

    def _advance(self) -> None:
        self.vouched = self._anchor
        self._anchor = next(self._anchors, None)
