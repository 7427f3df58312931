"""Fixtures for every test: one live server a test process, and a boto3 client of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.server import Server, running


def pytest_configure() -> None:
    """Let commands that tests start take Ctrl-C, also where this run is in the background without it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running service with two workers."""
    with running(tmp_path_factory.mktemp("service") / "data", "--workers", "2") as started:
        yield started


@pytest.fixture(scope="session")
def kms(server: Server) -> Any:
    """A boto3 KMS client with the root credential."""
    return server.client()


@pytest.fixture
def key(kms: Any) -> dict[str, Any]:
    """A fresh symmetric key's metadata."""
    metadata: dict[str, Any] = kms.create_key(Description="for one test")["KeyMetadata"]
    return metadata
