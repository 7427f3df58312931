"""A supervisor whose one worker fails as the arguments say: FOLDER, and the starts that are to fail.

Each start is noted in FOLDER/starts. A start that is not to fail gets ready and, until FOLDER/hold is there,
ends by itself.
"""

from __future__ import annotations

import logging
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
        self._hold = folder / "hold"
        self._failing = failing

    def worker_body(self, _number: int, _address: Any) -> Body:
        """A worker that fails when it is its turn to."""

        def body(ready: Ready) -> None:
            with self._starts.open("a") as file:
                file.write(f"{time.monotonic()}\n")
            if len(self._starts.read_text().split()) in self._failing:
                raise SettingsError("the stars are wrong")
            ready()
            while not self._hold.exists():
                time.sleep(0.01)
                if len(self._starts.read_text().split()) == 1:
                    return
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
    sys.exit(main(Path(sys.argv[1]), set(map(int, sys.argv[2:]))))
