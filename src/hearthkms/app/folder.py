"""The data folder of a service on this machine: locked by one service at a time, and named."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from hearthkms.app.control import ask
from hearthkms.core.errors import SettingsError

_LOG = logging.getLogger(__name__)
_MACHINE = re.compile(r"[0-9a-f]{8}")
_POLL_SECONDS = 0.02


@contextlib.contextmanager
def locked(data: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the data folder, made with mode 0700 if it is not there.

    The lock is the kernel's, so it never outlives the processes that hold it: a service that was killed needs
    no clearing up. Its workers hold it until they have answered what they had begun, so a start waits for
    them; for a service that is alive it does not. Raises SettingsError where the folder cannot be had.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsError(f"The data folder {data} cannot be used: {error.strerror}.") from error
    try:
        if not _lock(descriptor):
            _wait(descriptor, data, wait_seconds)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, data: Path, wait_seconds: float) -> None:
    taken = SettingsError(f"Another hearthkms has the data folder {data} open; stop it first.")
    if _answers(data):
        raise taken
    if wait_seconds:
        _LOG.info("waiting for the processes of an earlier service to let go of the data folder %s", data)
    deadline = time.monotonic() + wait_seconds
    while not _lock(descriptor):
        if time.monotonic() > deadline:
            raise taken
        time.sleep(_POLL_SECONDS)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(data: Path) -> bool:
    """Whether a supervisor is there; one that is stopping answers no more."""
    try:
        return ask(control_path(data), {"command": "status"}, timeout=1.0) is not None
    except SettingsError:
        return False


def control_path(data: Path) -> Path:
    """Where the control socket of the service is."""
    return data / "control.sock"


def machine_name(data: Path) -> str:
    """The name of this data folder among those that share a database: 8 hex digits, made at first use.

    The audit streams written here carry it, so that a verification knows which of them to look for here.
    """
    path = data / "machine"
    try:
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{os.urandom(4).hex()}\n")
                file.flush()
                os.fsync(descriptor)
            draft.replace(path)
        name = path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"The file {path} cannot be used: {error.strerror}.") from error
    if _MACHINE.fullmatch(name) is None:
        raise SettingsError(f"The file {path} does not hold 8 hex digits; restore it, or remove it.")
    return name
