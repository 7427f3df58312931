"""Running `hearthkms` as an operator does, and waiting for what is to happen."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.server import hearthkms

PATIENCE = 30.0
"""Seconds after which a test gives up; nothing takes so long."""


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [hearthkms(), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        env=os.environ | environment,
        check=False,
    )


def begin(*arguments: str | Path, log: Path) -> subprocess.Popen[bytes]:
    """One command, in the background. What it says goes to the end of `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [hearthkms(), *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return once `condition` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {PATIENCE} seconds"
        time.sleep(0.01)
