"""Asking a snapshot without waiting for it."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from hearthkms.core.eager import step


async def had_at_once(asks: Mapping[str, Coroutine[Any, Any, Any]]) -> set[str]:
    """The names of those that finish without waiting; the others are given up."""
    found = set()
    for name, ask in asks.items():
        finished, rest = step(ask)
        if finished:
            found.add(name)
        else:
            rest.close()
    return found
