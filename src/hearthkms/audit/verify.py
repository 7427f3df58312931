"""Verifying the audit trail: one stream, the ledger, or a folder of streams against their registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import merge
from pathlib import Path

from hearthkms.audit.chain import (
    STREAM_NAME,
    ChainFormatError,
    Position,
    build_line,
    check_stream_name,
    genesis,
)
from hearthkms.audit.checkpoint import Checkpoint, CheckpointError, Keys, check_checkpoint
from hearthkms.audit.findings import Finding, Findings, Kind, Note, Report
from hearthkms.audit.head import HeadReading, HeadStatus, read_head
from hearthkms.audit.lines import Line, file_lines
from hearthkms.audit.stream import stream_path
from hearthkms.audit.walk import Anchor, ChainWalk

Progress = Callable[[int, int], None]
"""Called now and then with the number of lines and of bytes that were read."""

_PROGRESS_EVERY = 4096


class _Anchors:
    """The places that checkpoints and the head vouch for, in order; and what the checkpoints say besides."""

    def __init__(
        self, stream: str, checkpoints: Iterable[Checkpoint], keys: Keys, head: Position | None
    ) -> None:
        self.findings = Findings()
        self.end: Checkpoint | None = None
        self._stream = stream
        self._checkpoints = checkpoints
        self._keys = keys
        self._head = [] if head is None else [Anchor(head.seq, head.chain, "head")]

    def __iter__(self) -> Iterator[Anchor]:
        return merge(self._checked(), self._head, key=lambda anchor: anchor.seq)

    def _checked(self) -> Iterator[Anchor]:
        last = 0
        for checkpoint in self._checkpoints:
            try:
                if checkpoint.stream != self._stream:
                    raise CheckpointError(f"it is a checkpoint of stream {checkpoint.stream}")
                check_checkpoint(checkpoint, self._keys)
            except CheckpointError as error:
                detail = f"the checkpoint: {error}"
                self.findings.add(Finding(Kind.CHECKPOINT_INVALID, self._stream, detail, checkpoint.seq))
                continue
            if checkpoint.seq < last:
                raise ValueError("checkpoints have to come in order of seq")
            last = checkpoint.seq
            if checkpoint.state in ("closed", "abandoned"):
                self.end = checkpoint
            yield Anchor(checkpoint.seq, bytes.fromhex(checkpoint.chain), "checkpoint")


def verify_lines(
    stream: str,
    lines: Iterable[Line],
    head: HeadReading | None,
    checkpoints: Iterable[Checkpoint],
    keys: Keys,
    progress: Progress | None = None,
) -> Report:
    """Verify the lines of `stream` against its head (None: it has none) and its checkpoints, in order of seq.

    For a stream that is being written, read the head and the checkpoints before the lines. Constant memory.
    """
    position = head.position if head is not None else None
    anchors = _Anchors(stream, checkpoints, keys, position)
    walk = ChainWalk(stream, iter(anchors))
    count = 0
    for count, line in enumerate(lines, 1):
        walk.step(line)
        if progress is not None and count % _PROGRESS_EVERY == 0:
            progress(count, line.end or 0)
    walk.finish()
    if progress is not None:
        progress(count, walk.position.offset)
    found = [*anchors.findings.settle(), *walk.findings.settle()]
    if head is not None and head.status is HeadStatus.MISSING:
        found.append(Finding(Kind.HEAD_MISSING, stream, "its head file is gone"))
    elif head is not None and head.status is HeadStatus.INVALID:
        found.append(Finding(Kind.HEAD_INVALID, stream, "neither slot of its head file is authentic"))
    notes: list[Note] = []
    if head is not None and head.status is HeadStatus.TORN:
        notes.append(
            Note(stream, "one slot of the head is not authentic, as a crash while writing it leaves it")
        )
    unlisted = walk.findings.unlisted + anchors.findings.unlisted
    found, more = _tail(walk, found, anchors.end, crashed=position is not None)
    return Report(stream, walk.records, walk.position, tuple(found), (*notes, *more), unlisted)


def _tail(
    walk: ChainWalk, found: list[Finding], end: Checkpoint | None, *, crashed: bool
) -> tuple[list[Finding], list[Note]]:
    """Judge what stands after the last place that is vouched for.

    A crash leaves records that were written and not answered, then perhaps damage: notes, if the head
    says how far answers went or if the stream is known to have been abandoned. After a clean end they are
    findings.
    """
    notes: list[Note] = []
    last = walk.position
    vouched = walk.vouched.seq if walk.vouched is not None else 0
    stream = walk.stream
    closed = end is not None and end.state == "closed"
    if not closed and (crashed or end is not None):
        damage = (Kind.EDITED, Kind.MISSING, Kind.APPENDED)
        late = [one for one in found if one.kind in damage and (one.seq or 0) > vouched]
        found = [one for one in found if one not in late]
        notes += [
            Note(stream, f"never answered: {one.kind}: {one.detail}", one.seq, one.offset) for one in late
        ]
    extra = last.seq - vouched
    if closed and extra > 0:
        found.append(
            Finding(Kind.APPENDED, stream, "it was added after the stream was closed", vouched + 1, extra)
        )
    elif extra > 0 and walk.vouched is not None:
        notes.append(Note(stream, f"{extra} records after the last head or checkpoint", vouched + 1))
    if walk.torn is not None and last.seq >= vouched:
        if closed:
            detail = "an unfinished line was added after the stream was closed"
            found.append(Finding(Kind.APPENDED, stream, detail, last.seq + 1, 1, walk.torn.offset))
        else:
            detail = "the last line is unfinished, as a crash before the answer leaves it"
            notes.append(Note(stream, detail, last.seq + 1, walk.torn.offset))
    return found, notes


def verify_stream(
    folder: Path,
    stream: str,
    checkpoints: Iterable[Checkpoint],
    keys: Keys,
    progress: Progress | None = None,
) -> Report:
    """Verify one stream in `folder`: its file, its head (where `keys` has the head key), its checkpoints.

    Raises OSError where a file is there and cannot be read.
    """
    check_stream_name(stream)
    head = read_head(folder, stream, keys.head_key) if keys.head_key is not None else None
    try:
        file = stream_path(folder, stream).open("rb")
    except FileNotFoundError:
        missing = Finding(Kind.STREAM_MISSING, stream, "its file is gone")
        return Report(stream, 0, Position(0, 0, genesis(stream)), (missing,))
    with file:
        return verify_lines(stream, file_lines(file), head, checkpoints, keys, progress)


def verify_ledger(
    stream: str,
    rows: Iterable[tuple[int, bytes, bytes]],
    checkpoints: Iterable[Checkpoint],
    keys: Keys,
    progress: Progress | None = None,
) -> Report:
    """Verify the ledger: its rows (number, record, chain value) by number, its checkpoints by seq."""
    lines = (_ledger_line(stream, number, record, chain) for number, record, chain in rows)
    report = verify_lines(stream, lines, None, checkpoints, keys, progress)
    # Rows have numbers, but no places in a file.
    return replace(report, findings=tuple(replace(finding, offset=None) for finding in report.findings))


def _ledger_line(stream: str, number: int, record: bytes, chain: bytes) -> Line:
    try:
        return Line(build_line(stream, number, chain, record), number=number)
    except ChainFormatError:
        # Not the row's bytes: these could have been made to look like a whole stored line.
        return Line(b"", number=number)


def verify_folder(
    folder: Path,
    registry: Mapping[str, Sequence[Checkpoint]],
    keys: Keys,
    progress: Progress | None = None,
) -> Iterator[Report]:
    """Verify all log streams of `folder` against the registry, which holds the checkpoints of each stream.

    Also notices streams whose file or registry entry was deleted, and files that neither the registry nor a
    head explains.
    """
    on_disk = {path.stem for path in folder.glob("*.jsonl")}
    for stream in sorted(registry):
        checkpoints = sorted(registry[stream], key=lambda checkpoint: checkpoint.seq)
        report = verify_stream(folder, stream, checkpoints, keys, progress)
        previous = {checkpoint.previous for checkpoint in checkpoints} - {"", *registry}
        lost = [
            Finding(
                Kind.STREAM_MISSING,
                name,
                f"stream {stream} continues it, and the registry has no trace of it",
            )
            for name in sorted(previous)
        ]
        yield replace(report, findings=(*report.findings, *lost))
    for stream in sorted(on_disk - set(registry)):
        yield _unregistered(folder, stream, keys, progress)


def _unregistered(folder: Path, stream: str, keys: Keys, progress: Progress | None) -> Report:
    """A crash between creating a stream and registering it leaves such a file, and its head proves that."""
    start = Position(0, 0, b"")
    if STREAM_NAME.fullmatch(stream) is None:
        return Report(stream, 0, start, (Finding(Kind.STREAM_UNKNOWN, stream, "its name is no stream's"),))
    try:
        report = verify_stream(folder, stream, (), keys, progress)
    except ChainFormatError:
        return Report(stream, 0, start, (Finding(Kind.STREAM_UNKNOWN, stream, "it is not in the registry"),))
    if report.ok and keys.head_key is not None:
        return replace(report, notes=(*report.notes, Note(stream, "it is not in the registry")))
    unknown = Finding(Kind.STREAM_UNKNOWN, stream, "it is not in the registry")
    return replace(report, findings=(*report.findings, unknown))
