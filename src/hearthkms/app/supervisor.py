"""The supervisor: prepares the data, keeps the worker processes running, and stops them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from hearthkms.app.control import ControlSocket
from hearthkms.app.instance import Instance
from hearthkms.app.processes import Children
from hearthkms.app.ready import Access, write_ready_file
from hearthkms.core.errors import SealedError, SettingsError
from hearthkms.core.secret import Secret
from hearthkms.settings import Settings

_LOG = logging.getLogger(__name__)

RESTART_SECONDS = 0.2
"""A child that dies sooner than this after its start is started again only then, not at once."""


class Supervisor:
    """One running service on this machine.

    `announce` is called once, when every worker can answer, with what a client needs. `sealed` is called
    when the service starts without the passphrase that opens its root of trust.
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
        self._children = Children()
        self._stopping = False
        self._announced = False
        self._delayed: list[tuple[float, str, Any]] = []

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT. The process's exit code."""
        with self._signals() as wakeup, self._reserved_socket() as reserved, self._control() as control:
            self._address = reserved.getsockname()
            if self._instance.is_open:
                self._start_workers()
            else:
                self._start_sealed()
            try:
                while not self._stopping:
                    self._turn(wakeup, control)
            finally:
                self._children.stop(self._settings.stop_grace_seconds + 1.0)
                if self._settings.ready_file is not None:
                    self._settings.ready_file.unlink(missing_ok=True)
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
        try:
            yield read_end
        finally:
            signal.set_wakeup_fd(previous)
            os.close(read_end)
            os.close(write_end)

    @contextlib.contextmanager
    def _reserved_socket(self) -> Iterator[socket.socket]:
        """A bound socket that does not listen: it holds the port while workers come and go."""
        host, port = self._settings.host, self._settings.port
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            reserved = socket.socket(family, kind, protocol)
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind(address)
        except OSError as error:
            raise SettingsError(f"Cannot listen on {host} port {port}: {error}") from error
        with reserved:
            yield reserved

    @contextlib.contextmanager
    def _control(self) -> Iterator[ControlSocket]:
        control = ControlSocket(self._settings.data / "control.sock", self._command)
        try:
            yield control
        finally:
            control.close()

    # -- children

    def _start_workers(self) -> None:
        access = self._instance.access(self._address)
        for number in range(self._settings.workers):
            self._children.start(f"worker {number + 1}", self._instance.worker_body(number, self._address))
        self._children.start("jobs", self._instance.jobs_body())
        self._access = access

    def _start_sealed(self) -> None:
        self._children.start("sealed", self._instance.sealed_body(self._address))
        self._announce_sealed()

    def _turn(self, wakeup: int, control: ControlSocket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(wakeup, selectors.EVENT_READ)
            selector.register(control.fileno(), selectors.EVENT_READ)
            waiting = {child.ready_fd: child for child in self._children.all() if not child.ready}
            for descriptor in waiting:
                selector.register(descriptor, selectors.EVENT_READ)
            for key, _ in selector.select(0.1 if self._delayed else None):
                if key.fd == wakeup:
                    numbers = os.read(wakeup, 512)
                    if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                        self._stopping = True
                elif key.fd == control.fileno():
                    control.serve_one()
                else:
                    self._children.note_ready(waiting[key.fd])
        self._reap()
        self._start_delayed()
        if not self._announced and self._instance.is_open and not self._delayed:
            self._announce_when_ready()

    def _announce_when_ready(self) -> None:
        children = self._children.all()
        if children and all(child.ready for child in children):
            self._announced = True
            if self._settings.ready_file is not None:
                write_ready_file(self._settings.ready_file, self._access)
            self._announce(self._access)

    def _reap(self) -> None:
        for child, status in self._children.reap():
            if self._stopping:
                continue
            if not child.ready and not self._announced:
                # It never came up: starting it again would only hide why.
                self._stopping = True
                raise SettingsError(f"The {child.name} process could not start; its error is above.")
            _LOG.warning(
                "%s (pid %d) ended with status %d and is started again", child.name, child.pid, status
            )
            # It may have committed a change and died before it told the others.
            self._instance.resync()
            delay = max(0.0, RESTART_SECONDS - (time.monotonic() - child.started))
            self._delayed.append((time.monotonic() + delay, child.name, child.body))

    def _start_delayed(self) -> None:
        now = time.monotonic()
        due = [entry for entry in self._delayed if entry[0] <= now]
        self._delayed = [entry for entry in self._delayed if entry[0] > now]
        for _, name, body in due:
            self._children.start(name, body)

    # -- commands

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Answer a command that came over the control socket."""
        if command.get("command") == "status":
            return {"sealed": not self._instance.is_open, "pid": os.getpid()}
        if command.get("command") == "unseal":
            if self._instance.is_open:
                return {"error": "The service is not sealed."}
            try:
                self._instance.open_root(Secret(str(command.get("passphrase", "")).encode()))
            except SealedError as error:
                return {"error": str(error)}
            self._stopping = True
            self._children.stop(self._settings.stop_grace_seconds)
            self._stopping = False
            self._start_workers()
            return {"unsealed": True}
        return {"error": f"There is no command {json.dumps(command.get('command'))}."}
