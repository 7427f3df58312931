"""A supervisor whose one worker fails as the arguments say: FOLDER, and the starts that are to fail.

A start given as `no-room:N` is refused by the system: there is no room for the N-th fork.

Each start is noted in FOLDER/starts. The first one that does not fail ends once the service is announced, by
FOLDER/announced; later ones stay.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

from hearthkms.app.instance import Instance
from hearthkms.app.processes import Body, Ready
from hearthkms.app.ready import Access
from hearthkms.app.supervisor import Supervisor
from hearthkms.core.errors import HearthError, SettingsError
from hearthkms.settings import Settings

ACCESS = Access("http://127.0.0.1:1", "us-east-1", "111122223333", None, None, None, 1)


class FailingInstance:
    """What the supervisor asks of an Instance."""

    is_open = True

    def __init__(self, folder: Path, failing: set[int]) -> None:
        self._starts = folder / "starts"
        self._announced = folder / "announced"
        self._failing = failing

    def worker_body(self, _number: int, _address: Any) -> Body:
        """A worker that fails when it is its turn to."""

        def body(ready: Ready) -> None:
            with self._starts.open("a") as file:
                file.write(f"{time.monotonic()}\n")
            number = len(self._starts.read_text().split())
            if number in self._failing:
                raise SettingsError("the stars are wrong")
            ready()
            while not self._announced.exists():
                time.sleep(0.01)
            if number > 1:
                time.sleep(60)

        return body

    def jobs_body(self) -> Body:
        """Jobs that are always fine."""

        def body(ready: Ready) -> None:
            ready()
            time.sleep(60)

        return body

    def access(self, _address: Any) -> Access:
        """What is announced."""
        return ACCESS

    def resync(self) -> None:
        """Nobody holds anything in memory here."""


def refuse_fork(number: int) -> None:
    """Have the system refuse the fork of this number."""
    forks = itertools.count(1)
    fork = os.fork

    def limited() -> int:
        if next(forks) == number:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    os.fork = limited


def main(folder: Path, failing: set[int]) -> int:
    """Run until SIGTERM, or until a start fails that must not."""
    settings = Settings(data=folder, port=0, stop_grace_seconds=1.0)
    supervisor = Supervisor(
        settings,
        cast(Instance, FailingInstance(folder, failing)),
        announce=lambda _: (folder / "announced").touch(),
        sealed=lambda: None,
    )
    try:
        return supervisor.run()
    except HearthError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    for argument in sys.argv[2:]:
        if argument.startswith("no-room:"):
            refuse_fork(int(argument.partition(":")[2]))
    sys.exit(main(Path(sys.argv[1]), {int(argument) for argument in sys.argv[2:] if argument.isdecimal()}))
