"""A worker with nothing but an audit log: writes records under load until it is killed.

Arguments: folder, stream id, durability, file for the numbers of answered records, file for checkpoints,
limit on the size of files (0: none). With a limit it goes on until that refuses, then lifts it and stops.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path
from typing import cast

from tests.unit.audit.material import HEAD_KEY, SIGNER, record

from hearthkms.audit.checkpoint import Checkpoint, encode_checkpoint
from hearthkms.audit.log import AuditLog, Durability

TURNS = 12


class Load:
    """Appends batches of different sizes, as turns of an event loop would, and notes what was answered."""

    def __init__(self, log: AuditLog, answered: int) -> None:
        self._log = log
        self._answered = answered
        self.number = 0

    async def turn(self) -> bool:
        first = self.number + 1
        self.number += 1 + first % 7
        released: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        for number in range(first, self.number + 1):
            self._log.append(record(number))
        last = self.number

        def release(allowed: bool) -> None:
            if allowed:
                os.write(self._answered, b"".join(b"%d\n" % number for number in range(first, last + 1)))
            released.set_result(allowed)

        self._log.commit(release)
        return await released


async def main(
    folder: Path, stream: str, durability: str, answered: str, checkpoints: str, limit: int
) -> None:
    """Run until killed, or through one full disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    kept = os.open(checkpoints, flags, 0o600)

    def keep(checkpoint: Checkpoint) -> None:
        os.write(kept, encode_checkpoint(checkpoint) + b"\n")

    log = AuditLog(
        folder,
        stream,
        HEAD_KEY,
        cast(Durability, durability),
        asyncio.get_running_loop(),
        signer=SIGNER,
        on_checkpoint=keep,
        checkpoint_seconds=0.02,
        roll_bytes=60_000,
    )
    load = Load(log, os.open(answered, flags, 0o600))
    if not limit:
        while True:
            await asyncio.gather(*[load.turn() for _ in range(TURNS)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    refused = 0
    while refused < 20:
        refused += not await load.turn()
    assert log.failure is not None
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for _ in range(20):
        assert await load.turn()
    assert log.failure is None
    await log.aclose()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:6], int(sys.argv[6])))
