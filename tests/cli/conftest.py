"""Fixtures for the command line: the real command in a process of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.server import hearthkms

PASSPHRASE = "correct horse battery staple"

Done = subprocess.CompletedProcess[str]
Cli = Callable[..., Done]


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would choose for the command."""
    dropped = ("AWS_", "HEARTHKMS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)} | more


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run `hearthkms` in an empty folder, without a terminal; it must exit with `code`."""

    def run(*arguments: str | Path, code: int = 0, stdin: str = "", **more: str) -> Done:
        done = subprocess.run(
            [hearthkms(), *map(str, arguments)],
            cwd=tmp_path,
            env=environment(**more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    """A file with a passphrase and a line end, as an editor leaves it."""
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path
