"""Forked child processes: started, known to be ready, reaped, stopped."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

_LOG = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1

Ready = Callable[[], None]
Body = Callable[[Ready], None]


@dataclass(slots=True)
class Child:
    """A child process. `ready_fd` turns readable when the child is ready or gone."""

    name: str
    pid: int
    body: Body
    ready_fd: int
    started: float
    ready: bool = False


class Children:
    """The children of the supervisor, each of which is started again when it dies."""

    def __init__(self) -> None:
        self._by_pid: dict[int, Child] = {}

    def all(self) -> list[Child]:
        """The children that run now."""
        return list(self._by_pid.values())

    def start(self, name: str, body: Body) -> Child:
        """Fork a child that runs `body`. The body calls its argument once it is ready to work."""
        read_end, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # What was allocated before the fork is shared until a collection touches it.
        gc.freeze()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            _run_child(parent, body, write_end)
        os.close(write_end)
        os.set_blocking(read_end, False)
        child = Child(name, pid, body, read_end, time.monotonic())
        self._by_pid[pid] = child
        return child

    def note_ready(self, child: Child) -> None:
        """Read the child's readiness from its pipe."""
        try:
            child.ready = child.ready or os.read(child.ready_fd, 1) == b"1"
        except BlockingIOError:
            return

    def reap(self) -> list[tuple[Child, int]]:
        """The children that have ended since, with their wait status."""
        ended = []
        while self._by_pid:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            child = self._by_pid.pop(pid, None)
            if child is not None:
                os.close(child.ready_fd)
                ended.append((child, status))
        return ended

    def stop(self, grace_seconds: float) -> None:
        """Ask every child to stop, and kill those that have not after `grace_seconds`."""
        for child in self.all():
            _signal(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while self._by_pid and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.01)
        for child in self.all():
            _LOG.warning("%s (pid %d) did not stop in time and is killed", child.name, child.pid)
            _signal(child.pid, signal.SIGKILL)
        while self._by_pid:
            self.reap()
            time.sleep(0.01)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _run_child(parent: int, body: Body, ready_fd: int) -> None:
    """Run `body` in a fresh child and never return."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        # Ctrl-C reaches the whole group; only the supervisor acts on it and then stops its children.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # A child must not outlive its supervisor.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

        def ready() -> None:
            os.write(ready_fd, b"1")
            os.close(ready_fd)

        body(ready)
        code = 0
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001  the process ends here, and what ended it must be seen
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
