"""The last cryptographic use of each key: noted in memory, kept in the database every second."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Iterable, Mapping
from functools import partial

from hearthkms.core.ids import Arn
from hearthkms.kms.model.key import Key, LastUsage
from hearthkms.kms.operations import OPERATIONS
from hearthkms.service.call import Call
from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction

FLUSH_SECONDS = 1.0
_BATCH = 500
"""Keys whose uses are kept in one transaction: changes wait for it."""

Place = tuple[str, str]
"""A key's Region and id."""

_USES = {name for name, operation in OPERATIONS.items() if operation.cryptographic}


class UsageBook:
    """Notes uses of keys in one worker. The audit log has every use; this has the last one of each key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[Place, tuple[Call, str]] = {}
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
            try:
                await keep_uses(
                    self._database,
                    {
                        place: LastUsage(call.operation, call.time, event_id, call.request_id)
                        for place, (call, event_id) in noted.items()
                    },
                )
            except BaseException:
                self._noted = noted | self._noted
                raise


def recorded_uses(records: Iterable[bytes]) -> dict[Place, LastUsage]:
    """The last use of each key in these audit records, in their order, to the second."""
    uses: dict[Place, LastUsage] = {}
    for record in records:
        event = json.loads(record)
        if event["eventName"] not in _USES or "errorCode" in event:
            continue
        time = datetime.datetime.fromisoformat(event["eventTime"]).timestamp()
        usage = LastUsage(event["eventName"], time, event["eventID"], event["requestID"])
        for resource in event.get("resources", ()):
            arn = Arn.parse(resource["ARN"])
            if arn is not None:
                uses[arn.region, arn.resource.removeprefix("key/")] = usage
    return uses


async def keep_uses(database: Database, uses: Mapping[Place, LastUsage]) -> None:
    """Keep these uses, unless later ones are kept. Doing it again changes nothing."""
    # In one order everywhere, so that two processes cannot wait for each other.
    order = sorted(uses.items())
    for start in range(0, len(order), _BATCH):
        await database.write(partial(_keep, order[start : start + _BATCH]))


async def _keep(batch: list[tuple[Place, LastUsage]], transaction: Transaction) -> None:
    for (region, key_id), usage in batch:
        await transaction.put_usage(region, key_id, usage)
