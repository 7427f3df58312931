"""The log of a fault that shows in every request."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from hearthkms.telemetry.repeats import Repeats

Say = Callable[..., None]


class Kept(logging.Handler):
    """Keeps what appears."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(Repeats(period=5.0))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def say(kept: Kept) -> Say:
    """Logs a message at a time."""

    def log(at: float, text: str, *arguments: object, name: str = "a", **more: object) -> None:
        record = logging.LogRecord(name, logging.ERROR, "", 0, text, arguments, None)
        record.created = at
        record.__dict__.update(more)
        kept.handle(record)

    return log


def test_a_message_appears_once_in_a_period_and_then_with_its_number(kept: Kept, say: Say) -> None:
    for at in (0.0, 1.0, 2.0, 4.9, 5.0, 6.0, 11.0, 20.0):
        say(at, "no %s", "space")
    assert kept.lines == ["no space", "no space (3 more since)", "no space (1 more since)", "no space"]


def test_other_messages_are_not_held_up(kept: Kept, say: Say) -> None:
    say(0.0, "no %s", "space")
    say(0.0, "no %s", "time")
    say(0.0, "no %s", "space", name="b")
    assert kept.lines == ["no space", "no time", "no space"]


def test_a_traceback_always_appears(kept: Kept, say: Say) -> None:
    say(0.0, "odd", exc_info=(ValueError, ValueError(), None))
    say(0.1, "odd", exc_info=(ValueError, ValueError(), None))
    assert kept.lines == ["odd", "odd"]


def test_any_number_of_different_messages_takes_bounded_memory(say: Say, kept: Kept) -> None:
    for number in range(5000):
        say(0.0, "number %d", number)
    assert len(kept.lines) == 5000
    held = next(one for one in kept.filters if isinstance(one, Repeats))
    assert len(held._seen) <= 1000
