"""The embedded root of trust: a key file that only its owner can read."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from hearthkms.core.errors import SettingsError
from hearthkms.core.secret import Secret
from hearthkms.crypto.randomness import RandomSource
from hearthkms.keystores.default.root import ROOT_BYTES, SymmetricRoot


class KeyFileRoot(SymmetricRoot):
    """A root of trust in a file of 32 random bytes, mode 0600.

    It protects copies of the database that are kept without it. Who can read the file can open every key,
    and who loses it loses every key.
    """

    __slots__ = ()

    @classmethod
    def load(cls, path: Path) -> KeyFileRoot:
        """The root in `path`; raises SettingsError where the file is missing or not safe to use."""
        return cls("key-file", Secret(_read(path)))

    @classmethod
    def create(cls, path: Path, random: RandomSource = os.urandom) -> KeyFileRoot:
        """Make the file, durable before this returns; raises SettingsError where it exists already.

        Call it only for a database that has no domain keys: a new root cannot open what another one sealed.
        """
        try:
            _write(path, random(ROOT_BYTES))
        except FileExistsError:
            raise SettingsError(f"the key file {path} exists already; it is never overwritten") from None
        except OSError as error:
            raise SettingsError(f"the key file {path} cannot be made: {error.strerror}") from error
        return cls.load(path)


def _write(path: Path, content: bytes) -> None:
    """Make `path` appear whole or not at all, and never in the place of another file.

    A crash can leave the hidden draft behind; it holds a key that has sealed nothing.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.fchmod(descriptor, 0o600)
            if os.write(descriptor, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # Unlike a rename, a link fails where the name is taken.
        os.link(draft, path)
    finally:
        os.unlink(draft)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, a pipe in the file's place would make the service wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SettingsError(f"there is no key file {path}; restore it from where you keep its copy") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SettingsError(f"the key file {path} is a symbolic link; name the file itself") from None
        raise SettingsError(f"the key file {path} cannot be opened: {error.strerror}") from error
    try:
        _check(path, os.fstat(descriptor))
        content = os.read(descriptor, ROOT_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) != ROOT_BYTES:
        raise SettingsError(f"the key file {path} has not {ROOT_BYTES} bytes; restore it from its copy")
    return content


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SettingsError(f"the key file {path} is not a regular file")
    if found.st_uid != os.geteuid():
        raise SettingsError(
            f"the key file {path} belongs to user {found.st_uid}, but the service runs as {os.geteuid()}; "
            f"run `chown {os.geteuid()} {path}` if that user is to be trusted"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise SettingsError(
            f"others can reach the key file {path} (mode {stat.S_IMODE(found.st_mode):04o}); "
            f"run `chmod 600 {path}`, and re-wrap to a new root if it may have been read"
        )
