"""The supervisor: prepares the data, keeps the worker processes running, and stops them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from hearthkms.app.control import ControlSocket
from hearthkms.app.folder import control_path
from hearthkms.app.instance import Instance
from hearthkms.app.port import reserved_port
from hearthkms.app.processes import SETTLE_SECONDS, Child, Children
from hearthkms.app.ready import Access, write_ready_file
from hearthkms.app.serving import allow_connections
from hearthkms.core.errors import HearthError, SettingsError
from hearthkms.core.secret import Secret
from hearthkms.settings import Settings

_LOG = logging.getLogger(__name__)

_ANNOUNCE_AGAIN_SECONDS = 1.0
_KILLS_AT_START = 5


class Supervisor:
    """One running service on this machine.

    `announce` is called once, when every worker can answer, with what a client needs. `sealed` is called
    when the service starts without the passphrase that opens its root of trust.

    Until then, a child that fails ends the service, and its reason is the service's: starting it again would
    only hide why. Afterwards a child that ends is started again, whatever it ended of.
    """

    def __init__(
        self,
        settings: Settings,
        instance: Instance,
        *,
        announce: Callable[[Access], None],
        sealed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._instance = instance
        self._announce = announce
        self._announce_sealed = sealed
        self._children = Children(self._shed)
        self._inherited = contextlib.ExitStack()
        self._stopping = False
        self._starting = True
        self._unsealed = False
        self._announced = False
        self._announce_at = 0.0
        self._killed = 0

    def run(self) -> int:
        """Serve until SIGTERM, SIGINT or SIGHUP. The process's exit code. Raises SettingsError at start."""
        settings = self._settings
        allow_connections(settings)
        with (
            self._signals() as wakeup,
            reserved_port(settings.host, settings.port) as reserved,
            self._control() as control,
        ):
            self._address = reserved.getsockname()
            try:
                if self._instance.is_open:
                    self._start_workers()
                else:
                    self._children.start("sealed", self._instance.sealed_body(self._address))
                while not self._stopping:
                    self._turn(wakeup, control)
            finally:
                if settings.ready_file is not None:
                    with contextlib.suppress(OSError):
                        settings.ready_file.unlink(missing_ok=True)
                # The jobs process signs where the ledger ends.
                self._children.stop(settings.stop_grace_seconds + SETTLE_SECONDS, last=["jobs"])
        return 0

    # -- set-up

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """Turn signals into bytes on a pipe, so that one loop waits for everything."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)
        previous = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(signal.SIGHUP, lambda *_: None)
        self._inherited.callback(os.close, read_end)
        self._inherited.callback(os.close, write_end)
        try:
            yield read_end
        finally:
            signal.set_wakeup_fd(previous)
            os.close(read_end)
            os.close(write_end)

    @contextlib.contextmanager
    def _control(self) -> Iterator[ControlSocket]:
        control = ControlSocket(control_path(self._settings.data), self._command)
        self._inherited.callback(control.shed)
        try:
            yield control
        finally:
            control.close()

    def _shed(self) -> None:
        """In a forked child: let go of what is the supervisor's. The data folder's lock is everyone's."""
        self._inherited.close()

    # -- the loop

    def _turn(self, wakeup: int, control: ControlSocket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(wakeup, selectors.EVENT_READ)
            selector.register(control.fileno(), selectors.EVENT_READ)
            starting = {child.pipe: child for child in self._children.all() if not child.ready}
            for descriptor in starting:
                selector.register(descriptor, selectors.EVENT_READ)
            happened = [key.fd for key, _ in selector.select(self._patience())]
        for descriptor in happened:
            if descriptor == wakeup:
                numbers = os.read(wakeup, 512)
                self._stopping = any(
                    stop in numbers for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
                )
            elif descriptor == control.fileno():
                control.serve_one()
            else:
                starting[descriptor].listen()
        if self._stopping:
            return
        for child, status in self._children.reap():
            self._ended(child, status)
        if self._unsealed:
            self._replace_sealed()
        self._children.start_due()
        if not self._announced and self._children.all_ready and time.monotonic() >= self._announce_at:
            self._ready()

    def _patience(self) -> float | None:
        """Seconds until something is to be done without being asked; None where nothing is."""
        times = [self._children.next_start()]
        if not self._announced and self._announce_at:
            times.append(max(0.0, self._announce_at - time.monotonic()))
        return min((one for one in times if one is not None), default=None)

    # -- children

    def _start_workers(self) -> None:
        for number in range(self._settings.workers):
            self._children.start(f"worker {number + 1}", self._instance.worker_body(number, self._address))
        self._children.start("jobs", self._instance.jobs_body())

    def _replace_sealed(self) -> None:
        self._unsealed = False
        self._announced = False
        self._children.stop(self._settings.stop_grace_seconds + SETTLE_SECONDS)
        self._start_workers()

    def _ended(self, child: Child, status: int) -> None:
        if self._starting and not child.ready:
            self._killed += os.WIFSIGNALED(status)
            if child.reason or not os.WIFSIGNALED(status) or self._killed > _KILLS_AT_START:
                reason = child.reason or _outcome(status)
                raise SettingsError(f"The {child.name} process could not start: {reason}")
        _LOG.warning("%s (pid %d) %s; it is started again", child.name, child.pid, _outcome(status))
        # It may have committed a change and died before it told the others.
        self._instance.resync()
        self._children.start_again(child)

    def _ready(self) -> None:
        """Every child is ready for the first time: tell whoever waits for that."""
        try:
            access = self._instance.access(self._address) if self._instance.is_open else None
        except HearthError as error:
            if self._starting:
                raise
            _LOG.error("the service answers, but cannot say so yet: %s", error)
            self._announce_at = time.monotonic() + _ANNOUNCE_AGAIN_SECONDS
            return
        self._announced = True
        self._starting = False
        # Nobody may be reading what we print: not a reason to stop.
        with contextlib.suppress(BrokenPipeError):
            if access is None:
                self._announce_sealed()
                return
            if self._settings.ready_file is not None:
                write_ready_file(self._settings.ready_file, access)
            self._announce(access)

    # -- commands

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Answer a command that came over the control socket."""
        if command.get("command") == "status":
            return {"sealed": not self._instance.is_open, "pid": os.getpid()}
        if command.get("command") == "unseal":
            if self._instance.is_open:
                return {"error": "The service is not sealed."}
            passphrase = Secret(str(command.get("passphrase", "")).encode("utf-8", "surrogateescape"))
            try:
                self._instance.open_root(passphrase)
            except HearthError as error:
                return {"error": str(error)}
            self._unsealed = True
            return {"unsealed": True}
        return {"error": f"There is no command {json.dumps(command.get('command'))}."}


def _outcome(status: int) -> str:
    """How a process ended, in words."""
    if os.WIFSIGNALED(status):
        return f"was ended by signal {os.WTERMSIG(status)}"
    return f"ended with exit code {os.WEXITSTATUS(status)}"
