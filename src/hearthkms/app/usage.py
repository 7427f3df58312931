"""The last cryptographic use of each key: noted in memory, kept in the database every second."""

from __future__ import annotations

from hearthkms.kms.model.key import Key, LastUsage
from hearthkms.service.call import Call
from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction

FLUSH_SECONDS = 1.0


class UsageBook:
    """Notes uses of keys in one worker. The audit log has every use; this has the last one of each key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[tuple[str, str], tuple[Call, str]] = {}

    def note(self, key: Key, call: Call, event_id: str) -> None:
        """Note that `call`, recorded as `event_id`, used `key`."""
        self._noted[key.region, key.key_id] = (call, event_id)

    async def flush(self) -> None:
        """Keep what was noted. On an error it stays noted, and is kept by the next flush that works."""
        if not self._noted:
            return
        noted, self._noted = self._noted, {}

        async def keep(transaction: Transaction) -> None:
            for (region, key_id), (call, event_id) in noted.items():
                usage = LastUsage(call.operation, call.time, event_id, call.request_id)
                await transaction.put_usage(region, key_id, usage)

        try:
            await self._database.write(keep)
        except BaseException:
            self._noted = noted | self._noted
            raise
