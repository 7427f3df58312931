"""Writing files so that an error of the disk is seen and what was written stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError.

    After a short write the rest is tried, because only that attempt gets the reason (no space, file too
    large).
    """
    written = os.write(fd, data)
    if written == len(data):
        return
    rest = memoryview(data)
    while True:
        if written == 0:
            raise OSError(errno.EIO, "the file took no bytes and gave no reason")
        rest = rest[written:]
        if not rest:
            return
        written = os.write(fd, rest)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
