"""A bounded cache."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(dict[K, V]):
    """A dictionary that forgets its oldest entry rather than hold more than `limit`.

    Entries come by `keep`; reading is the dictionary's own, which is what makes it fast. One thread writes.
    """

    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def keep(self, key: K, value: V) -> None:
        """Hold `value` under `key`."""
        if key not in self and len(self) >= self._limit:
            del self[next(iter(self))]
        self[key] = value
