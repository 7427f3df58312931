"""Fixtures for running what documents show: a service in its own folder, and the environment of a reader."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.documents import ROOT
from tests.support.server import Server, running


@pytest.fixture(scope="session")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running service whose data is where `hearthkms` looks by default: in the folder it is called from."""
    with running(tmp_path_factory.mktemp("reader") / "hearthkms-data") as started:
        yield started


def reader_environment(home: Path, exports: dict[str, str]) -> dict[str, str]:
    """What a reader's shell knows: the project's commands, the AWS CLI, `exports`, no other AWS set-up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    commands = [str(Path(sys.executable).parent), str(ROOT / ".venv-awscli" / "bin"), kept["PATH"]]
    return {
        **kept,
        "PATH": os.pathsep.join(commands),
        "HOME": str(home),
        "AWS_CONFIG_FILE": str(home / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        **exports,
    }
