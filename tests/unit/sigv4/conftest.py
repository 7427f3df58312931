"""Signed requests to start from."""

from __future__ import annotations

import pytest
from tests.unit.sigv4.wire_form import Request, signed


@pytest.fixture
def request_() -> Request:
    """A KMS call signed in its headers."""
    return signed()


@pytest.fixture
def presigned() -> Request:
    """A GET signed in its query, good for a minute."""
    return signed(method="GET", headers=[], body=b"", expires=60)
