"""What all connections of one server share: the application, the limits, the clock, the batch of answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hearthkms.core.clock import Clock
from hearthkms.core.ids import IdSource
from hearthkms.wire.http.batch import Batch
from hearthkms.wire.http.heads import CLOSE, KEEP, Heads
from hearthkms.wire.http.limits import Limits
from hearthkms.wire.http.message import Application, Barrier, ErrorHook, Reply

if TYPE_CHECKING:
    from hearthkms.wire.http.connection import Connection

Entry = tuple["Connection", bytes, Reply | None, int]
"""A connection, the bytes to write to it, and the Reply and mode they were made from (None: 100 Continue)."""


class HeaderNames(dict[bytes, str]):
    """Header names as sent, to lower-case text; remembers the first few hundred that it meets."""

    _MOST = 256

    def __missing__(self, name: bytes) -> str:
        text = name.decode("ascii").lower()
        if len(self) < self._MOST:
            self[name] = text
        return text


class Front:
    """The shared part of a server.

    `now` and the deadlines made from it are as of the last sweep: reading a clock for each request would cost
    more than a second of exactness is worth.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app: Application,
        *,
        limits: Limits,
        barrier: Barrier,
        refused: Reply,
        ids: IdSource,
        clock: Clock,
        on_error: ErrorHook,
    ) -> None:
        self.loop = loop
        self.app = app
        self.limits = limits
        self.ids = ids
        self.on_error = on_error
        self.heads = Heads(clock)
        self.names = HeaderNames()
        self.batch: Batch[Entry] = Batch(loop, barrier, self._deliver)
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.stopping = False
        self.empty = asyncio.Event()
        self.empty.set()
        self._refused = refused
        shortest = min(
            limits.header_timeout,
            limits.body_timeout,
            limits.idle_timeout,
            limits.request_timeout,
            limits.write_timeout,
            limits.linger_timeout,
        )
        self.sweep_interval = min(1.0, shortest / 4)
        self._take_time()

    def joined(self, connection: Connection) -> None:
        """A connection has been made."""
        self.connections.add(connection)
        self.empty.clear()

    def left(self, connection: Connection) -> None:
        """A connection has been lost."""
        self.connections.discard(connection)
        if not self.connections:
            self.empty.set()

    def sweep(self) -> None:
        """Look at the clock, and end what has taken too long. To be called every `sweep_interval` seconds."""
        last = self.now
        self._take_time()
        self.heads.refresh()
        now = self.now
        if now - last > 5 * self.sweep_interval + 1:
            # This process stood still; what clients sent meanwhile has yet to be read.
            return
        for connection in tuple(self.connections):
            if connection.deadline < now:
                connection.expire()

    def deadline(self, timeout: float) -> float:
        """The time from which on the sweep will say that `timeout` is over; never too early."""
        return self.now + timeout + self.sweep_interval

    def _take_time(self) -> None:
        self.now = self.loop.time()
        limits = self.limits
        self.idle_deadline = self.deadline(limits.idle_timeout)
        self.header_deadline = self.deadline(limits.header_timeout)
        self.body_deadline = self.deadline(limits.body_timeout)
        self.write_deadline = self.deadline(limits.write_timeout)

    def _deliver(self, entries: list[Entry], allowed: bool) -> None:
        if self.stopping or not allowed:
            self._deliver_changed(entries, allowed)
            return
        connection, data, _, _ = entries[0]
        parts = [data]
        for index in range(1, len(entries)):
            following, data, _, _ = entries[index]
            if following is connection:
                parts.append(data)
            else:
                connection.send(parts)
                connection = following
                parts = [data]
        connection.send(parts)

    def _deliver_changed(self, entries: list[Entry], allowed: bool) -> None:
        refused = self._refused
        for connection, data, reply, mode in entries:
            if reply is not None:
                if not allowed:
                    reply = refused._replace(headers=reply.headers or refused.headers)
                last = CLOSE if self.stopping and connection.is_last_answer() else KEEP
                data = self.heads.render(reply, mode | last)
            connection.send([data])
