"""The worker's audit log: records are appended as requests run, and answers leave once they are written."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from hearthkms.audit.chain import ChainFormatError
from hearthkms.audit.checkpoint import Checkpoint, Mark, Signer, sign_checkpoint
from hearthkms.audit.committer import Batch, Committer, Release
from hearthkms.audit.stream import StreamFile, StreamWriter
from hearthkms.core.clock import Clock, system_clock
from hearthkms.core.secret import Secret

Durability = Literal["strict", "relaxed"]
"""`strict`: on the disk before the answer. `relaxed`: with the operating system before the answer, so the
record outlives the process, but a power failure can take the last seconds."""

ROLL_BYTES = 256 * 1024 * 1024
CHECKPOINT_SECONDS = 10.0


class _Outcome(NamedTuple):
    failure: OSError | ChainFormatError | None
    marks: list[Mark]
    retired: list[StreamFile]
    at: Mark | None


class AuditLog:
    """The append-only log of one worker incarnation.

    Use it from the event loop's thread: `append` what was done, then `commit` with the function that lets the
    answers of this turn leave. Where the trail cannot be written, the answers are refused; every commit tries
    again, so service resumes by itself once the disk takes records again.

    Signed checkpoints go to `on_checkpoint`, in the loop's thread: one when a stream is opened (for the
    first, before the constructor returns), one every `checkpoint_seconds` if there was activity, one when
    it ends.
    """

    def __init__(
        self,
        folder: Path,
        stream_id: str,
        head_key: Secret,
        durability: Durability,
        loop: asyncio.AbstractEventLoop,
        *,
        signer: Signer,
        on_checkpoint: Callable[[Checkpoint], None],
        clock: Clock = system_clock,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        roll_bytes: int = ROLL_BYTES,
    ) -> None:
        """Open the stream. A disk that refuses is not an error here: it shows in `failure` and refuses calls.

        `stream_id` must be new: one worker incarnation, one id. `head_key` is the deployment's 32-byte
        key for the heads of streams. A stream is followed by a successor when its file is larger than
        `roll_bytes`.
        """
        self._pending: list[bytes] = []
        self._loop = loop
        self._signer = signer
        self._on_checkpoint = on_checkpoint
        self._clock = clock
        self._every = checkpoint_seconds
        self._closed = False
        self._failure: OSError | ChainFormatError | None = None
        self._at: Mark | None = None
        self._signed: Mark | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._due: deque[tuple[Release, bool]] = deque()
        strict = durability == "strict"
        self._writer = StreamWriter(folder, stream_id, head_key, durable=strict, roll_bytes=roll_bytes)
        self._note(self._attempt_open())
        self._committer = Committer(self._attempt, self._settle, loop) if strict else None
        self._timer = loop.call_later(self._every, self._tick)

    @property
    def failure(self) -> OSError | ChainFormatError | None:
        """Why the last attempt to write failed, or None where it worked: for readiness checks and logs."""
        return self._failure

    def append(self, record: bytes) -> None:
        """Take a record (one JSON object on one line) that the next `commit` writes."""
        self._pending.append(record)

    def commit(self, release: Release) -> None:
        """Write what was appended, then call `release`; batches are released strictly in order.

        With nothing to write and nothing on its way, `release(True)` is called at once. A batch without
        records behind one that is on its way waits for its turn, and is then released with True whatever
        happened to the others.
        """
        records = self._pending
        if not records and not self._in_flight:
            release(True)
            return
        self._pending = []
        if self._closed:
            release(not records)
        elif self._committer is not None:
            self._in_flight += 1
            self._committer.submit(Batch(records, release))
        else:
            outcome = self._attempt(records)
            try:
                self._note(outcome)
            finally:
                release(outcome.failure is None)

    # in whichever thread owns the writer: the loop's, or the committer's

    def _attempt_open(self) -> _Outcome:
        try:
            self._writer.open()
        except OSError as error:
            return self._outcome(error)
        return self._outcome(None)

    def _attempt(self, records: list[bytes]) -> _Outcome:
        if not records:
            return self._outcome(self._failure)
        try:
            self._writer.append(records)
        except (OSError, ChainFormatError) as error:
            return self._outcome(error)
        return self._outcome(None)

    def _outcome(self, failure: OSError | ChainFormatError | None) -> _Outcome:
        current = self._writer.current
        at = Mark(current.stream, "running", current.position) if current is not None else None
        return _Outcome(failure, self._writer.take_marks(), self._writer.take_retired(), at)

    # in the loop's thread

    def _settle(self, batches: list[Batch], outcome: _Outcome | None) -> None:
        written = outcome is not None and outcome.failure is None
        self._due.extend((batch.release, written or not batch.records) for batch in batches)
        try:
            if outcome is None:
                self._failure = OSError("the audit committer has stopped; restart the worker")
            else:
                self._note(outcome)
        finally:
            self._release_due()

    def _release_due(self) -> None:
        due = self._due
        try:
            while due:
                release, allowed = due.popleft()
                self._in_flight -= 1
                release(allowed)
        finally:
            if due:  # one of them raised: the loop reports that, and the others still get their answers
                self._loop.call_soon(self._release_due)

    def _note(self, outcome: _Outcome) -> None:
        self._failure = outcome.failure
        self._at = outcome.at
        for stream in outcome.retired:
            task = self._loop.create_task(self._retire(stream))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        for mark in outcome.marks:
            self._sign(mark)

    def _sign(self, mark: Mark) -> None:
        self._signed = mark
        self._on_checkpoint(sign_checkpoint(mark, self._signer, self._clock()))

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._every, self._tick)
        at = self._at
        if at is None or _same_place(at, self._signed):
            return
        if self._committer is not None:
            self._sign(at)
        elif self._syncing is None or self._syncing.done():
            self._syncing = self._loop.create_task(self._sync_and_sign(at))

    async def _sync_and_sign(self, at: Mark) -> None:
        """Relaxed: a checkpoint vouches for what is on the disk, so wait for the disk, outside the loop."""
        stream = self._writer.current
        if stream is not None and await self._synced(stream) and stream is self._writer.current:
            self._sign(at)

    async def _retire(self, stream: StreamFile) -> None:
        """Relaxed: end a stream that is full or no longer wanted, once it is on the disk."""
        await self._synced(stream)
        self._sign(stream.end())

    async def _synced(self, stream: StreamFile) -> bool:
        try:
            # A commit may end the stream and close its descriptor in the meantime, so the thread has its own.
            fd = stream.duplicate()
            try:
                await self._loop.run_in_executor(None, os.fdatasync, fd)
            finally:
                os.close(fd)
        except OSError as error:
            stream.lost = True  # see StreamFile.sync
            self._failure = error
            return False
        return True

    async def aclose(self) -> None:
        """Write what is pending, end the stream with a final checkpoint and close the files. Call it once."""
        self._timer.cancel()
        if self._pending:
            self.commit(lambda _: None)
        self._closed = True
        if self._committer is not None:
            await self._committer.stop()
        if self._syncing is not None:
            await self._syncing
        self._writer.close()
        self._note(self._outcome(self._failure))
        await asyncio.gather(*self._retiring)


def _same_place(one: Mark, other: Mark | None) -> bool:
    return other is not None and one.stream == other.stream and one.position == other.position
