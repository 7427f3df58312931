"""Random bytes from the operating system, and a pool of them for nonces."""

from __future__ import annotations

import os
from collections.abc import Callable

RandomSource = Callable[[int], bytes]
"""Gives that many unpredictable bytes; `os.urandom` is the one to use."""

_PER_READ = 128


class NoncePool:
    """Hands out random nonces of one size, reading many from the system at once.

    No nonce is handed out twice, whatever thread asks: a nonce leaves by `list.pop`, which is atomic. A
    forked child starts with an empty pool, so that two processes never share one. A running machine that is
    copied (a snapshot resumed twice) would share its pool with its copy. Keys do not come from here: bytes
    that stay secret should not wait in memory before they are needed.
    """

    __slots__ = ("_pool", "_size", "_source")

    def __init__(self, size: int, source: RandomSource = os.urandom) -> None:
        self._size = size
        self._source = source
        self._pool: list[bytes] = []
        os.register_at_fork(after_in_child=self._pool.clear)

    def take(self) -> bytes:
        """A nonce that nobody has had."""
        try:
            return self._pool.pop()
        except IndexError:
            size = self._size
            fresh = self._source(size * _PER_READ)
            self._pool.extend(fresh[start : start + size] for start in range(size, len(fresh), size))
            return fresh[:size]
