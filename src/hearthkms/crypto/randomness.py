"""Random bytes from the operating system, and a pool of them for nonces."""

from __future__ import annotations

import os
import weakref
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

    __slots__ = ("__weakref__", "_pool", "_size", "_source")

    def __init__(self, size: int, source: RandomSource = os.urandom) -> None:
        self._size = size
        self._source = source
        self._pool: list[bytes] = []
        _POOLS.add(self)

    def drop(self) -> None:
        """Forget what has been read and not handed out."""
        self._pool.clear()

    def take(self) -> bytes:
        """A nonce that nobody has had."""
        try:
            return self._pool.pop()
        except IndexError:
            size = self._size
            fresh = self._source(size * _PER_READ)
            self._pool.extend(fresh[start : start + size] for start in range(size, len(fresh), size))
            return fresh[:size]


# One hook for all pools, as a hook cannot be taken back; the pools themselves may go.
_POOLS: weakref.WeakSet[NoncePool] = weakref.WeakSet()


def _drop_all() -> None:
    for pool in _POOLS:
        pool.drop()


os.register_at_fork(after_in_child=_drop_all)
