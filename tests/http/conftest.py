"""Fixtures for the tests of the HTTP front."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.http.serving import Running


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """Starts servers (the arguments are Running's), and stops them at the end."""
    started: list[Running] = []

    def start(*arguments: object, **options: object) -> Running:
        started.append(Running(*arguments, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for running in started:
        if not running.loop.is_closed():
            running.stop()


@pytest.fixture(scope="module")
def echoing() -> Iterator[Running]:
    """A server that a whole module may use: it says what the application was given."""
    running = Running()
    yield running
    running.stop()
    assert not running.errors
