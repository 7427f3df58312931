"""Instance: one deployment's data on this machine, opened: folder, database, root of trust, account."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import uvloop

from hearthkms.app.credentials import make_root_key, open_secret
from hearthkms.app.folder import locked, machine_name
from hearthkms.app.jobs import run_jobs
from hearthkms.app.processes import SETTLE_SECONDS, Body
from hearthkms.app.ready import Access
from hearthkms.app.regions import default_region
from hearthkms.app.roots import open_root
from hearthkms.app.sealed import run_sealed
from hearthkms.app.tls import TlsFiles, tls_files
from hearthkms.app.worker import run_worker
from hearthkms.core.clock import Clock, millis, system_clock
from hearthkms.core.errors import SettingsError
from hearthkms.core.ids import new_account_id
from hearthkms.core.secret import Secret
from hearthkms.crypto.memory import harden
from hearthkms.keystores.default.keyring import Keyring
from hearthkms.settings import Settings
from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction

_LOG = logging.getLogger(__name__)
_ACCOUNT = "account_id"
_BOOTSTRAP_KEY = "bootstrap_access_key_id"


class Instance:
    """The opened data of one deployment. Only one service at a time may have a data folder open."""

    def __init__(self, settings: Settings, clock: Clock = system_clock) -> None:
        self.settings = settings
        self.clock = clock
        self.machine = machine_name(settings.data)
        self.revision = SharedRevision(settings.data / "revision")
        self.database = Database(settings.database_url, self.revision, clock)
        self.database.migrate()
        self.keyring = Keyring(None, clock)
        self.account_id = self._account()

    @classmethod
    @contextlib.contextmanager
    def open(cls, settings: Settings) -> Iterator[Instance]:
        """Open the data folder for as long as the `with` block lasts.

        Raises SettingsError where another service has it open or the settings contradict what is stored.
        """
        _harden()
        # So long may the processes of a service that was killed take to answer what they had begun.
        with locked(settings.data, settings.stop_grace_seconds + SETTLE_SECONDS):
            instance = cls(settings)
            try:
                open_root(instance.database, instance.keyring, settings)
                yield instance
            finally:
                instance.database.close_now()

    @property
    def is_open(self) -> bool:
        """Whether the root of trust is there, so that keys can be used."""
        return not self.keyring.sealed

    def open_root(self, passphrase: Secret) -> None:
        """Open the root of trust with a passphrase. Raises SealedError where it is not the right one."""
        open_root(self.database, self.keyring, self.settings, passphrase)

    def resync(self) -> None:
        """Tell every worker the newest revision, after a process may have died before it could."""
        self.revision.resync()

    def access(self, address: tuple[Any, ...]) -> Access:
        """What a client needs; with a root credential in development or where a ready file is asked for."""
        settings = self.settings
        host, port = self._public_host(), address[1]
        access_key_id = secret = None
        if settings.dev or settings.ready_file is not None:
            access_key_id, opened = self.database.write_now(self._bootstrap_key)
            secret = opened.reveal().decode()
        files = self.tls_files()
        return Access(
            endpoint_url=f"{'https' if settings.serves_tls else 'http'}://{host}:{port}",
            region=default_region(settings),
            account_id=self.account_id,
            access_key_id=access_key_id,
            secret_access_key=secret,
            ca_bundle=None if files is None or files.ca_bundle is None else str(files.ca_bundle),
            pid=os.getpid(),
        )

    def tls_files(self) -> TlsFiles | None:
        """The certificate to serve with; None for plain HTTP."""
        return tls_files(self.settings)

    # -- what the child processes run

    def worker_body(self, number: int, address: tuple[Any, ...]) -> Body:
        """The body of one API worker."""
        name = f"{self.machine}-w{number + 1}"
        return lambda ready: uvloop.run(
            run_worker(self.settings, self.keyring, self.clock, name, address, self.tls_files(), ready)
        )

    def jobs_body(self) -> Body:
        """The body of the process that does what is due."""
        return lambda ready: asyncio.run(run_jobs(self.settings, self.keyring, self.clock, ready))

    def sealed_body(self, address: tuple[Any, ...]) -> Body:
        """The body of the process that refuses everything while the service is sealed."""
        return lambda ready: uvloop.run(run_sealed(self.settings, address, self.tls_files(), ready))

    # -- inside

    def _public_host(self) -> str:
        host = self.settings.host
        if host in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
            return "127.0.0.1"
        return f"[{host}]" if ":" in host else host

    def _account(self) -> str:
        wanted = self.settings.account_id

        async def settle(transaction: Transaction) -> str:
            stored = await transaction.meta(_ACCOUNT)
            if stored is None:
                stored = wanted or new_account_id()
                await transaction.put_meta(_ACCOUNT, stored)
                await transaction.insert_account(stored, millis(self.clock()))
            return stored

        account_id: str = self.database.write_now(settle)
        if wanted is not None and wanted != account_id:
            raise SettingsError(f"This data belongs to account {account_id}, not {wanted}.")
        return account_id

    async def _bootstrap_key(self, transaction: Transaction) -> tuple[str, Secret]:
        known = await transaction.meta(_BOOTSTRAP_KEY)
        access_key = None if known is None else await transaction.access_key(known)
        if access_key is not None and access_key.active:
            return access_key.access_key_id, await open_secret(
                transaction.domain_key, self.keyring, access_key
            )
        made, secret = await make_root_key(transaction, self.keyring, self.account_id, self.clock())
        await transaction.put_meta(_BOOTSTRAP_KEY, made.access_key_id)
        return made.access_key_id, secret


def _harden() -> None:
    reached = harden()
    if not reached.memory_locked:
        _LOG.info(
            "memory cannot be locked, so keys may reach the swap: the system would have to grant "
            "CAP_IPC_LOCK or an unlimited RLIMIT_MEMLOCK"
        )
    if not (reached.no_core_dumps and reached.not_traceable):
        _LOG.warning("core dumps or tracing of the service's processes cannot be prevented on this system")
