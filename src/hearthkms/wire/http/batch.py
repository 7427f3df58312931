"""Answers of one turn of the event loop leave together, once the barrier lets them.

Writing each answer as soon as it is made wakes its client each time; collecting those of a turn and writing
them at its end halves the cost of a small request. It is also what lets one commit of the audit log stand for
many requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from hearthkms.wire.http.message import Barrier

E = TypeVar("E")


class Batch(Generic[E]):
    """Collects entries during a turn, asks the barrier once, and delivers in the order of the turns.

    `deliver(entries, allowed)` must not raise. It is called on the loop's thread.
    """

    __slots__ = ("_barrier", "_deliver", "_entries", "_loop", "_turns")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, barrier: Barrier, deliver: Callable[[list[E], bool], None]
    ) -> None:
        self._loop = loop
        self._barrier = barrier
        self._deliver = deliver
        self._entries: list[E] = []
        self._turns: deque[_Turn[E]] = deque()

    def add(self, entry: E) -> None:
        """Have `entry` delivered at the end of this turn of the loop, or when the barrier allows."""
        if not self._entries:
            self._loop.call_soon(self._flush)
        self._entries.append(entry)

    def _flush(self) -> None:
        turn = _Turn(self, self._entries)
        self._entries = []
        self._turns.append(turn)
        asked = False
        try:
            self._barrier(turn)
            asked = True
        finally:
            if not asked:
                turn(False)

    def deliver_decided(self) -> None:
        """Deliver every turn that has been decided and has no undecided one before it."""
        turns = self._turns
        while turns and (allowed := turns[0].allowed) is not None:
            self._deliver(turns.popleft().entries, allowed)


class _Turn(Generic[E]):
    """The entries of one turn. The barrier decides by calling it; only the first call counts."""

    __slots__ = ("_batch", "allowed", "entries")

    def __init__(self, batch: Batch[E], entries: list[E]) -> None:
        self._batch = batch
        self.entries = entries
        self.allowed: bool | None = None

    def __call__(self, allowed: bool) -> None:
        if self.allowed is None:
            self.allowed = allowed
            self._batch.deliver_decided()
