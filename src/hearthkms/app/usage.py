"""The last cryptographic use of each key: noted in memory, kept in the database every second."""

from __future__ import annotations

import asyncio
from functools import partial

from hearthkms.kms.model.key import Key, LastUsage
from hearthkms.service.call import Call
from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction

FLUSH_SECONDS = 1.0
_BATCH = 500
"""Keys whose uses are kept in one transaction: changes wait for it."""

_Noted = tuple[tuple[str, str], Call, str]


class UsageBook:
    """Notes uses of keys in one worker. The audit log has every use; this has the last one of each key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[tuple[str, str], tuple[Call, str]] = {}
        self._flushing = asyncio.Lock()

    def note(self, key: Key, call: Call, event_id: str) -> None:
        """Note that `call`, recorded as `event_id`, used `key`."""
        self._noted[key.region, key.key_id] = (call, event_id)

    async def flush(self) -> None:
        """Keep what was noted before this call, by this flush or one that is under way.

        On an error it stays noted, and is kept by the next flush that works.
        """
        async with self._flushing:
            noted, self._noted = self._noted, {}
            # In one order everywhere, so that two workers cannot wait for each other.
            order = sorted(noted)
            try:
                while order:
                    batch = [(place, *noted[place]) for place in order[:_BATCH]]
                    await self._database.write(partial(_keep, batch))
                    for place in order[:_BATCH]:
                        del noted[place]
                    del order[:_BATCH]
            except BaseException:
                self._noted = noted | self._noted
                raise


async def _keep(batch: list[_Noted], transaction: Transaction) -> None:
    for (region, key_id), call, event_id in batch:
        usage = LastUsage(call.operation, call.time, event_id, call.request_id)
        await transaction.put_usage(region, key_id, usage)
