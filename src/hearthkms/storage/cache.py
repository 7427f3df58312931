"""What a snapshot holds: bounded tables of records, each with whatever was derived from it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from hearthkms.kms.model.key import Material

N = TypeVar("N", bound=Hashable)
R = TypeVar("R")

ABSENT_LIMIT = 10_000
"""Names held of things that do not exist. Callers can make up any number of them."""
MATERIALS_LIMIT = 256
"""Materials held of one key, existing or not."""


class Held(Generic[R]):
    """A record, and what lives and dies with it.

    `materials` are a key's, by id: a tuple of pairs, because nearly every key has one. `derived` is free for
    whoever uses the record (opened key material, a parsed policy).
    """

    __slots__ = ("derived", "materials", "record")

    def __init__(self, record: R) -> None:
        self.record = record
        self.materials: tuple[tuple[str, Material | None], ...] = ()
        self.derived: dict[Any, Any] | None = None

    def add_material(self, material_id: str, material: Material | None) -> None:
        """Hold one more material, or that there is none of this id."""
        if len(self.materials) >= MATERIALS_LIMIT:
            self.materials = ()
        self.materials += ((material_id, material),)


class Cache(Generic[N, R]):
    """Records by name, and names that stand for nothing: apart, so that made-up names evict no record."""

    __slots__ = ("_limit", "absent", "found")

    def __init__(self, limit: int) -> None:
        self.found: dict[N, R] = {}
        self.absent: dict[N, None] = {}
        self._limit = limit

    def put(self, name: N, record: R | None) -> None:
        """Hold what was found under `name`, or that nothing was; beyond the limit the oldest entry leaves."""
        if record is None:
            self.found.pop(name, None)
            self.absent[name] = None
            _bound(self.absent, ABSENT_LIMIT)
        else:
            self.absent.pop(name, None)
            self.found[name] = record
            _bound(self.found, self._limit)

    def drop(self, name: N) -> None:
        """Hold nothing about `name`."""
        self.found.pop(name, None)
        self.absent.pop(name, None)

    def clear(self) -> None:
        """Hold nothing."""
        self.found.clear()
        self.absent.clear()


def _bound(table: dict[Any, Any], limit: int) -> None:
    if len(table) > limit:
        del table[next(iter(table))]
