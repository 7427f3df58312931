"""A default key store and a key in it."""

from __future__ import annotations

import pytest
from tests.support.default_store import KEY_ID, Setup, new_setup

from hearthkms.kms.model.key import Key


@pytest.fixture
def setup() -> Setup:
    """An empty key store."""
    return new_setup()


@pytest.fixture
def key(setup: Setup) -> Key:
    """A key in Frankfurt."""
    return setup.add_key(KEY_ID)
