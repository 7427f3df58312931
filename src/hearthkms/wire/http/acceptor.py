"""Accepts connections on one listening socket, and never stops because the system is short of something."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from hearthkms.wire.http.limits import Limits
from hearthkms.wire.http.message import ErrorHook

_AT_ONCE = 64
"""How many connections are accepted before the rest of the loop has its turn."""

_PAUSE = 0.25
"""Seconds without accepting after the system could not give us a connection (out of files, of memory)."""


class Acceptor:
    """Turns connections on `listening` into protocols made by `factory`.

    uvloop's own server stops listening for good when accept(2) fails, and lets any number of clients begin a
    TLS handshake; this one does neither.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        ssl_context: ssl.SSLContext | None,
        limits: Limits,
        on_error: ErrorHook,
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._factory = factory
        self._on_error = on_error
        self._options: dict[str, Any] = {}
        if ssl_context is not None:
            self._options = {
                "ssl": ssl_context,
                "ssl_handshake_timeout": limits.header_timeout,
                "ssl_shutdown_timeout": limits.linger_timeout,
            }
        self._arriving: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self.has_room: Callable[[], bool] = lambda: True
        """Whether one more connection may be taken on; one that may not is closed without a word."""

    @property
    def arriving(self) -> int:
        """Connections accepted and not yet made: on TLS, those that shake hands."""
        return len(self._arriving)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: IP address and port."""
        name = self._listening.getsockname()
        return name[0], name[1]

    def open(self) -> None:
        """Begin to accept."""
        self._pause = None
        self._loop.add_reader(self._listening, self._accept)

    async def close(self) -> None:
        """Stop listening, and drop those who are still shaking hands; the rest become connections yet."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()
        if self._options:
            # Without TLS this would be wrong: uvloop would close a connection without saying so to it.
            for task in self._arriving:
                task.cancel()
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                client, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._on_error("Connections cannot be accepted for the moment.", error)
                self._loop.remove_reader(self._listening)
                self._pause = self._loop.call_later(_PAUSE, self.open)
                return
            if not self.has_room():
                client.close()
                continue
            client.setblocking(False)
            task = self._loop.create_task(
                self._loop.connect_accepted_socket(self._factory, client, **self._options)
            )
            self._arriving.add(task)
            task.add_done_callback(partial(self._arrived, client))

    def _arrived(self, client: socket.socket, task: asyncio.Task[Any]) -> None:
        self._arriving.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            # Where a transport has this socket already, it is the transport that closes it in the end.
            client.close()
        if error is not None and not isinstance(error, OSError):
            self._on_error("A connection could not be set up.", error)
