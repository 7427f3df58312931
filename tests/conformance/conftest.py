"""The clients of this folder: every answer they get is checked against the model (see shapes.py)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.calls import Sample, new_sample
from tests.conformance.shapes import watch
from tests.support.server import Server


@pytest.fixture(scope="session")
def kms(server: Server) -> Any:
    """A boto3 KMS client with the root credential."""
    return watch(server.client())


@pytest.fixture(scope="session")
def loose(server: Server) -> Any:
    """A client that sends what it is told to, even where botocore would refuse it."""
    return watch(server.client(config={"parameter_validation": False}))


@pytest.fixture
def sample(kms: Any) -> Sample:
    """A fresh enabled key with an alias and a ciphertext."""
    return new_sample(kms)


@pytest.fixture(scope="module")
def shared(kms: Any) -> Sample:
    """A key for the tests of one file that change nothing of it."""
    return new_sample(kms)
