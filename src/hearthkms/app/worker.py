"""One API worker: everything wired together, in one process with one event loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from hearthkms.app.credentials import open_secret
from hearthkms.app.managed import ManagedKeys
from hearthkms.app.processes import SETTLE_SECONDS, end_within
from hearthkms.app.regions import served_regions
from hearthkms.app.serving import limits_of, listen, log_error
from hearthkms.app.streams import Registry, audit_folder, audit_keys
from hearthkms.app.tls import TlsFiles
from hearthkms.app.usage import FLUSH_SECONDS, UsageBook
from hearthkms.audit.log import AuditLog
from hearthkms.core.clock import Clock
from hearthkms.core.errors import HearthError
from hearthkms.core.ids import IdSource
from hearthkms.keystores.default.keyring import Keyring
from hearthkms.keystores.default.store import DefaultKeyStore
from hearthkms.kms.environment import Environment, Services
from hearthkms.kms.operations import OPERATIONS
from hearthkms.service.execute import UNAVAILABLE, Door
from hearthkms.service.trail import CallTrail, root_caller
from hearthkms.settings import Settings
from hearthkms.sigv4.verify import Verifier
from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.snapshot import Snapshot
from hearthkms.wire.encode import encode_error
from hearthkms.wire.endpoint import Credential, Endpoint, Service
from hearthkms.wire.http import HttpServer, Reply
from hearthkms.wire.model import load

_LOG = logging.getLogger(__name__)


class Worker:
    """The parts of a worker that the endpoint asks: freshness, and who signs with an access key.

    `credentials` are those opened since the last change of anything; the snapshot has the others.
    """

    def __init__(self, snapshot: Snapshot, keyring: Keyring) -> None:
        self._snapshot = snapshot
        self._keyring = keyring
        self.credentials: dict[str, Credential] = {}
        self.fresh = snapshot.fresh

    async def refresh(self) -> None:
        """Drop what has changed. A key that is being opened meanwhile goes into the old dictionary."""
        self.credentials = {}
        await self._snapshot.refresh()
        self.credentials = {}

    async def credential(self, access_key_id: str) -> Credential | None:
        """The active access key with this id; None where there is none."""
        credentials = self.credentials
        access_key = await self._snapshot.access_key(access_key_id)
        if access_key is None or not access_key.active:
            return None
        derived = self._snapshot.derived(access_key)
        credential: Credential | None = derived.get("credential")
        if credential is None:
            secret = await open_secret(self._snapshot.domain_key, self._keyring, access_key)
            credential = Credential(secret, root_caller(access_key.account_id, access_key_id))
            derived["credential"] = credential
        credentials[access_key_id] = credential
        return credential


async def run_worker(
    settings: Settings,
    keyring: Keyring,
    clock: Clock,
    name: str,
    address: tuple[Any, ...],
    tls: TlsFiles | None,
    ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM, then answer what is in flight and end the audit stream.

    `name` says which worker of which machine this is; the audit stream's name begins with it.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    revision = SharedRevision(settings.data / "revision")
    database = Database(settings.database_url, revision, clock)
    snapshot = Snapshot(database, revision)
    feed = database.feed(snapshot.heard)
    if feed is not None:
        feed.start()
    ids = IdSource()
    registry = Registry(database, name)
    log = await _audit_log(settings, keyring, clock, name, database, registry)
    usage = UsageBook(database)
    endpoint = _endpoint(settings, keyring, clock, ids, database, snapshot, log, usage)
    refusal = encode_error(UNAVAILABLE, "The audit trail cannot be written, so the request is refused.")
    server = HttpServer(
        endpoint, limits_of(settings), log.commit, Reply(500, b"", refusal), ids=ids, on_error=log_error
    )
    await listen(server, address, tls)
    # What set-up allocated lives as long as the process: no collection needs to look at it.
    gc.collect()
    gc.freeze()
    ready()
    upkeep = loop.create_task(_upkeep(usage, log))
    await stop.wait()
    end_within(settings.stop_grace_seconds + SETTLE_SECONDS)
    await server.stop(settings.stop_grace_seconds)
    upkeep.cancel()
    await asyncio.wait([upkeep])
    # Each as far as the database and the disk let us: the jobs process ends a stream that could not be.
    await _kept(usage.flush())
    await _kept(log.aclose())
    await _kept(registry.flush())
    if feed is not None:
        await feed.stop()
    await database.close()


def _endpoint(
    settings: Settings,
    keyring: Keyring,
    clock: Clock,
    ids: IdSource,
    database: Database,
    snapshot: Snapshot,
    log: AuditLog,
    usage: UsageBook,
) -> Endpoint:
    store = DefaultKeyStore(keyring, snapshot.domain_key, opened=snapshot.derived)
    stores = {"AWS_KMS": store}
    managed = ManagedKeys(database, store, clock, ids)
    services = Services(stores, clock, managed.make)

    def bind(view: Any) -> Environment[Any]:
        return Environment(view, services)

    door = Door(
        OPERATIONS,
        view=snapshot,
        bind=bind,
        transactions=database,
        trail=CallTrail(log.append),
        uses=usage,
        next_id=ids.next,
    )
    return Endpoint(
        [Service(load("kms"), door)],
        worker=Worker(snapshot, keyring),
        regions=served_regions(settings),
        verifier=Verifier(clock, skew_seconds=settings.clock_skew_seconds),
        clock=clock,
        next_id=ids.next,
    )


async def _audit_log(
    settings: Settings, keyring: Keyring, clock: Clock, name: str, database: Database, registry: Registry
) -> AuditLog:
    """A fresh audit stream of this worker, known to the registry."""
    keys = await database.write(lambda transaction: audit_keys(transaction, keyring))
    log = AuditLog(
        audit_folder(settings),
        f"{name}-{int(clock() * 1000)}-{uuid.uuid4().hex[:8]}",
        keys.head_key,
        "strict" if settings.audit_durability == "strict" else "relaxed",
        asyncio.get_running_loop(),
        signer=keys.signer(),
        on_checkpoint=registry.put,
        clock=clock,
        checkpoint_seconds=settings.audit_checkpoint_seconds,
        roll_bytes=settings.audit_segment_bytes,
    )
    # A stream must be in the registry before anything is acknowledged in it.
    await registry.flush()
    return log


async def _upkeep(usage: UsageBook, log: AuditLog) -> None:
    """Every second: keep the last uses of keys, and tell the operator of an audit trail that refuses."""
    refusing = False
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        failure = log.failure
        if failure is not None and not refusing:
            _LOG.error("the audit trail cannot be written, so requests are refused: %s", failure)
        elif failure is None and refusing:
            _LOG.warning("the audit trail is written again")
        refusing = failure is not None
        try:
            await usage.flush()
        except HearthError as error:
            _LOG.error("the last uses of keys could not be kept and will be tried again: %s", error)


async def _kept(keeping: Awaitable[None]) -> None:
    try:
        await keeping
    except (HearthError, OSError) as error:
        _LOG.error("the worker stops before everything was kept: %s", error)
