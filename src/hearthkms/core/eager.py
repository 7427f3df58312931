"""Run a coroutine at once, and only pay for a task if it has to wait.

On the hot path every `await` finds its answer in memory. Stepping the coroutine by hand then costs nothing,
while a task would cost a turn of the event loop.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Suspended(RuntimeError):
    """A coroutine that had to finish without waiting wanted to wait."""


def step(coroutine: Coroutine[Any, Any, T]) -> tuple[bool, Any]:
    """Run `coroutine` up to its first real wait.

    Returns `(True, result)` if it finished, or `(False, rest)`: a coroutine to give to a task.
    """
    try:
        yielded = coroutine.send(None)
    except StopIteration as stop:
        return True, stop.value
    return False, _rest(coroutine, yielded)


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, such as a handler inside a database transaction."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise Suspended("a coroutine waited where nothing may wait")


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, T], yielded: Any) -> Generator[Any, Any, T]:
    try:
        while True:
            try:
                sent = yield yielded
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  handed on, not handled
                yielded = coroutine.throw(error)
            else:
                yielded = coroutine.send(sent)
    except StopIteration as stop:
        result: T = stop.value
        return result
