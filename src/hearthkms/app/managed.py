"""AWS managed keys come into being on first use, in a transaction of their own."""

from __future__ import annotations

from hearthkms.core.clock import Clock
from hearthkms.core.ids import IdSource
from hearthkms.keystores.default.store import DefaultKeyStore
from hearthkms.kms.creation import create_managed
from hearthkms.kms.model.alias import Alias
from hearthkms.service.trail import service_event
from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction


class ManagedKeys:
    """Makes the key behind a predefined alias. Several workers may be asked at once: one makes it."""

    def __init__(self, database: Database, store: DefaultKeyStore, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._ids = ids

    async def make(self, region: str, account_id: str, name: str) -> Alias:
        """The alias `name` (`alias/aws/...`), with its key, made now if it was not there."""
        now = self._clock()

        async def work(transaction: Transaction) -> Alias:
            alias, key = await create_managed(
                transaction, self._store, region=region, account_id=account_id, name=name, now=now
            )
            if key is not None:
                event = service_event(
                    event_id=self._ids.next(),
                    request_id=self._ids.next(),
                    name="CreateKey",
                    now=now,
                    region=region,
                    account_id=account_id,
                    resources=(key.arn, alias.arn),
                )
                await transaction.record(event)
            return alias

        return await self._database.write(work)
