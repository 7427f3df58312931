"""Every vector file is the one whose digest its SOURCE.md states."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.mark.parametrize("folder", ["aes-gcm", "argon2id", "hmac-sha256", "sp800-108"])
def test_source_states_the_digest_of_each_file(folder: str) -> None:
    source = (VECTORS / folder / "SOURCE.md").read_text()
    files = [path for path in (VECTORS / folder).iterdir() if path.name != "SOURCE.md"]
    assert files
    for path in files:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"sha256 of `{path.name}`: `{digest}`" in source
