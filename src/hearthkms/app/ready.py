"""What a client needs to use the service, as the ready file and the start message give it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hearthkms.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Access:
    """Where the service listens and a credential for it. `ca_bundle` is None without a development CA."""

    endpoint_url: str
    region: str
    account_id: str
    access_key_id: str | None
    secret_access_key: str | None = field(repr=False)
    ca_bundle: str | None
    pid: int


def drop_dead_ready_file(path: Path) -> None:
    """Remove the file at `path` if the service that wrote it is dead, before anybody believes it.

    One whose service lives is left alone: this start may be about to find that it is one too many.
    """
    try:
        os.kill(int(json.loads(path.read_bytes())["pid"]), 0)
    except ProcessLookupError:
        # Where that fails, `claim_ready_file` says why.
        with contextlib.suppress(OSError):
            path.unlink()
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        # No such file, somebody else's, or a living process of another user.
        return


def claim_ready_file(path: Path) -> None:
    """Remove what an earlier service left at `path`, and make sure that a new file can be written there.

    Raises SettingsError where it cannot, so that a start fails at once instead of when all is ready.
    """
    try:
        draft = _draft(path, b"")
        draft.unlink()
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The ready file {path} cannot be written: {error.strerror}. "
            "Its folder must exist and be writable; give --ready-file another path."
        ) from error


def write_ready_file(path: Path, access: Access) -> None:
    """Write `access` to `path` as JSON, mode 0600, in one step: a reader sees all of it or no file.

    Raises SettingsError where it cannot be written.
    """
    try:
        draft = _draft(path, json.dumps(asdict(access), indent=2).encode() + b"\n")
        draft.replace(path)
    except OSError as error:
        raise SettingsError(f"The ready file {path} cannot be written: {error.strerror}.") from error


def _draft(path: Path, content: bytes) -> Path:
    # The folder may be one that everybody writes to: the name cannot be foreseen, and is never followed.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return draft
