"""A service whose processes are killed at random moments, and which is then started again on its data."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.server import Server, start
from tests.support.signed import NotSentError

_PAUSE = (0.02, 0.25)
"""Seconds between two kills, at least and at most."""
_ANSWERS = 5


class Target:
    """The service that is shot at. It moves to another port at each start."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self._arguments = arguments
        self._up = threading.Event()
        self.server: Server = start(data, *arguments)
        self._up.set()

    def access(self) -> dict[str, Any]:
        """The content of the ready file. Raises NotSentError while the service is not there."""
        if not self._up.is_set():
            raise NotSentError("the service is down")
        return self.server.access

    def start(self) -> None:
        """Start the service on its data. What answered before and does not now is for the tests to find."""
        self.server = start(self.data, *self._arguments)
        self._up.set()

    def stop(self) -> int:
        """Stop the service as Ctrl-C does; its exit code."""
        self._up.clear()
        return self.server.stop()

    def kill_supervisor(self) -> None:
        """Kill the supervisor alone; its children end by themselves."""
        self._up.clear()
        self.server.process.kill()
        self.server.process.wait()

    def kill_everything(self) -> None:
        """Kill every process, as a power switch would."""
        self._up.clear()
        self.server.kill()

    def kill_child(self, pid: int) -> bool:
        """Kill a worker or the jobs process; False where it was gone already."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            # The number may have gone to a process of somebody else meanwhile.
            if _parent(pid) != self.server.process.pid:
                return False
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True


def shoot(
    target: Target,
    *,
    times: int,
    seed: int,
    answered: Callable[[], int],
    database: Callable[[], None] | None = None,
) -> Counter[str]:
    """Kill processes of `target` so many times; how many kills of which kind there were.

    Every other time, by chance, it is let to answer a few calls first; `answered` counts them. `database`
    kills the database server and starts it again; now and then it is called, too.
    """
    chosen = random.Random(seed)
    kills: Counter[str] = Counter()
    deck: list[str] = []
    while kills.total() < times:
        if not deck:
            deck = ["one child"] * 9 + ["every child"] * 2 + ["supervisor", "everything"]
            deck += ["database"] if database is not None else []
            chosen.shuffle(deck)
        time.sleep(chosen.uniform(*_PAUSE))
        if chosen.random() < 0.5:
            _wait_for_answers(answered)
        what = deck.pop()
        if what == "supervisor":
            target.kill_supervisor()
            target.start()
        elif what == "everything":
            target.kill_everything()
            target.start()
        elif what == "database" and database is not None:
            database()
        else:
            children = target.server.children()
            shot = chosen.sample(children, 1 if what == "one child" and children else len(children))
            if not sum([target.kill_child(child) for child in shot]):
                continue
        kills[what] += 1
    return kills


def _wait_for_answers(answered: Callable[[], int]) -> None:
    enough, deadline = answered() + _ANSWERS, time.monotonic() + 30.0
    while answered() < enough:
        assert time.monotonic() < deadline, "the service does not come back"
        time.sleep(0.005)


def _parent(pid: int) -> int | None:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        # The name of the command stands in parentheses, and may hold any character.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None
