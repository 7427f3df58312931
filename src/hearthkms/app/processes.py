"""Forked child processes: started, known to be ready, started again, stopped."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from hearthkms.core.errors import HearthError, SettingsError
from hearthkms.crypto.memory import harden

_LOG = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1

RESTART_SECONDS = 0.2
"""The least time between two starts of one child, and the first pause after one that did not get ready."""
LONGEST_PAUSE = 5.0
"""Seconds to which the pause grows, twofold each time, while a child does not get ready."""

NO_ROOM_SECONDS = 1.0
"""The pause after the system had no room for one more process."""

SETTLE_SECONDS = 5.0
"""What a child has beyond the grace for answers, to close its audit stream and keep what is in memory."""

Ready = Callable[[], None]
Body = Callable[[Ready], None]

_READY, _FAILED = b"+", b"-"
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_LONGEST_REASON = 2000
_LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Child:
    """A child process. `pipe` turns readable when the child is ready, has failed, or is gone."""

    name: str
    pid: int
    body: Body
    pipe: int
    started: float
    ready: bool = False
    reason: str = ""
    """Why it could not start, where it said so."""

    def listen(self) -> None:
        """Take in what the child has said."""
        try:
            said = os.read(self.pipe, _LONGEST_REASON + 1)
        except BlockingIOError:
            return
        if said.startswith(_READY):
            self.ready = True
        elif said.startswith(_FAILED):
            self.reason = said[1:].decode(errors="replace")


class _Delayed(NamedTuple):
    at: float
    name: str
    body: Body


def _any_ends(pids: Collection[int], seconds: float) -> bool:
    """Whether one of these children ends within `seconds`."""
    with contextlib.ExitStack() as stack:
        waiting = select.poll()
        for pid in pids:
            descriptor = os.pidfd_open(pid)
            stack.callback(os.close, descriptor)
            waiting.register(descriptor, select.POLLIN)
        return bool(waiting.poll(max(0.0, seconds) * 1000))


class Children:
    """The children of the supervisor. `shed` is called in each child, to let go of what is the parent's."""

    def __init__(self, shed: Callable[[], None]) -> None:
        self._shed = shed
        self._by_pid: dict[int, Child] = {}
        self._delayed: list[_Delayed] = []
        self._failures: dict[str, int] = {}

    def all(self) -> list[Child]:
        """The children that run now."""
        return list(self._by_pid.values())

    @property
    def all_ready(self) -> bool:
        """Whether every child runs and is ready."""
        return not self._delayed and all(child.ready for child in self._by_pid.values())

    def start(self, name: str, body: Body) -> None:
        """Fork a child that runs `body`. The body calls its argument once it is ready to work.

        Raises SettingsError where the system has no room for one more process.
        """
        _flush()
        # What was allocated before the fork is shared until a collection touches it.
        gc.freeze()
        try:
            pid, pipe = self._fork(name, body)
        except OSError as error:
            raise SettingsError(f"The {name} process cannot be started: {error.strerror}.") from error
        self._by_pid[pid] = Child(name, pid, body, pipe, time.monotonic())

    def _fork(self, name: str, body: Body) -> tuple[int, int]:
        parent = os.getpid()
        read_end, write_end = os.pipe()
        # A signal between the fork and the child's own handlers would be the parent's, and lost to the child.
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                _run_child(name, parent, body, write_end, [self._shed, *self._closers(), _closer(read_end)])
        except OSError:
            os.close(read_end)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
            os.close(write_end)
        os.set_blocking(read_end, False)
        return pid, read_end

    def start_again(self, child: Child) -> None:
        """Have a child that ended started again: at once if it had been at work, else after a pause."""
        now = time.monotonic()
        failures = 0 if child.ready else self._failures.get(child.name, 0) + 1
        self._failures[child.name] = failures
        pause = min(RESTART_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE) if failures else 0.0
        at = max(now + pause, child.started + RESTART_SECONDS)
        self._delayed.append(_Delayed(at, child.name, child.body))

    def start_due(self) -> None:
        """Start the children whose pause is over."""
        now = time.monotonic()
        due = [entry for entry in self._delayed if entry.at <= now]
        self._delayed = [entry for entry in self._delayed if entry.at > now]
        for entry in due:
            try:
                self.start(entry.name, entry.body)
            except SettingsError as error:
                _LOG.error("%s It is tried again.", error)
                self._delayed.append(entry._replace(at=now + NO_ROOM_SECONDS))

    def next_start(self) -> float | None:
        """Seconds until a pause is over; None where no child waits."""
        return (
            max(0.0, min(entry.at for entry in self._delayed) - time.monotonic()) if self._delayed else None
        )

    def reap(self) -> list[tuple[Child, int]]:
        """The children that have ended since, with their wait status."""
        ended = []
        while self._by_pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            child = self._by_pid.pop(pid, None)
            if child is not None:
                child.listen()
                os.close(child.pipe)
                ended.append((child, status))
        return ended

    def stop(self, grace_seconds: float, last: Collection[str] = ()) -> None:
        """Ask every child to stop, and kill those that have not after `grace_seconds`.

        Those named in `last` are asked when the others are gone.
        """
        self._delayed.clear()
        self._stop([child for child in self.all() if child.name not in last], grace_seconds)
        self._stop(self.all(), grace_seconds)

    def _stop(self, stopping: list[Child], grace_seconds: float) -> None:
        for child in stopping:
            os.kill(child.pid, signal.SIGTERM)
        if not self._gone(stopping, grace_seconds):
            for child in stopping:
                if child.pid in self._by_pid:
                    _LOG.warning("%s (pid %d) did not stop in time and is killed", child.name, child.pid)
                    os.kill(child.pid, signal.SIGKILL)
            self._gone(stopping, math.inf)

    def _gone(self, stopping: list[Child], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while left := [child.pid for child in stopping if child.pid in self._by_pid]:
            if not _any_ends(left, min(deadline - time.monotonic(), _LOOK_SECONDS)) and (
                time.monotonic() >= deadline
            ):
                return False
            self.reap()
        return True

    def _closers(self) -> list[Callable[[], None]]:
        return [_closer(child.pipe) for child in self._by_pid.values()]


def end_within(seconds: float) -> None:
    """Have the kernel end this process in `seconds` if it is still there then, whatever it may be doing."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _closer(descriptor: int) -> Callable[[], None]:
    return lambda: os.close(descriptor)


def _flush() -> None:
    # Whoever reads our output may be gone, or its disk full: neither is a reason to stop working.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()


def _run_child(
    name: str, parent: int, body: Body, pipe: int, inherited: list[Callable[[], None]]
) -> NoReturn:
    """Run `body` in a fresh child and never return."""
    code = 1
    try:
        _settle_in(parent)
        for let_go in inherited:
            let_go()
        body(lambda: _say(pipe, _READY))
        code = 0
    except HearthError as error:
        _LOG.error("%s (pid %d) ends: %s", name, os.getpid(), error)
        _say(pipe, _FAILED + str(error).encode()[:_LONGEST_REASON])
    except BaseException as error:  # noqa: BLE001  the process ends here, and what ended it must be seen
        _LOG.critical("%s (pid %d) ends", name, os.getpid(), exc_info=error)
        _say(pipe, _FAILED + f"{type(error).__name__}: {error}".encode()[:_LONGEST_REASON])
    finally:
        try:
            _flush()
        finally:
            os._exit(code)


def _settle_in(parent: int) -> None:
    """Give a fresh child its own signals, and see to it that it cannot outlive its supervisor."""
    signal.set_wakeup_fd(-1)
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)
    # Ctrl-C and a closed terminal reach the whole group; the supervisor alone acts on them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    if os.getppid() != parent:
        os._exit(1)
    # Memory locks do not pass on to a child.
    harden()


def _say(pipe: int, words: bytes) -> None:
    """Tell the supervisor something, once; later words have nobody to hear them."""
    with contextlib.suppress(OSError):
        os.write(pipe, words)
