"""Feed: how changes by other machines reach this process, through PostgreSQL's LISTEN and NOTIFY."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from hearthkms.storage.changes import CHANNEL

_LOG = logging.getLogger(__name__)

Heard = Callable[[int, float], None]
"""Takes a revision that was the last one at a time or later, and that time. A time of 0 vouches for none."""

BEAT = 0.3
"""Seconds between two looks at the revision: a lost message costs no more, and a lost server shows."""
PATIENCE = 2.0
"""Seconds without an answer after which the connection is given up."""
_PAUSE = 0.2

_LISTEN = sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL))
_REVISION = "SELECT value FROM revision"


class Feed:
    """Listens on a connection of its own, as a background task of the running event loop.

    It connects again for as long as it runs, so PostgreSQL may restart. While it hears nothing it says
    nothing: whoever depends on it must notice that by the time (`storage.snapshot` does).
    """

    def __init__(self, url: URL, heard: Heard, now: Callable[[], float] = time.monotonic) -> None:
        _, self._options = url.get_dialect()().create_connect_args(url)
        self._heard = heard
        self._now = now
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="storage-feed")

    async def stop(self) -> None:
        """Stop listening, and close the connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        lost = False
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    connection = await self._connect()
                async with connection:
                    if lost:
                        _LOG.info("the change feed is back")
                    lost = False
                    await self._listen(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                if not lost:
                    _LOG.warning("the change feed is lost, so changes are read for: %s", error)
                lost = True
            await asyncio.sleep(_PAUSE)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(**self._options, autocommit=True)

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute(_LISTEN)
        while True:
            asked = self._now()
            async with asyncio.timeout(PATIENCE):
                row = await (await connection.execute(_REVISION)).fetchone()
            if row is not None:
                self._heard(row[0], asked)
            async for notification in connection.notifies(timeout=BEAT):
                self._heard(int(notification.payload), 0.0)
