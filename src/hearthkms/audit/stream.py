"""Writing one log stream: its file, its head, and its successor when it is full or its disk has failed.

Everything here blocks and belongs to one thread at a time: the event loop's (relaxed) or the committer's
(strict).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from hearthkms.audit.chain import Position, check_stream_name, extend, genesis
from hearthkms.audit.checkpoint import Mark
from hearthkms.audit.disk import sync_folder, write_all
from hearthkms.audit.head import HeadFile, head_path
from hearthkms.core.secret import Secret

MAX_STREAM_ID = 100
"""Characters of a stream id; the rest of a stream's name is for the number of the successor."""


def stream_path(folder: Path, stream: str) -> Path:
    """Where the records of `stream` are."""
    return folder / f"{stream}.jsonl"


class StreamFile:
    """One stream's file and head, open for appending.

    `position` is the place after the last record that was written whole; a failed attempt leaves it where
    it was. `lost` says that what the disk holds can no longer be known, so nothing more may be appended.
    """

    __slots__ = ("_fd", "_head", "_name", "_torn", "lost", "position", "stream")

    def __init__(self, folder: Path, stream: str, head_key: Secret) -> None:
        """Create the files. Raises FileExistsError where the stream exists, and OSError."""
        self.stream = check_stream_name(stream)
        self.position = Position(0, 0, genesis(stream))
        self.lost = False
        self._name = stream.encode()
        self._torn = False
        # The head comes first: a crash in between leaves a head without a stream, which means nothing.
        self._head = HeadFile(folder, stream, head_key, self.position)
        path = stream_path(folder, stream)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(path, flags, 0o600)
            try:
                # The lock says that a living process writes this stream, and goes when the process does.
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.fsync(self._fd)
                sync_folder(folder)
            except OSError:
                os.close(self._fd)
                path.unlink(missing_ok=True)
                raise
        except OSError:
            self._head.close()
            head_path(folder, stream).unlink(missing_ok=True)
            raise

    def append(self, records: Sequence[bytes], *, durable: bool) -> None:
        """Chain and write `records`, in one write; `durable` waits until the disk has them. Raises OSError.

        On an error none of them counts: the file is cut back to the last good record, at once if that
        works and otherwise before the next attempt, and the chain stays where it was.
        """
        self._cut_back()
        data, position = extend(self._name, self.position, records)
        self._torn = True
        try:
            write_all(self._fd, data)
            if durable:
                self.sync()
        except OSError:
            try:
                self._cut_back()
            except OSError:
                pass  # `_torn` stays set, so the next attempt starts with it
            raise
        self._torn = False
        self.position = position
        # If this fails, the records are kept and yet refused: a record of a call that was never answered is
        # allowed, while cutting it off could leave a head that points beyond the end.
        self._head.write(position)

    def sync(self) -> None:
        """Wait until the disk has everything that was written. Raises OSError.

        After one failed fsync the stream is lost. The kernel reports a failed write-back once, marks the
        pages clean and may drop them, so a later fsync of this file would succeed without the data being
        on the disk. Only a new file, which has no such pages, gives an fsync that means something.
        """
        try:
            os.fdatasync(self._fd)
        except OSError:
            self.lost = True
            raise

    def duplicate(self) -> int:
        """A second descriptor of the file, for a thread that syncs it while this one may close it."""
        return os.dup(self._fd)

    def is_removed(self) -> bool:
        """Whether the file has no name any more, so that nobody would ever read what is appended to it."""
        return os.fstat(self._fd).st_nlink == 0

    def _cut_back(self) -> None:
        if self._torn:
            os.ftruncate(self._fd, self.position.offset)
            self._torn = False

    def end(self) -> Mark:
        """Close the files; what to sign about the end of this stream."""
        try:
            self._cut_back()
        except OSError:
            self.lost = True
        self._head.close()
        os.close(self._fd)
        return Mark(self.stream, "abandoned" if self.lost else "closed", self.position)


class StreamWriter:
    """Appends to the current stream, and starts its successor where that is needed.

    A stream is one file with one chain and one head. A full stream, or one whose disk failed or whose
    file was removed, is ended and a new stream begins; its opening checkpoint names the one that it
    continues. Names are `<id>`, `<id>.2`, `<id>.3`, ...
    """

    def __init__(
        self, folder: Path, stream_id: str, head_key: Secret, *, durable: bool, roll_bytes: int
    ) -> None:
        """Raises ChainFormatError for a bad id; creates nothing yet."""
        if len(check_stream_name(stream_id)) > MAX_STREAM_ID:
            raise ValueError(f"a stream id has at most {MAX_STREAM_ID} characters")
        self.current: StreamFile | None = None
        self._folder = folder
        self._id = stream_id
        self._key = head_key
        self._durable = durable
        self._roll_bytes = roll_bytes
        self._number = 0
        self._marks: list[Mark] = []
        self._retired: list[StreamFile] = []

    def append(self, records: Sequence[bytes]) -> None:
        """Write `records` to the current stream, all or none. Raises OSError; the next call tries anew."""
        self.open().append(records, durable=self._durable)

    def open(self) -> StreamFile:
        """The stream to write to, made where there is none that can be used. Raises OSError."""
        current = self.current
        if current is not None and not current.lost:
            current.lost = current.is_removed()
            if not current.lost and current.position.offset < self._roll_bytes:
                return current
        try:
            fresh = self._create()
        except OSError:
            if current is None or current.lost:
                raise
            return current  # over its size, but good: better than refusing
        self.close()
        self.current = fresh
        self._marks.append(Mark(fresh.stream, "opened", fresh.position, current.stream if current else ""))
        return fresh

    def _create(self) -> StreamFile:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            number = self._number + 1
            try:
                fresh = StreamFile(
                    self._folder, self._id if number == 1 else f"{self._id}.{number}", self._key
                )
            except FileExistsError:
                self._number = number
                continue
            self._number = number
            return fresh

    def close(self) -> None:
        """End the current stream for good."""
        current, self.current = self.current, None
        if current is None:
            return
        if self._durable or current.lost:
            self._marks.append(current.end())
        else:
            self._retired.append(current)

    def take_marks(self) -> list[Mark]:
        """What happened to streams since the last call, in order: to be signed and kept."""
        marks, self._marks = self._marks, []
        return marks

    def take_retired(self) -> list[StreamFile]:
        """Streams that have come to their end since the last call, to be synced and then ended by the caller.

        There are none in strict mode, where everything is on the disk already.
        """
        retired, self._retired = self._retired, []
        return retired
