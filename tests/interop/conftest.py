"""Fixtures for unmodified clients of other makers: a clean environment, and a service behind TLS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.server import Server, running

ROOT = Path(__file__).parents[2]
AWS = ROOT / ".venv-awscli" / "bin" / "aws"


class Aws(Protocol):
    """Runs the AWS CLI with these arguments and gives what it printed; a failure fails the test."""

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]: ...


def client_environment(home: Path, exports: dict[str, str]) -> dict[str, str]:
    """An environment in which a client knows `exports` and nothing of this machine's own AWS set-up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nothing = str(home / "none")
    return kept | {
        "HOME": str(home),
        "AWS_CONFIG_FILE": nothing,
        "AWS_SHARED_CREDENTIALS_FILE": nothing,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        **exports,
    }


@pytest.fixture(scope="session")
def aws_path() -> Path:
    """The AWS CLI in its own environment."""
    if not AWS.exists():
        pytest.skip("the AWS CLI is not installed; `make test-setup` does that")
    return AWS


@pytest.fixture
def aws(aws_path: Path, server: Server, tmp_path: Path) -> Aws:
    """The AWS CLI, pointed at the live server, in a folder of its own."""
    environment = client_environment(tmp_path, server.exports())

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(aws_path), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with a development certificate."""
    with running(tmp_path_factory.mktemp("tls") / "data", "--tls-dev") as started:
        yield started
