"""The jobs process: deletions and rotations that are due, domain-key upkeep, ends of dead audit streams."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable

from hearthkms.app.processes import SETTLE_SECONDS, end_within
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
from hearthkms.storage.database import Database, Work
from hearthkms.storage.revision import SharedRevision
from hearthkms.storage.transaction import Transaction

_LOG = logging.getLogger(__name__)
_RESEAL_BATCH = 100


class Jobs:
    """One pass over everything that may be due. Each piece of work is a transaction of its own.

    What fails is logged and tried again at the next pass, and holds up nothing else.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        revision: SharedRevision,
        keyring: Keyring,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._database = database
        self._revision = revision
        self._told = -1
        self._keyring = keyring
        self._clock = clock
        self._ids = IdSource()
        self._store = DefaultKeyStore(keyring, _no_domain_key, cached_keys=1)

    async def run_once(self) -> None:
        """Do all that is due now."""
        tools = self._settings, self._database, self._keyring, self._clock
        await _tried("ending the audit streams of dead workers", end_dead_streams(*tools))
        await _tried("checkpointing the ledger", checkpoint_ledger(*tools))
        await _tried("looking for keys that are due", self._keys())
        await _tried("replacing domain keys", self._domain_keys())
        await _tried("looking for changes that were not announced", self._announce())

    async def _keys(self) -> None:
        async def find(transaction: Transaction) -> list[tuple[str, str]]:
            return [(key.region, key.key_id) for key in await jobs.due(transaction, self._clock())]

        for region, key_id in await self._database.read(find):
            await _tried(f"doing what is due for key {key_id} in {region}", self._key(region, key_id))

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

    async def _announce(self) -> None:
        """Tell the workers of changes by a process that ended between its commit and its announcement.

        For a worker the supervisor does so at once; for a command like `hearthkms access-key` nobody would.
        """
        last = await self._database.read(lambda transaction: transaction.revision())
        if last != self._told and last != self._revision.value:
            self._revision.resync()
        self._told = last

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

            await _tried(f"sealing the keys of {region} anew", self._until_none(seal))

    async def _until_none(self, work: Work[int]) -> None:
        while await self._database.write(work):
            pass


async def _tried(what: str, work: Awaitable[None]) -> None:
    try:
        await work
    except HearthError as error:
        _LOG.error("%s failed and will be tried again: %s", what, error)


async def _no_domain_key(_region: str, _version: int | None) -> DomainKey | None:
    """Jobs ask the transaction they run in, never anything beside it."""
    return None


async def run_jobs(settings: Settings, keyring: Keyring, clock: Clock, ready: Callable[[], None]) -> None:
    """Run the jobs until SIGTERM, which cuts them off: what is not committed is done at the next start.

    The ledger is checkpointed once more then, so that nothing can be cut off its end while nobody runs.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    revision = SharedRevision(settings.data / "revision")
    database = Database(settings.database_url, revision, clock)
    working = loop.create_task(
        _work(Jobs(settings, database, revision, keyring, clock), settings.jobs_seconds)
    )
    ready()
    await asyncio.wait([working, loop.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    end_within(SETTLE_SECONDS)
    if not working.done():
        working.cancel()
        await asyncio.wait([working])
    await _tried("checkpointing the ledger", checkpoint_ledger(settings, database, keyring, clock))
    await database.close()
    if not working.cancelled():
        # It ends by itself only where it must not.
        working.result()


async def _work(jobs_of_all: Jobs, seconds: float) -> None:
    while True:
        await jobs_of_all.run_once()
        await asyncio.sleep(seconds)
