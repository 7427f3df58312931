"""The HTTP server: listens, accepts, sweeps for what is overdue, and stops without dropping answers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import partial
from typing import Any

from hearthkms.core.clock import Clock, system_clock
from hearthkms.core.ids import IdSource
from hearthkms.wire.http.acceptor import Acceptor
from hearthkms.wire.http.front import Front
from hearthkms.wire.http.limits import Limits
from hearthkms.wire.http.message import Application, Barrier, ErrorHook, Reply
from hearthkms.wire.http.protocol import HttpProtocol

BACKLOG = 1024
"""Connections that the system may hold for us; it lowers this to its own limit (net.core.somaxconn)."""

_SPARE_CONNECTIONS = 64
"""How many connections beyond `max_connections` are taken on to be told so, or to shake hands on TLS."""

_LAST_WORDS = 1.0
"""Seconds for the answers to requests that were cancelled because the grace was over."""


class HttpServer:
    """Serves one application on any number of listening sockets, in the running event loop.

    `barrier` is asked once for the replies of each turn of the loop; `refused` stands in for each reply that
    it refuses, and keeps that reply's own header lines. `on_error` is told about failures of the application
    and of listening.
    """

    def __init__(
        self,
        app: Application,
        limits: Limits,
        barrier: Barrier,
        refused: Reply,
        *,
        ids: IdSource,
        on_error: ErrorHook,
        clock: Clock = system_clock,
    ) -> None:
        self._app = app
        self._limits = limits
        self._shared: dict[str, Any] = {
            "limits": limits,
            "barrier": barrier,
            "refused": refused,
            "ids": ids,
            "clock": clock,
            "on_error": on_error,
        }
        self._on_error = on_error
        self._front: Front | None = None
        self._acceptors: list[Acceptor] = []
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """How many connections are open; those still shaking hands on TLS are not counted."""
        return len(self._front.connections) if self._front else 0

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Address and port of each listening socket."""
        return [acceptor.address for acceptor in self._acceptors]

    async def start(
        self,
        *,
        sock: socket.socket | None = None,
        host: str | None = None,
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Listen on `sock` (bound, and taken over), or on `host` and `port` (0: any free one).

        May be called again for another address. Raises OSError where the address cannot be had.
        """
        front = self._front
        if front is None:
            loop = asyncio.get_running_loop()
            self._front = front = Front(loop, self._app, **self._shared)
            self._sweep()
        for listening in [sock] if sock is not None else bound_sockets(host, port, reuse_port=reuse_port):
            listening.setblocking(False)
            listening.listen(BACKLOG)
            acceptor = Acceptor(
                front.loop, listening, partial(HttpProtocol, front), ssl_context, self._limits, self._on_error
            )
            acceptor.has_room = self._has_room
            self._acceptors.append(acceptor)
            acceptor.open()

    async def stop(self, grace_seconds: float) -> None:
        """Stop accepting, answer what has begun (each connection's last answer says so), close the rest.

        What is not answered within `grace_seconds` is cancelled and answered 503.
        """
        front = self._front
        if front is None:
            return
        acceptors, self._acceptors = self._acceptors, []
        for acceptor in acceptors:
            await acceptor.close()
        front.stopping = True
        for connection in tuple(front.connections):
            connection.drain()
        # Two turns of the loop, in which requests are read that had arrived before we stopped.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for connection in tuple(front.connections):
            connection.end_if_quiet()
        if not await _finished(front, grace_seconds):
            for task in tuple(front.tasks):
                task.cancel()
            await _finished(front, _LAST_WORDS)
            for connection in tuple(front.connections):
                connection.abort()
            await _finished(front, _LAST_WORDS)
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._front = None

    def _has_room(self) -> bool:
        most = self._limits.max_connections + _SPARE_CONNECTIONS
        return self.connections + sum(acceptor.arriving for acceptor in self._acceptors) < most

    def _sweep(self) -> None:
        front = self._front
        if front is not None:
            self._sweeping = front.loop.call_later(front.sweep_interval, self._sweep)
            front.sweep()


async def _finished(front: Front, seconds: float) -> bool:
    """Wait until every connection is gone and every request done, those of clients that left included."""
    try:
        async with asyncio.timeout(seconds):
            await front.empty.wait()
            while front.tasks:
                await asyncio.wait(tuple(front.tasks))
    except TimeoutError:
        return False
    return True


def bound_sockets(host: str | None, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """A bound TCP socket for each address of `host`; all on one port, also where `port` is 0.

    Raises OSError where an address cannot be had; none is left open then.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            bound = socket.socket(family, kind, protocol)
            sockets.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address[0], port, *address[2:]))
            port = bound.getsockname()[1]
    except OSError:
        for bound in sockets:
            bound.close()
        raise
    return sockets
