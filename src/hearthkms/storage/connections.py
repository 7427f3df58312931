"""What a process has open on the database: connections, and the threads that use them for the event loop."""

from __future__ import annotations

import os
import weakref
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from hearthkms.core.errors import StorageUnavailableError
from hearthkms.storage.engines import make_engine


class Home:
    """The connections and threads of one process."""

    def __init__(self, url: URL, readers: int) -> None:
        self.writing = make_engine(url, writes=True, connections=1)
        self.reading = make_engine(url, writes=False, connections=readers)
        self.writer = ThreadPoolExecutor(1, "storage-write")
        self.readers = ThreadPoolExecutor(readers, "storage-read")

    def close_idle(self) -> None:
        """Close the connections, unless some are in use: those could then not be closed in order."""
        for engine in (self.writing, self.reading):
            if isinstance(engine.pool, QueuePool) and engine.pool.checkedout() == 0:
                engine.dispose()

    def close(self) -> None:
        """Let the threads finish what they do, then close everything."""
        self.writer.shutdown()
        self.readers.shutdown()
        self.writing.dispose()
        self.reading.dispose()


class Connections:
    """Each process's own Home, made when it is first asked for.

    Neither SQLite's nor libpq's connections may cross a fork, not even to be closed in the child. So the
    parent closes those that are idle before it forks, and a child puts what it inherited aside for good.
    """

    def __init__(self, url: URL, readers: int) -> None:
        self._url = url
        self._readers = readers
        self._home: Home | None = None
        self._inherited: list[Home] = []
        self._closed = False
        itself = weakref.ref(self)

        def before() -> None:
            connections = itself()
            if connections is not None and connections._home is not None:
                connections._home.close_idle()

        def after_in_child() -> None:
            connections = itself()
            if connections is not None and connections._home is not None:
                connections._inherited.append(connections._home)
                connections._home = None

        os.register_at_fork(before=before, after_in_child=after_in_child)

    def here(self) -> Home:
        """This process's Home. Raises StorageUnavailableError once it has been closed."""
        if self._home is None:
            if self._closed:
                raise StorageUnavailableError("The database has been closed.")
            self._home = Home(self._url, self._readers)
        return self._home

    def close(self) -> None:
        """Close this process's Home, for good."""
        self._closed = True
        home, self._home = self._home, None
        if home is not None:
            home.close()
