"""The committer: a thread that writes what is waiting as one group, so that the group shares one fsync."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeVar

Release = Callable[[bool], None]
"""Called once: with True when the answers may leave, with False when they must be refused."""

T = TypeVar("T")


class Batch(NamedTuple):
    """The records of one turn of the event loop, and what lets its answers leave."""

    records: list[bytes]
    release: Release


class Committer(Generic[T]):
    """Takes batches from the event loop's thread and hands each group back to it, in order.

    `attempt(records)` runs in the committer's thread for each group; `settle(batches, outcome)` runs in the
    loop's thread afterwards. The outcome is None where the thread broke and nothing is known.
    """

    def __init__(
        self,
        attempt: Callable[[list[bytes]], T],
        settle: Callable[[list[Batch], T | None], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Start the thread."""
        self._attempt = attempt
        self._settle = settle
        self._loop = loop
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._broken = False
        self._thread = threading.Thread(target=self._run, name="audit-committer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Queue a batch; it is settled after all that were queued before it."""
        self._queue.put(batch)
        if self._broken:
            self._refuse_rest([])

    async def stop(self) -> None:
        """Settle what is queued, then end the thread."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        batches: list[Batch] = []
        going = True
        try:
            while going:
                batches, going = self._waiting(block=True)
                if batches:
                    self._post(
                        batches, self._attempt([record for batch in batches for record in batch.records])
                    )
                    batches = []
        finally:
            # Something raised that should not have. Refusing is right and hanging is not: nothing is written
            # from here on, so every later batch is refused too.
            if going:
                self._broken = True
                self._refuse_rest(batches)

    def _refuse_rest(self, batches: list[Batch]) -> None:
        self._post(batches + self._waiting(block=False)[0], None)

    def _waiting(self, *, block: bool) -> tuple[list[Batch], bool]:
        """All batches in the queue, and False once the end mark was met."""
        batches: list[Batch] = []
        try:
            while True:
                item = self._queue.get(block)
                block = False
                if item is None:
                    return batches, False
                batches.append(item)
        except Empty:
            return batches, True

    def _post(self, batches: list[Batch], outcome: T | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, batches, outcome)
        except RuntimeError:
            pass  # the loop is closed: nobody is left to be answered
