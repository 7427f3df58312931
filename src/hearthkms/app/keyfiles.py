"""Replacing a root key file so that a crash at any moment leaves a file that opens the database.

The new key waits under a name of its own (`root.key.new`) until the database is sealed under it. Only then
do the files change places; where a crash came between, the next start finishes that.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from hearthkms.core.errors import SettingsError
from hearthkms.keystores.default.keyfile import KeyFileRoot


def settled(path: Path, root_ids: Collection[str]) -> KeyFileRoot:
    """The key file `path` of a deployment whose domain keys `root_ids` seal; made where there are none yet.

    Finishes a replacement that a crash interrupted. Raises SettingsError where the file is missing or unsafe.
    """
    waiting = _waiting(path)
    if root_ids and waiting.exists() and KeyFileRoot.load(waiting).id in root_ids:
        return finish(path)
    if root_ids or path.exists():
        return KeyFileRoot.load(path)
    return KeyFileRoot.create(path)


def prepare(path: Path, *, replaces: bool) -> KeyFileRoot:
    """A fresh key, on the disk, that is to become `path`. Call `finish` once the database depends on it.

    `replaces` says that `path` is this deployment's own key file, opened just now: then a key that waits
    already has sealed nothing, and is dropped. Otherwise both names must be free. Raises SettingsError.
    """
    waiting = _waiting(path)
    if replaces:
        waiting.unlink(missing_ok=True)
        if path.exists():
            KeyFileRoot.load(path)
    elif path.exists():
        raise SettingsError(f"The key file {path} exists already, and no other key file is ever overwritten.")
    return KeyFileRoot.create(waiting)


def discard(path: Path) -> None:
    """Drop the key that waits to become `path`, which has sealed nothing."""
    _waiting(path).unlink(missing_ok=True)


def finish(path: Path) -> KeyFileRoot:
    """Put the key that waits in the place of `path`; what was there is kept beside it, see `former`."""
    try:
        if path.exists():
            path.rename(former(path))
        _waiting(path).rename(path)
        _sync(path.parent)
    except OSError as error:
        raise SettingsError(
            f"The new root key {_waiting(path)} is in use, but cannot be renamed to {path} "
            f"({error.strerror}): rename it by hand."
        ) from error
    return KeyFileRoot.load(path)


def former(path: Path) -> Path:
    """Where the key of `path` goes when another takes its place: a name that no other key has."""
    check_value = KeyFileRoot.load(path).id.partition(":")[2]
    return path.with_name(f"{path.name}.{check_value}.old")


def _waiting(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
