"""The control socket: how `hearthkms` commands talk to a running service on the same machine.

A UNIX stream socket in the data folder, mode 0600: whoever may open it may already read the data folder.
One JSON object a line each way, one exchange a connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TIMEOUT = 5.0
_LIMIT = 64 * 1024


class ControlSocket:
    """The listening side, served by the supervisor's loop."""

    def __init__(self, path: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._path = path
        self._answer = answer
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            self._socket.bind(_short(path))
        finally:
            os.umask(previous)
        self._socket.listen(4)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """The descriptor that turns readable when somebody connects."""
        return self._socket.fileno()

    def serve_one(self) -> None:
        """Answer one command. A peer that misbehaves is dropped."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_TIMEOUT)
            try:
                command = json.loads(_line(connection))
            except ValueError:
                return
            answer = self._answer(command) if isinstance(command, dict) else {"error": "Not a command."}
            connection.sendall(json.dumps(answer).encode() + b"\n")

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def ask(path: Path, command: dict[str, Any], timeout: float = 30.0) -> dict[str, Any] | None:
    """Send one command to the service whose socket is at `path`; None where none listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(_short(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.sendall(json.dumps(command).encode() + b"\n")
        answer: dict[str, Any] = json.loads(_line(connection))
        return answer


def _line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n") and len(received) < _LIMIT:
        part = connection.recv(4096)
        if not part:
            break
        received += part
    return received


def _short(path: Path) -> str:
    """The shortest name of `path`: socket names are limited to about 100 bytes."""
    return min(str(path.absolute()), os.path.relpath(path), key=len)
