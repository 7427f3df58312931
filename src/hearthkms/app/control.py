"""The control socket: how `hearthkms` commands talk to a running service on the same machine.

A UNIX stream socket in the data folder, mode 0600: whoever may open it may already read the data folder.
One JSON object a line each way, one exchange a connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hearthkms.core.errors import SettingsError

_EXCHANGE_SECONDS = 5.0
_LIMIT = 64 * 1024
_NAME_LIMIT = 100
"""Bytes of a socket's name that every system takes."""


class ControlSocket:
    """The listening side, served by the supervisor's loop."""

    def __init__(self, path: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Listen at `path`, in the place of a socket that a killed service left. Raises SettingsError."""
        self._path = path
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            path.unlink(missing_ok=True)
            with _named(path) as name:
                self._socket.bind(name)
            self._socket.listen(4)
        except OSError as error:
            raise SettingsError(f"The control socket {path} cannot be made: {error}.") from error
        finally:
            os.umask(previous)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """The descriptor that turns readable when somebody connects."""
        return self._socket.fileno()

    def serve_one(self) -> None:
        """Answer one command. A peer that misbehaves is dropped."""
        with contextlib.suppress(OSError, ValueError):
            connection, _ = self._socket.accept()
            with connection:
                command = json.loads(_line(connection, _EXCHANGE_SECONDS))
                answer = self._answer(command) if isinstance(command, dict) else {"error": "Not a command."}
                connection.sendall(json.dumps(answer).encode() + b"\n")

    def shed(self) -> None:
        """In a forked child: let go of the socket, which stays the parent's."""
        self._socket.close()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def ask(path: Path, command: dict[str, Any], timeout: float = 30.0) -> dict[str, Any] | None:
    """Send one command to the service whose socket is at `path`; None where none listens.

    Raises SettingsError where the socket cannot be used, or no answer comes in `timeout` seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            with _named(path) as name:
                connection.connect(name)
            connection.sendall(json.dumps(command).encode() + b"\n")
            answer: dict[str, Any] = json.loads(_line(connection, timeout))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except (OSError, ValueError) as error:
            raise SettingsError(f"The service did not answer on {path}: {error}.") from error
        return answer


def _line(connection: socket.socket, seconds: float) -> bytes:
    """What comes up to the end of a line, within `seconds` in all."""
    deadline = time.monotonic() + seconds
    received = b""
    while not received.endswith(b"\n") and len(received) < _LIMIT:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        part = connection.recv(4096)
        if not part:
            break
        received += part
    return received


@contextlib.contextmanager
def _named(path: Path) -> Iterator[str]:
    """A name for the socket at `path` that is short enough, however long the path is."""
    plain = str(path.absolute())
    if len(os.fsencode(plain)) <= _NAME_LIMIT:
        yield plain
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
