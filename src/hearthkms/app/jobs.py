"""The jobs process: deletions and rotations that are due, domain-key upkeep, ends of dead audit streams."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

from hearthkms.app.streams import checkpoint_ledger, end_dead_streams
from hearthkms.core.clock import DAY, Clock
from hearthkms.core.errors import HearthError
from hearthkms.core.ids import IdSource
from hearthkms.keystores.default.keyring import Keyring
from hearthkms.keystores.default.store import DefaultKeyStore
from hearthkms.keystores.default.upkeep import regions_due, reseal
from hearthkms.kms import jobs
from hearthkms.kms.jobs import Done
from hearthkms.kms.ports import DomainKey
from hearthkms.service.trail import service_event
from hearthkms.settings import Settings
from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction

_LOG = logging.getLogger(__name__)
_RESEAL_BATCH = 100


class Jobs:
    """One pass over everything that may be due. Each piece of work is a transaction of its own."""

    def __init__(self, settings: Settings, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._ids = IdSource()
        self._store = DefaultKeyStore(keyring, _no_domain_key, cached_keys=1)

    async def run_once(self) -> None:
        """Do all that is due now."""
        await self._keys()
        await self._domain_keys()

    async def _keys(self) -> None:
        async def find(transaction: Transaction) -> list[tuple[str, str]]:
            return [(key.region, key.key_id) for key in await jobs.due(transaction, self._clock())]

        for region, key_id in await self._database.read(find):
            await self._key(region, key_id)

    async def _key(self, region: str, key_id: str) -> None:
        now = self._clock()

        async def perform(transaction: Transaction) -> Done | None:
            done = await jobs.perform(transaction, self._store, region, key_id, now)
            if done is not None:
                await transaction.record(self._event(done, now))
            return done

        done = await self._database.write(perform)
        if done is not None:
            _LOG.info("%s: %s", done.event, done.key.arn)

    def _event(self, done: Done, now: float) -> bytes:
        details: dict[str, str] = {"keyId": done.key.key_id}
        if done.event == "RotateKey":
            details |= {
                "rotationType": "AUTOMATIC",
                "keyOrigin": done.key.origin,
                "previousKeyMaterialId": done.previous_material_id or "",
                "currentKeyMaterialId": done.current_material_id or "",
            }
        return service_event(
            event_id=self._ids.next(),
            request_id=self._ids.next(),
            name=done.event,
            now=now,
            region=done.key.region,
            account_id=done.key.account_id,
            resources=(done.key.arn,),
            details=details if done.event == "RotateKey" else None,
        )

    async def _domain_keys(self) -> None:
        """Replace domain keys that are old enough, and seal a few backing keys anew under newer ones."""
        period = self._settings.domain_key_days * DAY

        async def rotate(transaction: Transaction) -> list[str]:
            due = await regions_due(transaction, self._clock, period)
            for region in due:
                await self._keyring.rotate(transaction, region)
            return due

        async def regions(transaction: Transaction) -> list[str]:
            return sorted({row.region for row in await transaction.list_domain_keys() if row.version > 1})

        for region in await self._database.write(rotate):
            _LOG.info("the domain key of %s was replaced", region)
        for region in await self._database.read(regions):

            async def seal(transaction: Transaction, region: str = region) -> int:
                return await reseal(self._keyring, transaction, self._clock, region, _RESEAL_BATCH)

            while await self._database.write(seal):
                pass


async def _no_domain_key(_region: str, _version: int | None) -> DomainKey | None:
    """Jobs ask the transaction they run in, never anything beside it."""
    return None


async def run_jobs(settings: Settings, keyring: Keyring, clock: Clock, ready: Callable[[], None]) -> None:
    """Run the jobs until SIGTERM. A failure is logged and tried again at the next turn."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(settings.database_url, SharedRevision(settings.data / "revision"), clock)
    work = Jobs(settings, database, keyring, clock)
    ready()
    try:
        while not stop.is_set():
            try:
                await end_dead_streams(settings, database, keyring, clock)
                await checkpoint_ledger(settings, database, keyring, clock)
                await work.run_once()
            except HearthError as error:
                _LOG.error("the jobs could not be done and will be tried again: %s", error)
            try:
                await asyncio.wait_for(stop.wait(), settings.jobs_seconds)
            except TimeoutError:
                continue
    finally:
        await database.close()
